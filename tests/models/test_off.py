from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import marey
from marey.models import FrameModel, FusionNet, OffModel, OffNet, PerFrame, ResNet, ResNet3D
from marey.nn import FlowFeatureBranch, LstmHead, MeanHead, fold_time
from marey.presets import find_preset


class Plain(nn.Module):
    """A user's network of `dims` dimensions, its activations in place; `aux` never runs."""

    def __init__(self, dims: int = 2) -> None:
        super().__init__()
        conv, norm = getattr(nn, f"Conv{dims}d"), getattr(nn, f"BatchNorm{dims}d")
        stride = (1, 2, 2)[-dims:]
        self.first, self.act = nn.Sequential(conv(3, 8, 3, stride, 1), norm(8)), nn.ReLU(inplace=True)
        self.second = conv(8, 12, 3, stride, 1)
        self.aux, self.fc = conv(12, 2, 1), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.second(self.act(self.first(x)))).flatten(2).mean(2))


tiny = partial(ResNet, widths=(4, 6), depths=(1, 1))
fusion = partial(FusionNet, widths=(4, 6), kernels=((1, 3), (1, 3)), strides=((1, 1), (1, 1)), pools=((1, 2), (1, 2)))
frozen = partial(FrameModel, num_classes=5, encoder=tiny, head=MeanHead, frozen=True)
STAGES = ["encoder.stages.stage1", "encoder.stages.stage2"]
LAYERS = ["layers.layer1", "layers.layer2.conv"]
NETWORKS: dict[str, tuple[Callable[[], nn.Module], list[str], Tensor]] = {
    "mean of frames": (
        partial(FrameModel, num_classes=5, encoder=tiny, head=MeanHead),
        STAGES,
        torch.randn(2, 3, 4, 16, 16),
    ),
    "lstm": (partial(FrameModel, num_classes=5, encoder=tiny, head=LstmHead), STAGES[:1], torch.randn(2, 3, 5, 20, 17)),
    "frozen": (frozen, STAGES, torch.randn(2, 3, 9, 16, 16)),  # 18 images, which it sees in two parts
    "each frame": (
        partial(PerFrame, num_classes=5, net=fusion),
        [f"net.{name}" for name in LAYERS],
        torch.randn(2, 3, 3, 16, 16),
    ),
    "clips": (partial(fusion, num_classes=5), LAYERS, torch.randn(2, 3, 3, 16, 16)),
    "r3d": (
        partial(ResNet3D, num_classes=5, kinds=("3d",) * 3, widths=(4, 6, 8), depths=(1, 1, 1)),
        ["stages.stage1", "stages.stage2"],
        torch.randn(2, 3, 8, 32, 32),
    ),
    "inflated": (
        lambda: marey.inflate(FrameModel(num_classes=5, encoder=tiny, head=MeanHead), frames=3),
        STAGES,
        torch.randn(2, 3, 4, 16, 16),
    ),
    "plain 2d": (partial(Plain, 2), ["first", "second"], torch.randn(2, 3, 4, 12, 10)),
    "plain 3d": (partial(Plain, 3), ["second", "first.0"], torch.randn(2, 3, 3, 8, 9)),
}
add_off = partial(marey.add_off, spatial=3, temporal=8, width=8)


def own(model: nn.Module, video: Tensor) -> Tensor:
    """What the network itself says of a clip: of one of images, the mean over the frames."""
    if isinstance(model, Plain) and isinstance(model.second, nn.Conv2d):
        return model(fold_time(video)).unflatten(0, (len(video), -1)).mean(1)
    return model(video)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_fresh_branch_leaves_the_logits_as_they_are_and_then_learns(network: str) -> None:
    build, at, video = NETWORKS[network]
    model = build().eval()
    state = {name: x.clone() for name, x in model.state_dict().items()}
    grown = add_off(model, at)
    assert torch.equal(grown(video), own(model, video))
    assert all(torch.equal(x, state[name]) for name, x in model.state_dict().items())
    assert {f"model.{name}" for name in state} == {name for name in grown.state_dict() if name.startswith("model.")}
    assert not any(m._forward_hooks or m._forward_pre_hooks for some in (model, grown) for m in some.modules())
    grown.branch.restart()
    logits = grown(video)
    assert (logits - own(model, video)).abs().max() > 1e-6
    logits.square().sum().backward()
    assert not {name for name, p in grown.branch.named_parameters() if p.grad is None or not p.grad.any()}


