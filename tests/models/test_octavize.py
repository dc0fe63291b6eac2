"""Octaves in anybody's network, and the presets made so."""

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.utils.flop_counter import FlopCounterMode

import marey
from marey.errors import UsageError
from marey.models import EfficientNetLite, FrameModel, ResNet, ResNet3D, SlowFast
from marey.nn import GloRe, MeanHead, NonLocal, Octave, OctConv
from marey.presets import PRESETS, count, create_model, find_preset
from marey.presets.octave import IMPOSSIBLE

# Parameters, and multiply-adds in billions at alpha 0, .125, .25, .5 and .75: closed form of the paper's layers.
TABLE = {
    "resnet26": (15_995_176, (2.3423, 2.0870, 1.8582, 1.4800, 1.2079)),
    "resnet50": (25_557_032, (4.0892, 3.5652, 3.1035, 2.3671, 1.8800)),
    "resnet101": (44_549_160, (7.8014, 6.6249, 5.5977, 3.9912, 2.9821)),
    "resnet152": (60_192_808, (11.5136, 9.6846, 8.0918, 5.6153, 4.0842)),
    "resnet200": (64_673_832, (15.0075, 12.5643, 10.4393, 7.1439, 5.1214)),
    "resnext50": (25_028_904, (4.2305, None, 3.1710, 2.3865, 1.8770)),
}
ENDINGS = ("a000", "a125", "a250", "a500", "a750")
QUICK = {"oct_resnet26_a250", "oct_resnet50_a125", "oct_resnet50_a500", "oct_resnext50_a750"}
EXACT = [
    pytest.param(f"oct_{name}_{end}", params, gmacs, marks=() if f"oct_{name}_{end}" in QUICK else pytest.mark.slow)
    for name, (params, row) in TABLE.items()
    for end, gmacs in zip(ENDINGS, row, strict=True)
    if gmacs is not None
]
QUOTED = {  # parameters and multiply-adds in millions in the README of the official repository, which counts more
    "oct_mobilenet_v1_w075_a375": (2.6, 213),
    "oct_mobilenet_v1_a500": (4.2, 321),
    "oct_mobilenet_v2_a375": (3.5, 256),
    "oct_mobilenet_v2_w1125_a500": (4.2, 295),
}


@pytest.mark.parametrize("name, params, gmacs", EXACT)
def test_costs_are_those_of_the_table(name: str, params: int, gmacs: float) -> None:
    cost = count(find_preset(name))
    assert cost.params == params and cost.gmacs == pytest.approx(gmacs, abs=5.1e-5)


@pytest.mark.parametrize("name", QUOTED)
def test_mobile_costs_are_the_quoted_ones_but_for_what_is_no_multiplication(name: str) -> None:
    millions, macs = QUOTED[name]
    cost = count(find_preset(name))
    assert round(cost.params / 1e6, 1) == millions
    assert 0.99 < cost.gmacs * 1e3 / macs < 1


def test_other_counts() -> None:
    assert count(find_preset("oct_mobilenet_v1_a500")).gmacs == pytest.approx(0.3182, abs=5e-5)  # d-li14's
    with torch.device("meta"):
        gated = find_preset("oct_se_resnet152_a125").build(num_classes=1000)
    assert round(sum(p.numel() for p in gated.parameters()) / 1e6, 1) == 66.8  # the README's


@pytest.mark.parametrize("ending, quoted", [("a100", 25.6), ("a200", 22.9)])
def test_octave_i3d_costs_what_the_paper_says_or_nearly(ending: str, quoted: float) -> None:
    """The paper's plain I3D has 28.1; PySlowFast's, which this is made of, 28.4."""
    cost, plain = count(find_preset(f"oct_i3d_r50_{ending}")), find_preset("i3d_r50_8x8")
    assert cost.params == count(plain).params
    assert cost.gmacs == pytest.approx(quoted, rel=0.03)


def test_the_stage_network_costs_what_its_plain_twin_does() -> None:
    octave, plain = (count(find_preset(name)).gmacs for name in ("oct_i3d_stage", "i3d_stage"))
    assert 0.97 * plain < octave <= plain


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_the_impossible_is_told_by_name(name: str) -> None:
    assert name not in PRESETS
    with pytest.raises(UsageError, match=f"{name} cannot be built: .* 16 channels of low frequency in 32 groups; take"):
        create_model(name)


