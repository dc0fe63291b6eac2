"""Octave convolution against its formula, and the octave as a tensor."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from marey.nn import GloRe, Octave, OctConv, merged
from marey.nn.octave_map import split

PLAIN = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
SIZES = {1: (13,), 2: (9, 12), 3: (4, 7, 10)}
ALPHAS = st.floats(0, 1)


def octave(channels: int = 8, low: int = 3, size: tuple[int, ...] = (6, 8)) -> Octave:
    x = split(torch.randn(2, channels, *size), low)
    assert isinstance(x, Octave)
    return x


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("alpha", [0, 0.125, 0.25, 0.5, 0.75, 1])
def test_parameters_are_those_of_the_plain_convolution(alpha: float) -> None:
    assert parameters(OctConv(64, 128, 3, padding=1, bias=False, alpha=alpha)) == 73_728


@settings(max_examples=40, deadline=None)
@given(
    alpha_in=ALPHAS,
    alpha_out=ALPHAS,
    dims=st.sampled_from((1, 2, 3)),
    kernel=st.sampled_from((1, 2, 3, 5)),
    stride=st.sampled_from((1, 2, 4)),
    padding=st.integers(0, 2),
)
def test_any_shares_give_the_size_and_the_parameters_of_the_plain_convolution(
    alpha_in: float, alpha_out: float, dims: int, kernel: int, stride: int, padding: int
) -> None:
    """Odd sizes, kernels that shrink the map and strides among them; `dims` 3 strides over space only."""
    strides = (1, stride, stride) if dims == 3 else stride
    layer = OctConv(7, 9, kernel, strides, padding, alpha_in=alpha_in, alpha_out=alpha_out, dims=dims)  # pyright: ignore
    plain = PLAIN[dims](7, 9, kernel, strides, padding)
    x = torch.randn(2, 7, *(n + 2 for n in SIZES[dims]))
    y = layer(x)
    assert y.shape == plain(x).shape and merged(y).shape == y.shape
    assert parameters(layer) == parameters(plain)
    low = int(alpha_out * 9)
    assert isinstance(y, Octave) == (low > 0)
    if isinstance(y, Octave):
        assert y.low.shape[1] == low and (y.high is None) == (low == 9)
        assert tuple(y.low.shape[-1:]) == (-(-y.shape[-1] // 2),)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_formula(stride: int) -> None:
    """The authors': stride is a mean, pooling comes before a convolution, spreading after it and not at stride 2."""
    layer = OctConv(8, 6, 3, stride, 1, alpha_in=0.25, alpha_out=0.5)
    high, low = octave(8, 2, (8, 12))
    assert high is not None and low is not None
    w = dict(layer.named_parameters())
    top, bottom = (F.avg_pool2d(x, 2) if stride == 2 else x for x in (high, low))
    across = F.conv2d(low, w["l2h.weight"], padding=1)
    expected_high = F.conv2d(top, w["h2h.weight"], w["h2h.bias"], padding=1)
    expected_high = expected_high + (across if stride == 2 else across.repeat_interleave(2, 2).repeat_interleave(2, 3))
    expected_low = F.conv2d(F.avg_pool2d(high, 2 * stride), w["h2l.weight"], w["h2l.bias"], padding=1)
    expected_low = expected_low + F.conv2d(bottom, w["l2l.weight"], padding=1)
    got_high, got_low = layer((high, low))
    torch.testing.assert_close(got_high, expected_high, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(got_low, expected_low, atol=1e-5, rtol=1e-5)
    assert set(w) == {"h2h.weight", "h2h.bias", "h2l.weight", "h2l.bias", "l2h.weight", "l2l.weight"}


@pytest.mark.parametrize("alpha", [0.125, 0.25, 0.5, 0.75])
def test_cost_and_memory_are_the_identities(alpha: float) -> None:
    def macs(layer: nn.Module, x: Tensor) -> int:
        with FlopCounterMode(display=False) as counter:
            layer(x)
        return counter.get_total_flops() // 2

    x = octave(64, int(64 * alpha), (16, 16))
    layer = OctConv(64, 128, 3, padding=1, alpha=alpha)
    ratio = macs(layer, x) / macs(nn.Conv2d(64, 128, 3, padding=1), merged(x))
    assert ratio == pytest.approx(1 - 0.75 * alpha * (2 - alpha))
    y = layer(x)
    assert sum(part.numel() for part in y) / y.shape.numel() == pytest.approx(1 - 0.75 * alpha)


def test_without_low_channels_it_is_the_plain_convolution() -> None:
    plain, x = nn.Conv2d(6, 4, 3, padding=1), torch.randn(2, 6, 7, 7)
    layer = OctConv.of(plain, low_in=0, low_out=0)
    assert torch.equal(layer(x), plain(x)) and not isinstance(layer(x), Octave)
    strided = nn.Conv2d(6, 4, 3, 2, 1)
    expected = F.conv2d(F.avg_pool2d(x, 2, ceil_mode=True), strided.weight, strided.bias, padding=1)
    assert torch.equal(OctConv.of(strided, low_in=0, low_out=0)(x), expected)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_merging_1x1_is_the_plain_one_on_the_merged_map(groups: int) -> None:
    plain, x = nn.Conv2d(8, 6, 1, groups=groups), octave(8, 4, (7, 9))
    layer = OctConv.of(plain, low_in=4, low_out=0)
    if groups == 1:
        torch.testing.assert_close(layer(x), plain(merged(x)), atol=1e-6, rtol=1e-5)
    order = torch.tensor([0, 1, 4, 5, 2, 3, 6, 7])  # of two groups of four, the last two of each are low
    whole = merged(x)[:, order] if groups == 2 else merged(x)
    torch.testing.assert_close(layer(x), plain(whole), atol=1e-6, rtol=1e-5)


def test_a_channel_by_itself_keeps_its_frequency() -> None:
    layer, x = OctConv(8, 16, 3, padding=1, groups=8, alpha=0.25), octave(8, 2)
    assert layer.h2l is None and layer.l2h is None
    changed = Octave(x.high, x.low + 1)
    assert torch.equal(layer(x).high, layer(changed).high) and not torch.equal(layer(x).low, layer(changed).low)
    assert layer(x).low.shape[1] == 4


def test_time_is_not_halved() -> None:
    """Each frame of a clip is what the same convolution makes of it as an image."""
    flat, clip = OctConv(6, 8, 3, 2, 1, alpha_in=0.5), octave(6, 3, (5, 8, 12))
    layer = OctConv(6, 8, (1, 3, 3), (1, 2, 2), (0, 1, 1), alpha_in=0.5, dims=3)
    layer.load_state_dict({name: x.unsqueeze(2) if x.ndim == 4 else x for name, x in flat.state_dict().items()})
    assert clip.low.shape == (2, 3, 5, 4, 6) and clip.high is not None
    for t in range(5):
        frame = flat((clip.high[:, :, t], clip.low[:, :, t]))
        torch.testing.assert_close(merged(layer(clip))[:, :, t], merged(frame), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("alpha_in", [0, 0.5, 1])
def test_bias_comes_once_a_channel(alpha_in: float) -> None:
    layer = OctConv(4, 6, 3, padding=1, alpha_in=alpha_in, alpha_out=0.5)
    for name, p in layer.named_parameters():
        nn.init.constant_(p, 3 if name.endswith("bias") else 0)
    assert torch.equal(merged(layer(torch.randn(1, 4, 6, 6))), torch.full((1, 6, 6, 6), 3.0))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_other_paddings_are_those_of_the_plain_convolution(mode: str) -> None:
    layer = OctConv(4, 4, 3, 1, 1, 1, 1, False, mode, alpha=0.5)
    high, low = octave(4, 2)
    parts = {
        name: F.conv2d(F.pad(x, (1,) * 4, mode), w)
        for (name, w), x in zip(
            ((n[:3], p) for n, p in sorted(layer.named_parameters())),
            (high, F.avg_pool2d(high, 2), low, low),
            strict=True,
        )
    }
    got_high, got_low = layer((high, low))
    across = parts["l2h"].repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(got_high, parts["h2h"] + across, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(got_low, parts["h2l"] + parts["l2l"], atol=1e-5, rtol=1e-5)


def test_it_is_built_where_and_as_it_is_asked_for() -> None:
    layer = OctConv(4, 4, 3, device="meta", dtype=torch.bfloat16)
    assert {(p.device.type, p.dtype) for p in layer.parameters()} == {("meta", torch.bfloat16)}


def test_every_part_learns() -> None:
    layer = OctConv(6, 6, 3, padding=1)
    merged(layer(octave(6, 3))).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())


def test_in_place_of_any_convolution() -> None:
    """Only the name `Conv` changes; normalization, activation, pooling and sums are the network's own."""

    class Net(nn.Module):
        def __init__(self, conv: Callable[..., nn.Module]) -> None:
            super().__init__()
            self.a, self.b, self.c = conv(3, 8, 3, padding=1), conv(8, 8, 3, padding=1), conv(8, 5, 1)
            self.norm = nn.BatchNorm2d(8)

        def forward(self, x: Tensor) -> Tensor:
            x = F.max_pool2d(F.relu(self.a(x)), 2)
            x = x + F.relu(self.norm(self.b(x)))
            return self.c(x).mean((2, 3))

    net = Net(OctConv)
    logits = net(torch.randn(2, 3, 16, 16))
    assert logits.shape == (2, 5) and not isinstance(logits, Octave)
    assert parameters(net) == parameters(Net(nn.Conv2d))


@pytest.mark.parametrize(
    "build, message",
    [
        (partial(OctConv, 4, 4, 1, alpha=1.5), r"alpha is 1\.5; the share of low channels is 0 to 1"),
        (partial(OctConv, 4, 4, 1, alpha_out=-0.1), r"alpha is -0\.1; the share of low channels is 0 to 1"),
        (
            partial(OctConv, 4, 4, 5, padding=1, padding_mode="reflect"),
            r"padding \(1, 1\) of mode 'reflect' does not keep the size of a map; two frequencies take such a mode",
        ),
        (partial(OctConv, 4, 4, 3, 3), r"stride is \(3, 3\); two frequencies take a stride of 1 or an even one"),
        (
            partial(OctConv, 128, 128, 3, padding=1, groups=32, alpha=0.125),
            "16 channels of one frequency cannot be in 32 groups; take another alpha",
        ),
        (
            partial(OctConv, 8, 8, 3, groups=8, alpha_in=0.25, alpha_out=0.5),
            "2 of 8 channels come low and 4 of 8 shall go low; .* so give it one alpha",
        ),
    ],
)
def test_what_cannot_be_built_is_told(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_an_octave_of_another_share_is_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="3 of 8 channels come low; this OctConv takes 4 low ones of 8"):
        OctConv(8, 8, 1)(octave(8, 3))


def test_parts_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the high part is \(2, 3, 6, 8\) and the low part \(2, 3, 3, 3\); the low"):
        Octave(torch.zeros(2, 3, 6, 8), torch.zeros(2, 3, 3, 3))


def test_an_octave_is_a_pair_and_a_map() -> None:
    x = octave(8, 3, (7, 9))
    high, low = x
    assert len(x) == 2 and x[0] is high is x.high and x[1] is low is x.low
    assert x.shape == (2, 8, 7, 9) and x.ndim == 4 and low is not None and low.shape == (2, 3, 4, 5)
    whole = merged(x)
    assert high is not None and torch.equal(whole[:, :5], high) and torch.equal(whole[:, 5:, 6, 8], x.low[:, :, 3, 4])
    assert torch.equal(x[:, 2:4], whole[:, 2:4]) and merged(whole) is whole
    assert torch.equal(merged(split(whole, 3)), whole)  # a mean of equal numbers is that number
    with (
        torch._C.DisableTorchFunctionSubclass(),
        pytest.raises(NotImplementedError, match=r"give it marey\.nn\.merged"),
    ):
        x.sort()


EACH = {
    "relu": nn.ReLU(),
    "relu in place": nn.ReLU(inplace=True),
    "relu6": nn.ReLU6(),
    "silu": nn.SiLU(),
    "hardswish": nn.Hardswish(),
    "gelu": nn.GELU(),
    "leaky": nn.LeakyReLU(0.2),
    "prelu": nn.PReLU(8),
    "batch norm": nn.BatchNorm2d(8),
    "instance norm": nn.InstanceNorm2d(8, affine=True),
    "dropout": nn.Dropout(0.5).eval(),
    "scaled": lambda x: 2 * x - 1,
    "twice": lambda x: x + x,
    "a gate of channels": lambda x: x * torch.linspace(0, 1, 8).reshape(1, 8, 1, 1),
    "a number": lambda x: x / torch.tensor(3.0),
}


@pytest.mark.parametrize("act", EACH.values(), ids=EACH)
def test_what_acts_on_each_place_acts_on_both_parts(act: Callable[[Tensor], Tensor]) -> None:
    x = octave()
    if isinstance(act, nn.BatchNorm2d):
        act.eval()
        nn.init.uniform_(act.weight)
    expected = act(merged(x))
    y = act(x)
    assert isinstance(y, Octave) and y.low.shape == x.low.shape
    torch.testing.assert_close(merged(y), expected)


def test_normalization_learns_from_both_parts() -> None:
    norm, apart, x = nn.BatchNorm2d(8), [nn.BatchNorm2d(5), nn.BatchNorm2d(3)], octave()
    y = norm(x)
    for part, own, got in zip(x, apart, y, strict=True):
        torch.testing.assert_close(own(part), got)
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, torch.cat([own.running_mean for own in apart]))  # pyright: ignore


@pytest.mark.parametrize(
    "pool, size",
    [
        (nn.MaxPool2d(2), (7, 9)),
        (nn.MaxPool2d(2), (6, 10)),
        (nn.MaxPool2d(3, 2, 1), (7, 9)),
        (nn.AvgPool2d(2), (6, 8)),
        (nn.AvgPool2d(3, 1, 1), (6, 8)),
    ],
)
def test_poolings_keep_the_frequencies(pool: nn.Module, size: tuple[int, int]) -> None:
    x = octave(size=size)
    y = pool(x)
    assert isinstance(y, Octave) and y.shape == pool(merged(x)).shape
    assert x.high is not None and torch.equal(y[0], pool(x.high))


def test_a_mean_over_space_is_a_plain_tensor() -> None:
    x = octave()
    for mean in (nn.AdaptiveAvgPool2d(1), lambda x: x.mean((2, 3)), lambda x: torch.mean(x, (-1, -2), keepdim=True)):
        assert not isinstance(mean(x), Octave)
        torch.testing.assert_close(mean(x), mean(merged(x)))


def test_channels_are_stacked_shared_and_shuffled_within_their_frequency() -> None:
    x, plain = octave(8, 4), torch.randn(2, 6, 6, 8)
    both = torch.cat([x, plain, x], 1)
    assert isinstance(both, Octave) and both.low.shape[1] == 8
    assert x.high is not None and torch.equal(both[0], torch.cat([x.high, plain, x.high], 1))
    one, two = x.chunk(2, 1)
    assert torch.equal(one[0], x.high[:, :2]) and torch.equal(two[1], x.low[:, 2:])
    shuffled = nn.ChannelShuffle(2)(x)
    assert torch.equal(shuffled[1], nn.ChannelShuffle(2)(x.low))


def test_resizing_keeps_the_frequencies() -> None:
    x = octave(size=(6, 8))
    for resize in (nn.Upsample(scale_factor=2), partial(F.interpolate, size=(9, 11), mode="bilinear")):
        y = resize(x)
        assert isinstance(y, Octave) and y.shape == resize(merged(x)).shape


def test_a_plain_map_that_meets_an_octave_is_split() -> None:
    x, plain = octave(), torch.randn(2, 8, 6, 8)
    y = plain + x
    assert isinstance(y, Octave) and x.high is not None
    assert torch.equal(y[0], plain[:, :5] + x.high)
    torch.testing.assert_close(y[1], F.avg_pool2d(plain[:, 5:], 2) + x.low)
    kept = plain.clone()
    kept += x  # what is changed in place stays what it is
    assert not isinstance(kept, Octave)
    torch.testing.assert_close(kept, plain + merged(x))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.flatten(1),
        lambda x: x.reshape(2, -1, 8),
        lambda x: x.mean(1),
        lambda x: x.mean(),
        lambda x: F.conv2d(x, torch.ones(2, 8, 1, 1)),
        lambda x: F.adaptive_avg_pool2d(x, (2, 2)),
        lambda x: torch.cat([x, x], 2),
        lambda x: x.split([4, 4], 1)[0],
        lambda x: x.chunk(3, 1)[0],
        lambda x: x + torch.arange(8.0),
    ],
)
def test_any_other_function_gets_the_merged_map(function: Callable[[Tensor], Tensor]) -> None:
    x = octave()
    y = function(x)
    assert not isinstance(y, Octave) and torch.equal(y, function(merged(x)))


def test_a_fresh_long_range_block_changes_no_bit() -> None:
    x = octave(8, 4, (7, 9))
    y = GloRe(8, dims=2)(x)
    assert isinstance(y, Octave) and torch.equal(merged(y), merged(x))


def test_octaves_disappear_in_an_exported_graph() -> None:
    net = nn.Sequential(OctConv(3, 8, 3, padding=1, alpha_in=0), nn.ReLU(), OctConv(8, 4, 1, alpha_out=0))
    x = torch.randn(1, 3, 8, 8)
    exported = torch.export.export(net.eval(), (x,), strict=False).module()
    assert torch.equal(exported(x), net(x))