@pytest.mark.parametrize("network", NETWORKS)
def test_one_frame_is_answered_without_the_branch(network: str) -> None:
    build, at, video = NETWORKS[network]
    model = build().eval()
    grown = add_off(model, at, zero_init=False)
    if network == "r3d":
        with pytest.raises(ValueError, match="video has 1 frames; this network needs at least 4"):
            grown(video[:, :, :1])
        return
    assert torch.equal(grown(video[:, :, :1]), own(model, video[:, :, :1]))
    if network == "plain 2d":
        assert torch.equal(grown(video[:, :, 0]), model(video[:, :, 0]))


def test_the_branch_reads_what_the_modules_put_out() -> None:
    """Of the convolution before an activation in place too, whose values that would have changed."""
    model, video = Plain().eval(), torch.randn(1, 3, 3, 12, 12)
    grown = add_off(model, ["first"], zero_init=False)
    assert isinstance(grown, OffNet) and grown.reader.copied == {"first"}
    maps = model.first(video[0].transpose(0, 1)).transpose(0, 1)[None]
    (group,) = grown.branch.groups
    expected = own(model, video) + grown.branch.classify(group([maps], None).mean((2, 3, 4)))
    torch.testing.assert_close(grown(video), expected)


def test_maps_of_one_size_are_one_group_and_the_largest_come_first() -> None:
    model = FrameModel(num_classes=5, encoder=partial(ResNet, widths=(4, 6, 8), depths=(2, 2, 1)), head=MeanHead)
    stage = "encoder.stages.stage"
    grown = add_off(model, [f"{stage}3", f"{stage}1.0", f"{stage}2.1", f"{stage}1.1", f"{stage}2.0"])
    assert grown.reader.groups == ((f"{stage}1.0", f"{stage}1.1"), (f"{stage}2.0", f"{stage}2.1"), (f"{stage}3",))
    entries = [group.get_submodule("entry.conv") for group in grown.branch.groups]
    assert [(e.kernel_size[0], e.stride[0], e.out_channels) for e in entries] == [(7, 2, 8), (5, 2, 16), (3, 1, 32)]  # pyright: ignore


def test_arguments_reach_the_branch() -> None:
    model = Plain().double().train()
    grown = marey.add_off(model, "second", spatial=5, temporal=7, gradient="sobel", width=6, blocks=3)
    assert grown.branch.get_parameter("groups.0.entry.conv.weight").shape == (6, 2 * 5 + 7, 3, 3)
    assert len(grown.branch.groups[0].get_submodule("blocks")) == 3  # pyright: ignore[reportArgumentType]
    assert {p.dtype for p in grown.parameters()} == {torch.float64}
    assert all(m.training for m in grown.modules())
    with pytest.raises(ValueError, match="gradient is 'scharr'; there are official and sobel"):
        marey.add_off(model, "second", gradient="scharr")


def test_the_frozen_encoder_stays_frozen_and_the_whole_is_not() -> None:
    grown = add_off(frozen(), STAGES).train()
    assert isinstance(grown, OffModel) and not grown.frozen
    assert not any(m.training for m in grown.get_submodule("model.encoder").modules())
    assert all(m.training for m in grown.branch.modules())