def test_a_grouped_stage_of_too_few_channels_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"`encoder\.stages\.stage1\.0\.body\.conv2\.conv` \(Conv2d\) cannot be halved"
    ):
        grouped = partial(ResNet, bottleneck=True, depths=(1, 1, 1, 1), groups=32, group_width=4)
        marey.octavize(FrameModel(num_classes=2, encoder=grouped, head=MeanHead), alpha=0.125)


class Plain(nn.Module):
    """A user's network of `dims` dimensions, three sizes and a skip; `aux` never runs."""

    def __init__(self, dims: int = 2) -> None:
        super().__init__()
        conv, norm = getattr(nn, f"Conv{dims}d"), getattr(nn, f"BatchNorm{dims}d")
        self.first = nn.Sequential(conv(3, 8, 3, 1, 1), norm(8), nn.ReLU(inplace=True))
        self.second = nn.Sequential(conv(8, 16, 3, 2, 1), norm(16), nn.ReLU(inplace=True))
        self.third, self.fourth = conv(16, 16, 3, padding=1), conv(16, 24, 3, 2, 1)
        self.aux, self.fc = conv(24, 2, 1), nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x))
        y = self.third(x)
        y += x
        return self.fc(self.fourth(F.relu(y)).flatten(2).mean(2))


class Hourglass(nn.Module):
    """A user's network that gives as large a map as it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, 2, 1)
        self.deep = nn.Conv2d(16, 16, 3, 2, 1)
        self.up, self.out = nn.Conv2d(32, 8, 3, padding=1), nn.Conv2d(16, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = F.relu(self.stem(x))
        second = F.relu(self.down(first))
        third = F.interpolate(F.relu(self.deep(second)), scale_factor=2.0)
        fourth = F.interpolate(F.relu(self.up(torch.cat([second, third], 1))), scale_factor=2.0)
        return self.out(torch.cat([first, fourth], 1))


deep = partial(ResNet, bottleneck=True, widths=(8, 8, 8), depths=(2, 1, 1))
small = partial(FrameModel, num_classes=5, head=MeanHead)
small_slowfast = partial(
    SlowFast,
    num_classes=5,
    alpha=2,
    width=8,
    fast_ratio=2,
    slow_times=((1,), (3,), (3,)),
    fast_times=((3,), (3,), (3,)),
)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet": (partial(small, encoder=deep), (2, 32, 32)),
    "basic blocks": (partial(small, encoder=partial(ResNet, widths=(8, 8, 8), depths=(2, 1, 1))), (1, 48, 32)),
    "gates": (partial(small, encoder=partial(deep, squeeze=4)), (1, 32, 32)),
    "efficientnet": (
        partial(
            small,
            encoder=partial(EfficientNetLite, stages=((1, 3, 1, 1, 8), (2, 5, 2, 6, 12), (1, 3, 2, 6, 16)), dim=16),
        ),
        (1, 64, 64),
    ),
    "r3d": (
        partial(ResNet3D, num_classes=5, kinds=("3d", "2d", "2+1d"), widths=(8,) * 3, depths=(1,) * 3),
        (4, 32, 32),
    ),
    "slowfast": (small_slowfast, (4, 32, 32)),
    "plain 1d": (partial(Plain, 1), (24,)),
    "plain 2d": (partial(Plain, 2), (24, 20)),
    "plain 3d": (partial(Plain, 3), (3, 8, 12)),
    "hourglass": (Hourglass, (16, 24)),
}


@pytest.fixture(params=NETWORKS.values(), ids=list(NETWORKS))
def network(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    build, size = request.param
    return build(), torch.randn(2, 3, *size)


def octaves(model: nn.Module) -> dict[str, OctConv]:
    return {name: m for name, m in model.named_modules() if isinstance(m, OctConv)}


@pytest.mark.parametrize("alpha", [0.125, 0.5])
def test_parameters_stay_as_many_and_all_of_them_learn(network: tuple[nn.Module, Tensor], alpha: float) -> None:
    model, x = network
    before = {name: p.clone() for name, p in model.named_parameters()}
    octave = marey.octavize(model, alpha=alpha)
    assert type(octave) is type(model) and not octaves(model)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert sum(p.numel() for p in octave.parameters()) == sum(p.numel() for p in model.parameters())
    y = octave(x)
    assert not isinstance(y, Octave) and y.shape == model(x).shape and y.isfinite().all()
    nn.Sequential(octave)(x).square().mean().backward()
    still = {name for name, p in octave.named_parameters() if p.grad is None}
    assert still == {name for name in before if name.startswith("aux")}


def test_each_layer_between_octaves_costs_what_the_identity_says() -> None:
    model, x, alpha = small(encoder=deep), torch.randn(1, 3, 1, 64, 64), 0.25

    def macs(net: nn.Module) -> dict[str, int]:
        with FlopCounterMode(display=False) as counter:
            net.eval()(x)
        counts = counter.get_flop_counts()
        return {name.partition(".")[2]: sum(kinds.values()) for name, kinds in counts.items()}

    octave = marey.octavize(model, alpha=alpha)
    before, after = macs(model), macs(octave)
    inner = {n for n, m in octaves(octave).items() if min(m.low_in, m.low_out) > 0 and m.stride == (1, 1)}
    assert len(inner) == 7
    for name in inner:
        assert after[name] / before[name] == pytest.approx(1 - 0.75 * alpha * (2 - alpha))
    maps, plain = octave.encoder(x[:, :, 0]), model.encoder(x[:, :, 0])
    stored = sum(part.numel() for part in maps["stage1"])
    assert stored / plain["stage1"].numel() == pytest.approx(1 - 0.75 * alpha)


def test_the_stem_and_the_last_stage_are_plain() -> None:
    found = octaves(marey.octavize(small(encoder=deep), alpha=0.5))
    assert not any("stem" in name for name in found)
    lows = {name.removeprefix("encoder.stages."): (m.low_in, m.low_out) for name, m in found.items()}
    assert lows["stage1.0.body.conv1.conv"] == (0, 4) and lows["stage1.0.shortcut.conv"] == (0, 16)
    assert lows["stage2.0.body.conv3.conv"] == (4, 16)
    assert lows["stage3.0.body.conv1.conv"] == lows["stage3.0.shortcut.conv"] == (16, 0)
    assert lows["stage3.0.body.conv3.conv"] == (0, 0)
    whole = octaves(marey.octavize(small(encoder=deep), alpha=0.5, last_plain=False))
    assert whole["encoder.stages.stage3.0.body.conv3.conv"].low_out == 16


def test_of_stages_that_pooling_parts_the_last_is_plain_and_no_more() -> None:
    chain = nn.Sequential()
    for c_in, c_out in ((3, 8), (8, 16), (16, 16), (16, 16)):
        chain.extend([nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)])
    found = octaves(marey.octavize(nn.Sequential(*chain, nn.Flatten(), nn.LazyLinear(2)), alpha=0.5))
    assert {name: (m.low_in, m.low_out) for name, m in found.items()} == {"3": (0, 8), "6": (8, 8), "9": (8, 0)}


def test_chosen_modules_give_plain_maps() -> None:
    octave = marey.octavize(small(encoder=deep), alpha=0.5, plain=["encoder.stages.stage2"])
    assert not any(m.low_out for name, m in octaves(octave).items() if "stage2" in name)
    assert any(m.low_out for name, m in octaves(octave).items() if "stage1" in name)


def test_weights_are_kept() -> None:
    """Nothing is lost or made up: of one group, the blocks put together are the plain weights."""
    model = small(encoder=deep)
    octave = marey.octavize(model, alpha=0.25)
    for name, conv in octaves(octave).items():
        rows = [
            torch.cat([part.weight for part in parts if part is not None], 1)  # pyright: ignore
            for parts in ((conv.h2h, conv.l2h), (conv.h2l, conv.l2l))
            if any(part is not None for part in parts)
        ]
        assert torch.equal(torch.cat(rows), model.get_parameter(f"{name}.weight"))


def test_at_alpha_0_a_network_answers_as_before(network: tuple[nn.Module, Tensor]) -> None:
    model, x = network
    same = marey.octavize(model.eval(), alpha=0)
    assert same is not model and torch.equal(same(x), model(x))


class Mixed(nn.Module):
    """A user's network of groups, dilation, depthwise convolutions, sums, concatenations and a convolution as head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.grouped, self.dilated = nn.Conv2d(16, 16, 3, padding=1, groups=4), nn.Conv2d(16, 16, 3, 1, 2, 2)
        self.depthwise, self.point = nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.Conv2d(16, 16, 1)
        self.mirrored = nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect")
        self.down, self.head = nn.Conv2d(48, 32, 3, 2, 1), nn.Conv2d(32, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y = F.relu(self.dilated(self.grouped(x)))
        z = x + F.hardswish(self.point(self.depthwise(y)))
        return F.adaptive_avg_pool2d(self.head(F.relu(self.down(torch.cat([y, z, self.mirrored(z)], 1)))), 1).flatten(1)


@pytest.mark.parametrize("alpha", [0.25, 0.5])
def test_all_kinds_of_convolutions_save_what_the_identity_says(alpha: float) -> None:
    model, x = Mixed().eval(), torch.randn(1, 3, 64, 64)
    octave, spent = marey.octavize(model, alpha=alpha, last_plain=False), []
    for net in (model, octave):
        with FlopCounterMode(display=False) as counter:
            assert net(x).shape == (1, 5)
        spent.append({name.rpartition(".")[2]: sum(v.values()) for name, v in counter.get_flop_counts().items()})
    plain, saved = spent
    low = {name: (m.low_in, m.low_out) for name, m in octaves(octave).items()}
    share = int(16 * alpha)
    assert low["point"] == low["dilated"] == low["mirrored"] == (share, share) and low["down"][0] == 3 * share
    for name in ("dilated", "point", "mirrored"):
        assert saved[name] / plain[name] == pytest.approx(1 - 0.75 * alpha * (2 - alpha)), name
    assert sum(p.numel() for p in octave.parameters()) == sum(p.numel() for p in model.parameters())


def test_a_transposed_convolution_is_named_and_can_be_left_plain() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.ConvTranspose2d(8, 8, 2, 2), nn.Conv2d(8, 4, 3, 1, 1)
    )
    with pytest.raises(
        ValueError, match=r"cannot act on two frequencies: `2` \(ConvTranspose2d\) calls conv_transpose2d"
    ):
        marey.octavize(net, alpha=0.5, last_plain=False)
    octave, x = marey.octavize(net, alpha=0.5, last_plain=False, plain=["2"]), torch.randn(1, 3, 32, 32)
    assert octaves(octave)["1"].low_out == 4 and octave(x).shape == net(x).shape


