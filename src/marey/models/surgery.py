"""Blocks of long range put into any network, anybody's: after the modules that are named, each an identity at first.

Every function gives back a new network and leaves the one it got alone. Which width and how many dimensions a block
needs is read off the module's output on a small input, and old and new network answer it before the new one is given.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from torch import Tensor, nn

from ..nn import DoubleAttention, GloRe, NonLocal
from ..nn.dimensions import Dims
from .interface import VideoModel
from .trial import CONVS, TrialError, module_called, other_sizes, tensors_in, trial_input, watch, where

M = TypeVar("M", bound=nn.Module)
MakeBlock = Callable[[int, Dims], nn.Module]


class After(nn.Module):
    """`module`, then `block` on what it puts out; called as `module` is, and with all its attributes."""

    def __init__(self, module: nn.Module, block: nn.Module) -> None:
        super().__init__()
        self.module, self.block, self.training = module, block, module.training

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "module":  # a copy in the making has none yet
                raise
            return getattr(self.module, name)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.block(self.module(*args, **kwargs))


def add_nonlocal(
    model: M,
    at: Sequence[str],
    *,
    inner: int | None = None,
    affinity: str = "embedded_gaussian",
    over: str = "spacetime",
    pool: bool = True,
    scaled: bool = True,
    example: Tensor | None = None,
) -> M:
    """A copy of `model` with a `NonLocal` block (Wang et al., CVPR 2018) after each of the modules named in `at`.

    at       dotted names as `model.named_modules()` has them, such as "encoder.stages.stage3.1"
    inner, affinity, over, pool, scaled   those of `NonLocal`
    example  an input that the model takes; without it, random ones of common sizes are tried

    The tensors of a named module go by NAME.module in the copy, those of the block by NAME.block. A module that is
    used at several places gets one block, at all of them. ValueError where a module is unknown, is not run, or puts out
    something else than a map (b, c, t), (b, c, h, w) or (b, c, t, h, w), and where the copy, run once, does not answer
    bit for bit as `model` does.
    """

    def make(width: int, dims: Dims) -> nn.Module:
        return NonLocal(width, inner=inner, dims=dims, affinity=affinity, over=over, pool=pool, scaled=scaled)

    return _added(model, at, make, example)


def add_glore(
    model: M,
    at: Sequence[str],
    *,
    nodes: int | None = None,
    state: int | None = None,
    normalize: bool = False,
    example: Tensor | None = None,
) -> M:
    """A copy of `model` with a `GloRe` block (Chen et al., CVPR 2019) after each module in `at`; see `add_nonlocal`."""

    def make(width: int, dims: Dims) -> nn.Module:
        return GloRe(width, nodes=nodes, state=state, dims=dims, normalize=normalize)

    return _added(model, at, make, example)


def add_double_attention(
    model: M,
    at: Sequence[str],
    *,
    gather: int | None = None,
    distribute: int | None = None,
    example: Tensor | None = None,
) -> M:
    """A copy of `model` with `DoubleAttention` (Chen et al., NeurIPS 2018) after each in `at`; see `add_nonlocal`."""

    def make(width: int, dims: Dims) -> nn.Module:
        return DoubleAttention(width, gather=gather, distribute=distribute, dims=dims)

    return _added(model, at, make, example)


def _added(model: M, at: Sequence[str], make: MakeBlock, example: Tensor | None) -> M:
    names = [at] if isinstance(at, str) else list(at)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"at is {names}; it names one module or more, each once")
    model = copy.deepcopy(model)
    chosen = _chosen(model, names)
    x = trial_input(model, example)
    outs: dict[nn.Module, list[Any]] = {module: [] for module in chosen}
    answer = _run(model, x, outs)
    widths = _widths(model, chosen, outs)
    _refuse_channels_last(model, x, chosen, widths)
    for module in chosen:
        out = outs[module][0]
        block = make(out.shape[1], cast(Dims, out.ndim - 2)).to(out.device, out.dtype).train(module.training)
        grown = After(module, block)
        places = [(parent, own) for parent in model.modules() for own, m in parent._modules.items() if m is module]
        for parent, own in places:
            if parent is not grown:
                setattr(parent, own, grown)
    _check_identity(model, x, answer, names)
    return model


def _chosen(model: nn.Module, names: list[str]) -> dict[nn.Module, str]:
    """The modules that get a block, with the names that they were called by."""
    modules = dict(model.named_modules(remove_duplicate=False))
    chosen: dict[nn.Module, str] = {}
    for name in names:
        module = module_called(modules, name)
        if isinstance(model, VideoModel) and model.frozen and name.split(".")[0] == "encoder":
            raise ValueError(
                f"`{name}` is in a frozen encoder, where a block would not learn; add it to one that learns"
            )
        if module in chosen:
            raise ValueError(f"`{chosen[module]}` and `{name}` are one module, which gets one block; name it once")
        chosen[module] = name
    return chosen


def _run(model: nn.Module, x: Tensor, outs: dict[nn.Module, list[Any]]) -> list[Tensor]:
    """The tensors of `model(x)`; `outs` gets what its modules put out."""

    def tell(name: str, module: nn.Module, out: Any) -> None:
        if module in outs:
            outs[module].append(out)

    return [y.clone() for y in tensors_in(watch(model, x, tell))]


def _widths(model: nn.Module, chosen: dict[nn.Module, str], outs: dict[nn.Module, list[Any]]) -> dict[nn.Module, int]:
    """How many channels each of the modules puts out; a ValueError where a block could not follow it."""
    dims = {n for kind, n in CONVS.items() if any(isinstance(m, kind) for m in model.modules())}
    widths: dict[nn.Module, int] = {}
    for module, name in chosen.items():
        for out in outs[module]:
            if not isinstance(out, Tensor):
                raise ValueError(f"{where(name, module)} puts out a {type(out).__name__}; a block needs one map")
            if out.ndim - 2 not in (dims or (1, 2, 3)):
                axes = " or ".join(str(n + 2) for n in sorted(dims)) or "3 to 5"
                raise ValueError(
                    f"{where(name, module)} puts out {tuple(out.shape)}; a map of this network has {axes} axes"
                )
        found = {out.shape[1] for out in outs[module]}
        if len(found) != 1:
            many = "puts out maps of several widths" if found else "is not run by the network's forward"
            raise ValueError(f"{where(name, module)} {many}, so a block cannot follow it")
        widths[module] = found.pop()
    return widths


def _refuse_channels_last(
    model: nn.Module, x: Tensor, chosen: dict[nn.Module, str], widths: dict[nn.Module, int]
) -> None:
    """A ValueError where the axis taken for channels grows with the input; a network of one size cannot tell."""
    for other in other_sizes(x):
        outs: dict[nn.Module, list[Any]] = {module: [] for module in chosen}
        try:
            _run(model, other, outs)
        except TrialError:
            continue
        for module, name in chosen.items():
            for out in outs[module]:
                if out.shape[1] != widths[module]:
                    raise ValueError(
                        f"{where(name, module)} puts out {tuple(out.shape)}, whose axis 1 was {widths[module]} for an "
                        f"input of {tuple(x.shape[2:])} and so is not its channels; name a module whose map has "
                        "channels there, such as one before a permute"
                    )
        return


def _check_identity(model: nn.Module, x: Tensor, answer: list[Tensor], names: list[str]) -> None:
    """A ValueError unless the network with its fresh blocks still gives `answer`, bit for bit."""
    after = " and ".join(f"`{name}`" for name in names)
    cure = "the forward that uses it does more than call it and read its attributes, so name a module around or in it"
    try:
        got = _run(model, x, {})
    except TrialError as error:
        raise ValueError(f"with a block after {after} the network no longer runs ({error}); {cure}") from error
    if len(got) != len(answer) or not all(_same_bits(a, b) for a, b in zip(answer, got, strict=True)):
        raise ValueError(f"with a fresh block after {after} the network answers otherwise than without; {cure}")


def _same_bits(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype or a.is_meta:
        return a.shape == b.shape and a.dtype == b.dtype
    return bool(((a == b) | (a != a) & (b != b)).all())  # what is not a number differs from itself
