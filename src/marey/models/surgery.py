"""Blocks of long range put into any network, anybody's: after the modules that are named, each an identity at first.

Every function gives back a new network and leaves the one it got alone. Which width and how many dimensions a block
needs is read off the module's output on a small input.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from torch import Tensor, nn

from ..nn import DoubleAttention, GloRe, NonLocal
from ..nn.dimensions import Dims
from .interface import VideoModel
from .trial import CONVS, module_called, trial_input, watch, where

M = TypeVar("M", bound=nn.Module)
MakeBlock = Callable[[int, Dims], nn.Module]


class After(nn.Module):
    """`module`, then `block` on what it puts out."""

    def __init__(self, module: nn.Module, block: nn.Module) -> None:
        super().__init__()
        self.module, self.block, self.training = module, block, module.training

    def forward(self, *args: Any) -> Tensor:
        return self.block(self.module(*args))


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

    The tensors of a named module go by NAME.module in the copy, those of the block by NAME.block. ValueError where a
    module is unknown, is not run, or puts out something else than a map (b, c, t), (b, c, h, w) or (b, c, t, h, w).
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
    modules: dict[str, nn.Module] = dict(model.named_modules())
    for name in names:
        module_called(modules, name)
        if isinstance(model, VideoModel) and model.frozen and name.split(".")[0] == "encoder":
            raise ValueError(
                f"`{name}` is in a frozen encoder, where a block would not learn; add it to one that learns"
            )
    maps = _maps(model, names, example)
    for name in names:
        module, out = modules[name], maps[name]
        block = make(out.shape[1], cast(Dims, out.ndim - 2)).to(out.device, out.dtype).train(module.training)
        parent, _, own = name.rpartition(".")
        setattr(modules[parent], own, After(module, block))
    return model


def _maps(model: nn.Module, names: list[str], example: Tensor | None) -> dict[str, Tensor]:
    """What each of the modules puts out; a ValueError where a block could not follow it."""
    heard: dict[str, list[Any]] = {name: [] for name in names}

    def tell(name: str, module: nn.Module, out: Any) -> None:
        if name in heard:
            heard[name].append(out)

    watch(model, trial_input(model, example), tell)
    dims = {n for kind, n in CONVS.items() if any(isinstance(m, kind) for m in model.modules())}
    for name, module in model.named_modules():
        for out in heard.get(name, ()):
            if not isinstance(out, Tensor):
                raise ValueError(f"{where(name, module)} puts out a {type(out).__name__}; a block needs one map")
            if out.ndim - 2 not in (dims or (1, 2, 3)):
                axes = " or ".join(str(n + 2) for n in sorted(dims)) or "3 to 5"
                raise ValueError(
                    f"{where(name, module)} puts out {tuple(out.shape)}; a map of this network has {axes} axes"
                )
        if name in heard and len({out.shape[1] for out in heard[name]}) != 1:
            many = "is not run by the network's forward" if not heard[name] else "puts out maps of several widths"
            raise ValueError(f"{where(name, module)} {many}, so a block cannot follow it")
    return {name: outs[0] for name, outs in heard.items()}