def test_what_the_classifiers_read_is_what_they_are_told() -> None:
    grown, video = add_off(NETWORKS["lstm"][0]().eval(), STAGES, zero_init=False), torch.randn(2, 3, 5, 16, 16)
    assert isinstance(grown, OffModel)
    encoded = grown.encode(video)
    assert encoded.shape == (2, 5 * 6 + grown.branch.dim)
    assert torch.equal(sum(grown.branches(encoded)), grown(video))  # pyright: ignore[reportArgumentType]
    assert list(grown.features(video)) == list(grown.model.features(video))


class Merges(nn.Module):
    """Clips whose frames become channels, and logits beside something else."""

    def __init__(self, *, pair: bool = False, last: bool = False) -> None:
        super().__init__()
        self.enter, self.conv, self.fc = nn.Conv3d(3, 4, 1), nn.Conv2d(16, 8, 3), nn.Linear(8, 5)
        self.norm, self.pair, self.last = nn.LayerNorm(4), pair, last

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        maps = self.enter(x)
        if self.last:
            maps = self.norm(maps.movedim(1, -1)).movedim(-1, 1)
        logits = self.fc(self.conv(maps[:, :, :4].flatten(1, 2)).mean((2, 3)))
        return (logits, logits) if self.pair else logits


@pytest.mark.parametrize(
    "build, at, message",
    [
        (Plain, ["secnd"], "the network has no module `secnd`; the nearest names are `second`"),
        (Plain, [], r"at is \[\]; it names one module or more, each once"),
        (Plain, ["first", "first"], r"at is \['first', 'first'\]; it names one module or more, each once"),
        (Plain, ["fc"], r"`fc` \(Linear\) puts out \(3, 5\); flow features need one map"),
        (Plain, ["aux"], r"`aux` \(Conv2d\) does not run before the network's classifier"),
        (partial(Plain, 1), ["first"], "Plain works in one dimension; flow features need maps of rows and columns"),
        (partial(nn.Linear, 3, 5), ["x"], "the network has no module `x`"),
        (lambda: nn.Sequential(nn.Linear(3, 5)), ["0"], "Sequential has no convolutions; flow features need maps"),
        (lambda: nn.Sequential(nn.Conv2d(3, 5, 3)), ["0"], r"Sequential answers 3 inputs with \(3, 5, 62, 62\)"),
        (Merges, ["conv"], r"`conv` \(Conv2d\) puts out 1 of \(1, 8, 62, 62\) for 1 x 4 frames; .* one map a frame"),
        (
            partial(Merges, last=True),
            ["norm"],
            r"`norm` \(LayerNorm\) puts out 8 channels for an input of \(8, 96, 96\) and 4 for one",
        ),
        (partial(Merges, pair=True), ["enter"], "Merges answers 1 inputs with a tuple; a branch is added to logits"),
        (NETWORKS["lstm"][0], ["head.lstm"], r"`head.lstm` \(LSTM\) does not run before the network's classifier"),
        (
            lambda: nn.Sequential(nn.Conv3d(3, 4, 3, (8, 4, 4)), nn.AdaptiveAvgPool3d(1), nn.Flatten()),
            ["1"],
            r"`1` \(AdaptiveAvgPool3d\) has 1 step in time left of 64 frames; flow features need 2",
        ),
        (
            lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(4 * 50 * 50, 2)),
            ["0"],
            r"no input was found that Sequential takes, the last one .*; give one as example=",
        ),
    ],
)
def test_where_a_branch_cannot_go_is_named(build: Callable[[], nn.Module], at: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        add_off(build(), at)


def test_a_module_at_two_places_is_named() -> None:
    act = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 5, 3), act, nn.AdaptiveAvgPool2d(1), act, nn.Flatten())
    with pytest.raises(ValueError, match="`1` and `3` are one module; name it once"):
        add_off(model, ["1", "3"])
    with pytest.raises(ValueError, match=r"`1` \(ReLU\) puts out 2 of \(3, 5, 62, 62\) for 1 x 3 frames"):
        add_off(nn.Sequential(nn.Conv2d(3, 5, 3), act, act, nn.AdaptiveAvgPool2d(1), nn.Flatten()), ["1"])