@pytest.mark.parametrize("kind, add", [(GloRe, marey.add_glore), (NonLocal, marey.add_nonlocal)])
@pytest.mark.parametrize("at", ["encoder.stages.stage1.1", "encoder.stages.stage3"])
def test_long_range_blocks_compose(kind: type[nn.Module], add: Callable[..., nn.Module], at: str) -> None:
    """Before or after octaves are put in, a fresh block changes no bit, and it takes and gives an octave."""
    model, x = small(encoder=deep).eval(), torch.randn(2, 3, 1, 64, 64)
    octave = marey.octavize(model, alpha=0.25)
    for grown in (add(octave, [at]), marey.octavize(add(model, [at]), alpha=0.25)):
        assert torch.equal(grown(x), octave(x))
        assert len(octaves(grown)) == len(octaves(octave))
        (block,) = (m for m in grown.modules() if isinstance(m, kind))
        nn.init.ones_([m for m in block.modules() if isinstance(m, nn.BatchNorm2d)][-1].weight)
        assert not torch.equal(grown(x), octave(x))


def test_time_is_left_alone() -> None:
    """A network that sees each frame by itself gives every frame of a clip what it gives that frame."""
    model = marey.octavize(
        ResNet3D(num_classes=3, kinds=("2d",) * 3, widths=(8,) * 3, depths=(1,) * 3).eval(), alpha=0.5
    )
    assert isinstance(model.stem, nn.Sequential)
    model.stem = nn.Identity()
    maps = model.stages[0](torch.randn(1, 8, 5, 16, 16))
    assert maps.low.shape == (1, 4, 5, 8, 8)


