import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import marey
from marey.models import EfficientNetLite, FrameModel, ResNet, ResNet3D
from marey.models.surgery import After
from marey.nn import DoubleAttention, GloRe, LstmHead, MeanHead, NonLocal


class Plain(nn.Module):
    """A user's network of `dims` dimensions; `aux` never runs."""

    def __init__(self, dims: int = 2) -> None:
        super().__init__()
        conv, norm = getattr(nn, f"Conv{dims}d"), getattr(nn, f"BatchNorm{dims}d")
        self.first = nn.Sequential(conv(3, 8, 3, 2, 1), norm(8), nn.ReLU(inplace=True))
        self.second = conv(8, 12, 3, padding=1)
        self.aux = nn.Linear(12, 2)
        self.fc = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.second(self.first(x))).flatten(2).mean(2))


def clip(*shape: int) -> Tensor:
    return torch.randn(2, 3, *shape)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], list[str], Tensor]] = {
    "resnet": (
        partial(FrameModel, num_classes=5, encoder=partial(ResNet, widths=(8, 16), depths=(1, 2)), head=MeanHead),
        ["encoder.stages.stage2.0", "encoder.stages.stage1"],
        clip(3, 32, 32),
    ),
    "efficientnet": (
        partial(
            FrameModel,
            num_classes=5,
            encoder=partial(EfficientNetLite, stages=((1, 3, 1, 1, 8), (2, 5, 2, 6, 12)), stem=8, dim=16),
            head=LstmHead,
        ),
        ["encoder.stages.stage2.1"],
        clip(2, 32, 32),
    ),
    "r3d": (
        partial(ResNet3D, num_classes=5, kinds=("3d",) * 4, widths=(4, 6, 8, 10), depths=(1, 1, 1, 1)),
        ["stages.stage2.0", "stages.stage3"],
        clip(8, 32, 32),
    ),
    "plain 1d": (partial(Plain, 1), ["first", "second"], clip(20)),
    "plain 2d": (partial(Plain, 2), ["first.0", "second"], clip(12, 10)),
    "plain 3d": (partial(Plain, 3), ["first.2"], clip(3, 8, 9)),
}
ADD: dict[str, tuple[Callable[..., nn.Module], type[nn.Module]]] = {
    "nonlocal": (marey.add_nonlocal, NonLocal),
    "glore": (marey.add_glore, GloRe),
    "double attention": (marey.add_double_attention, DoubleAttention),
}


@pytest.mark.parametrize("add, kind", ADD.values(), ids=ADD)
@pytest.mark.parametrize("network", NETWORKS)
def test_fresh_blocks_change_no_bit(network: str, add: Callable[..., nn.Module], kind: type[nn.Module]) -> None:
    build, at, video = NETWORKS[network]
    model = build()
    grown = add(model, at)
    assert [name for name, m in grown.named_modules() if isinstance(m, After)] == sorted(at, key=names_of(model).index)
    assert sum(isinstance(m, kind) for m in grown.modules()) == len(at)
    for training in (False, True):
        assert torch.equal(model.train(training)(video), grown.train(training)(video))


def names_of(model: nn.Module) -> list[str]:
    return [name for name, _ in model.named_modules()]


@pytest.mark.parametrize("add, kind", ADD.values(), ids=ADD)
def test_blocks_learn(add: Callable[..., nn.Module], kind: type[nn.Module]) -> None:
    """One step moves the last gain away from zero, and then all of the block has a gradient."""
    build, at, video = NETWORKS["plain 3d"]
    grown = add(build(), at)
    optimizer = torch.optim.SGD(grown.parameters(), 1.0)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(grown(video), torch.tensor([0, 1])).backward()
        optimizer.step()
    (block,) = (m for m in grown.modules() if isinstance(m, kind))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters() if p.ndim > 1)


def test_the_model_is_left_alone_and_names_stay_understandable() -> None:
    model = Plain().train()
    model.first.eval()
    before, state = repr(model), {name: x.clone() for name, x in model.state_dict().items()}
    grown = marey.add_glore(model, ["first"])
    assert repr(model) == before and all(torch.equal(x, state[name]) for name, x in model.state_dict().items())
    for some in (model, grown):
        assert {name.split(".")[0] for name, m in some.named_modules() if not m.training} == {"first"}
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in some.modules())
    names = grown.state_dict()
    assert torch.equal(names["first.module.0.weight"], state["first.0.weight"])
    assert "first.block.reason.weight" in names and "second.weight" in names