def test_an_example_replaces_trying() -> None:
    only = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(4 * 50 * 50, 2))
    for example in (torch.randn(1, 3, 50, 50), torch.randn(4, 3, 50, 50), torch.randn(2, 3, 3, 50, 50)):
        assert add_off(only, ["0"], example=example)(torch.randn(2, 3, 3, 50, 50)).shape == (2, 2)
    with pytest.raises(ValueError, match=r"example has 3 axes \(3, 50, 50\); it is a clip .* or images"):
        add_off(only, ["0"], example=torch.randn(3, 50, 50))
    with pytest.raises(ValueError, match=r"failed in its forward|failed in linear"):
        add_off(only, ["0"], example=torch.randn(2, 3, 40, 40))


class Asks(nn.Module):
    """Answers otherwise while somebody listens to its convolution."""

    def __init__(self, value: float = 2.0) -> None:
        super().__init__()
        self.conv, self.value = nn.Conv2d(3, 8, 3), value

    def forward(self, x: Tensor) -> Tensor:
        heard = len(self.conv._forward_hooks) > 1
        return self.conv(x).mean((2, 3)) * (self.value if heard else 1.0)


def test_a_network_that_answers_otherwise_is_refused() -> None:
    with pytest.raises(ValueError, match="with a fresh branch the network answers otherwise than without"):
        add_off(Asks(), ["conv"])


class Shrinks(nn.Module):
    """Not finite where it is not listened to: its maps cannot be classified."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 2)
        self.log = Log()

    def forward(self, x: Tensor) -> Tensor:
        self.log(x)
        return self.fc(self.conv(x).mean((2, 3)))


class Log(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.log()


def test_maps_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="or its maps are not finite"):
        add_off(Shrinks(), ["log"])


@pytest.mark.parametrize("variant, channels, params", [(None, 160, 14_621_733), ("sobel", 192, 15_481_893)])
def test_parameters_of_the_full_networks(variant: str | None, channels: int, params: int) -> None:
    with torch.device("meta"):
        model = find_preset("off_inception").builder(variant)(num_classes=101)
    assert isinstance(model, OffModel) and isinstance(model.branch, FlowFeatureBranch)
    assert sum(p.numel() for p in model.model.parameters()) == 6_624_904 - 1025 * (
        1000 - 101
    )  # torchvision's GoogLeNet
    assert sum(p.numel() for p in model.branch.parameters()) == branch_params(channels)
    assert sum(p.numel() for p in model.parameters()) == params


@pytest.mark.parametrize("name", ["off_stage", pytest.param("off_inception", marks=pytest.mark.slow)])
def test_the_presets_are_what_surgery_makes_of_their_parents(name: str) -> None:
    known = find_preset(name).build(num_classes=5)
    assert isinstance(known, OffModel)
    at = [layer for group in reversed(known.reader.groups) for layer in group]
    surgery = partial(marey.add_off, spatial=8, temporal=32, width=16) if name == "off_stage" else marey.add_off
    grown = surgery(known.model, at)
    assert isinstance(grown, OffModel) and grown.reader == known.reader and grown.token_dim == known.token_dim
    assert repr(grown.branch) == repr(known.branch)


def branch_params(channels: int) -> int:
    """Of the official layout on Inception-v1's maps, counted by hand."""
    total, below = 0, 0
    groups = ((256, 480), (512, 512, 512, 528, 832), (832, 1024))
    for maps, kernel, width in zip(groups, (7, 5, 3), (64, 128, 256), strict=True):
        total += sum((c + 1) * 160 for c in maps)
        total += (below + len(maps) * channels) * width * kernel**2 + 2 * width
        body = width * width + 9 * width * width + 4 * width * width
        total += body + 4 * width * width + 2 * (2 * width + 2 * 4 * width)
        below = 4 * width
        total += below * 101
    return total