def test_features_are_maps_of_all_channels() -> None:
    model = marey.octavize(small(encoder=deep), alpha=0.5).eval()
    video = torch.randn(1, 3, 2, 32, 32)
    maps = model.features(video)
    assert {name: tuple(x.shape) for name, x in maps.items()} == {
        "stem": (1, 8, 2, 16, 16),
        "stage1": (1, 32, 2, 8, 8),
        "stage2": (1, 32, 2, 4, 4),
        "stage3": (1, 32, 2, 2, 2),
    }
    assert not any(isinstance(x, Octave) for x in maps.values())
    assert model.train().encoder.training and not model.eval().encoder.training


class Shuffled(nn.Module):
    """Shuffles channels by hand, and normalizes groups of them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.norm, self.d = nn.GroupNorm(2, 8), nn.Conv2d(8, 4, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.b(self.a(x)).unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2)
        return self.d(x + self.norm(self.c(x))).mean((2, 3))


class Twice(nn.Module):
    """Runs one convolution on a plain map and on its own octave."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.b(self.a(x)))).mean((2, 3))


def tied() -> nn.Module:
    net = Plain()
    net.third.weight = nn.Parameter(torch.randn(16, 16, 3, 3))
    twin = nn.Conv2d(16, 16, 3, padding=1)
    twin.weight = net.third.weight
    return nn.Sequential(net, twin)