def test_arguments_reach_the_blocks() -> None:
    model = Plain(3)
    found = {
        name: next(m for m in grown.modules() if isinstance(m, kind))
        for name, kind, grown in (
            ("nonlocal", NonLocal, marey.add_nonlocal(model, "second", inner=3, affinity="dot_product", over="time")),
            ("glore", GloRe, marey.add_glore(model, "second", nodes=2, state=5, normalize=True)),
            ("double", DoubleAttention, marey.add_double_attention(model, "second", gather=4, distribute=7)),
        )
    }
    assert found["nonlocal"].theta.weight.shape[:2] == (3, 12) and found["nonlocal"].over == "time"  # pyright: ignore
    assert found["glore"].reason.weight.shape[:2] == (2, 2) and found["glore"].normalize  # pyright: ignore
    assert found["double"].extend.weight.shape[:2] == (12, 4)  # pyright: ignore
    unscaled = marey.add_nonlocal(model, ["second"], scaled=False, pool=False).second.get_submodule("block")
    assert not unscaled.scaled and not unscaled.pool  # pyright: ignore[reportAttributeAccessIssue]


def test_the_block_has_the_numbers_of_its_network() -> None:
    grown = marey.add_nonlocal(Plain().double(), ["second"])
    assert {x.dtype for x in grown.parameters()} == {torch.float64}


def test_inflated_networks_take_blocks_over_space_and_time() -> None:
    """The recipe of the non-local paper: images' weights, inflated, with blocks that change nothing at first."""
    flat = FrameModel(num_classes=5, encoder=partial(ResNet, widths=(8, 16), depths=(1, 2)), head=MeanHead).eval()
    clips = marey.inflate(flat, frames=3)
    grown = marey.add_nonlocal(clips, ["encoder.stages.stage2.0"])
    image = torch.randn(1, 3, 32, 32)
    video = image[:, :, None].expand(-1, -1, 4, -1, -1)
    assert torch.equal(grown(video), clips(video))
    torch.testing.assert_close(grown(video), flat(image), atol=1e-5, rtol=1e-5)
    block = grown.get_submodule("encoder.stages.stage2.0.block")
    assert isinstance(block, NonLocal) and block.dims == 3


def test_blocks_can_be_added_one_by_one() -> None:
    model, image = Plain().eval(), clip(16, 16)
    grown = marey.add_glore(marey.add_nonlocal(model, ["second"]), ["second", "second.module"])
    assert torch.equal(grown(image), model(image))
    assert sum(isinstance(m, After) for m in grown.modules()) == 3


def test_an_example_replaces_trying() -> None:
    only = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(8 * 50 * 50, 2))
    with pytest.raises(ValueError, match=r"no input was found that Sequential takes, .*; give one as example="):
        marey.add_glore(only, ["0"])
    image = torch.randn(1, 3, 50, 50)
    assert torch.equal(marey.add_glore(only, ["0"], example=image)(image), only(image))


class ChannelsLast(nn.Module):
    """A stage as ConvNeXt has them: normalized with its channels last."""

    def __init__(self, dims: int = 2) -> None:
        super().__init__()
        self.stem = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1](3, 16, 4, 4)
        self.norm, self.mix = nn.LayerNorm(16), nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(self.norm(self.stem(x).movedim(1, -1))).movedim(-1, 1)


@pytest.mark.parametrize("add, kind", ADD.values(), ids=ADD)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_rows_are_not_taken_for_channels(add: Callable[..., nn.Module], kind: type[nn.Module], dims: int) -> None:
    """At one size, 64 pixels and 16 channels, the two look alike."""
    model = ChannelsLast(dims)
    example = torch.randn(1, 3, *(64,) * dims)
    for name in ("norm", "mix"):
        with pytest.raises(
            ValueError, match=rf"`{name}` \(\w+\) puts out .*, whose axis 1 was 16 for an input of \(64"
        ):
            add(model, [name], example=example)
    assert isinstance(add(model, ["stem"], example=example).get_submodule("stem.block"), kind)


class ReadsChild(nn.Module):
    """Reads attributes of a child, and calls another with a keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.scaled = nn.Conv2d(3, 8, 3), Times()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x) / self.conv.out_channels + self.conv.weight.mean()
        return self.scaled(x, by=2.0)


class Times(nn.Module):
    def forward(self, x: Tensor, mask: Tensor | None = None, *, by: float) -> Tensor:
        return x * by


def test_a_parent_may_read_a_child_and_call_it_with_keywords() -> None:
    model, image = ReadsChild().eval(), clip(16, 16)
    grown = marey.add_glore(model, ["conv", "scaled"])
    assert torch.equal(grown(image), model(image)) and torch.equal(copy.deepcopy(grown)(image), model(image))
    with pytest.raises(AttributeError, match="'Conv2d' object has no attribute 'nothing'"):
        _ = grown.get_submodule("conv").nothing


class Asks(nn.Module):
    """Treats its convolution differently where it is not one."""

    def __init__(self, ask: Callable[[nn.Module], float]) -> None:
        super().__init__()
        self.conv, self.ask = nn.Conv2d(3, 8, 3), ask

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.ask(self.conv)


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda m: isinstance(m, nn.Conv2d), "a fresh block after `conv` the network answers otherwise than without"),
        (lambda m: 1 / isinstance(m, nn.Conv2d), r"a block after `conv` the network no longer runs \(the network its"),
    ],
)
def test_a_network_that_does_not_survive_its_blocks_is_refused(ask: Callable[[nn.Module], float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        marey.add_glore(Asks(ask), ["conv"])


class Draws(nn.Module):
    """Random in evaluation too, and not a number somewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.conv(x), training=True).sqrt()


def test_random_networks_are_compared_with_the_same_draws() -> None:
    model = Draws()
    torch.manual_seed(3)
    marey.add_double_attention(model, ["conv"], gather=1)
    state = torch.get_rng_state()
    torch.manual_seed(3)
    DoubleAttention(8, dims=2, gather=1)
    assert torch.equal(state, torch.get_rng_state())


def test_a_module_at_two_places_has_its_block_at_both() -> None:
    conv = nn.Conv2d(8, 8, 3, padding=1)
    model, image = nn.Sequential(nn.Conv2d(3, 8, 3), conv, nn.ReLU(), conv).eval(), clip(16, 16)
    for name in ("1", "3"):
        grown = marey.add_glore(model, [name])
        assert isinstance(grown[1], After) and grown[1] is grown[3] and torch.equal(grown(image), model(image))
    with pytest.raises(ValueError, match="`1` and `3` are one module, which gets one block; name it once"):
        marey.add_glore(model, ["1", "3"])


class Several(nn.Module):
    """Puts out two maps from one module, and runs another at two widths."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 8, 1), nn.ReLU()
        self.pair = Pair()

    def forward(self, x: Tensor) -> Tensor:
        return sum(self.pair(self.act(self.conv(self.act(x)))), torch.zeros(()))


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


FROZEN = partial(
    FrameModel, num_classes=5, encoder=partial(ResNet, widths=(8,), depths=(1,)), head=MeanHead, frozen=True
)


@pytest.mark.parametrize(
    "build, at, message",
    [
        (Plain, ["secnd"], "the network has no module `secnd`; the nearest names are `second`"),
        (Plain, [""], "the network has no module ``; the nearest names are"),
        (Plain, [], r"at is \[\]; it names one module or more, each once"),
        (Plain, ["first", "first"], r"at is \['first', 'first'\]; it names one module or more, each once"),
        (Plain, ["fc"], r"`fc` \(Linear\) puts out \(1, 5\); a map of this network has 4 axes"),
        (Plain, ["aux"], r"`aux` \(Linear\) is not run by the network's forward, so a block cannot follow it"),
        (Several, ["pair"], r"`pair` \(Pair\) puts out a tuple; a block needs one map"),
        (Several, ["act"], r"`act` \(ReLU\) puts out maps of several widths, so a block cannot follow it"),
        (FROZEN, ["encoder.stem"], "`encoder.stem` is in a frozen encoder, where a block would not learn"),
    ],
)
def test_where_a_block_cannot_go_is_named(build: Callable[[], nn.Module], at: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        marey.add_double_attention(build(), at)