def odd_stride() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 3), nn.Conv2d(8, 4, 3, 2, 1)
    )


def parametrized() -> nn.Module:
    net = Plain()
    parametrizations.weight_norm(net.third)
    return net


@pytest.mark.parametrize(
    "build, arguments, message",
    [
        (Plain, {"alpha": 1.2}, r"alpha is 1\.2; the share of low channels is 0 to 1"),
        (Plain, {"alpha": 0.01}, r"no map of Plain becomes an octave at alpha 0\.01: it has too few channels"),
        (
            Plain,
            {"alpha": 0.5, "plain": ["secnd"]},
            "the network has no module `secnd`; the nearest names are `second`",
        ),
        (
            lambda: nn.Linear(3, 2),
            {"alpha": 0.5},
            "octavize found no convolution in Linear, so there is nothing to halve",
        ),
        (lambda: marey.octavize(Plain(), alpha=0.5), {"alpha": 0.5}, "Plain has octave convolutions already"),
        (
            Shuffled,
            {"alpha": 0.5},
            r"the network itself \(Shuffled\) calls unflatten; `norm` .* calls group_norm; name them",
        ),
        (Twice, {"alpha": 0.5, "last_plain": False}, r"`b` \(Conv2d\) runs several times, with different low channels"),
        (odd_stride, {"alpha": 0.5, "last_plain": False}, r"`2` \(Conv2d\) cannot be halved: stride is \(3, 3\)"),
        (tied, {"alpha": 0.5}, r"would change what these are: `1` \(Conv2d\) has the weights of `0\.third`"),
        (
            parametrized,
            {"alpha": 0.5},
            r"`third` \(ParametrizedConv2d\) has hooks, or weights made of other parameters",
        ),
    ],
)
def test_what_cannot_be_converted_is_named(build: Callable[[], nn.Module], arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        marey.octavize(build(), **arguments)


def test_what_is_named_can_be_left_plain() -> None:
    net, x = odd_stride(), torch.randn(2, 3, 37, 37)
    octave = marey.octavize(net, alpha=0.5, plain=["2", "3"], last_plain=False)
    assert octave(x).shape == net(x).shape
    assert octaves(octave)["1"].low_out == 4 and "2" not in octaves(octave)


def test_an_example_replaces_trying() -> None:
    convs = [nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), nn.AvgPool2d(2), nn.Conv2d(8, 4, 1)]
    only = nn.Sequential(*convs, nn.Flatten(), nn.Linear(4 * 25 * 25, 2))
    with pytest.raises(ValueError, match="no input was found that Sequential takes"):
        marey.octavize(only, alpha=0.5)
    image = torch.randn(1, 3, 50, 50)
    octave = marey.octavize(only, alpha=0.5, example=image)
    assert octaves(octave)["1"].low_out == 4 and octave(image).shape == (1, 2)


def test_a_network_that_needs_numbers_is_tried_with_them() -> None:
    class Counting(Plain):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x if x.sum().item() < 0 else -x)

    octave = marey.octavize(Counting(), alpha=0.5)
    assert octaves(octave) and octave(torch.randn(1, 3, 16, 16)).shape == (1, 5)
    assert copy.deepcopy(octave)(torch.randn(1, 3, 16, 16)).shape == (1, 5)
