"""Octave convolutions put into any network, anybody's (Chen et al., ICCV 2019, arXiv:1904.05049).

Which maps of a network are octaves is found by running it without numbers, on the meta device: the authors' rules are
about stages, which a network shows by the sizes of its maps and by which convolution feeds which.
"""

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_iter

from ..nn import DoubleAttention, GloRe, NonLocal, Octave, OctConv
from ..nn.dimensions import Conv
from ..nn.octave import low_channels
from ..nn.octave_grid import space_axes
from ..nn.octave_map import keeps_two
from .interface import VideoModel
from .trial import SIZES, TrialError, module_called, trial_input, watch, where

M = TypeVar("M", bound=nn.Module)
Lows = Mapping[str, tuple[int, int]]
CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
LONG_RANGE = (DoubleAttention, GloRe, NonLocal)  # blocks that see the merged map and give back an octave
NAMED = 8  # modules that one sentence names
SIDE = 224  # of the map that is tried first: nothing is computed, and stages show best in large ones


@dataclass(frozen=True)
class Step:
    """A convolution as it ran: `sources` are those that its input comes from, `places` its output's in space."""

    conv: Conv
    sources: frozenset[str]
    places: int

    @property
    def strided(self) -> bool:
        return max(self.conv.stride[-space_axes(self.conv.weight.ndim) :]) > 1


def octavize(
    model: M, *, alpha: float, last_plain: bool = True, plain: Sequence[str] = (), example: Tensor | None = None
) -> M:
    """A copy of `model` whose maps have a share `alpha` of their channels at half size in space; time stays as it is.

    alpha       0 to 1; floor(alpha * channels) of a map's channels are low
    last_plain  as in the authors' networks the last stage has plain maps: those of the smallest size, and those that
                go into the convolution with stride that leads there and nowhere else
    plain       dotted names of modules whose convolutions give plain maps, and whose other functions get merged ones
    example     an input that the model takes; without it, common sizes are tried

    Each convolution becomes an `OctConv` with its weights, except the first ones, those of single places (gates) and
    those of long-range blocks. Parameters stay as many; of a convolution of stride 1 between octaves multiply-adds
    become 1 - 3/4 alpha (2 - alpha) and its map's memory 1 - 3/4 alpha of what they were. Stride becomes a mean, as in
    the authors' code, and low channels lose detail, so a trained network must be trained on. At alpha 0 the copy is
    the plain network, which answers bit for bit as before.

    Tensors of a convolution NAME go by NAME.h2h, NAME.h2l, NAME.l2h and NAME.l2l. A ValueError names what cannot act
    on two frequencies: groups that do not divide, odd strides, functions that neither treat places alike nor pool.
    """
    lows = octave_channels(model, alpha=alpha, last_plain=last_plain, plain=plain, example=example)
    return put_octaves(copy.deepcopy(model), lows)


def octave_channels(
    model: nn.Module, *, alpha: float, last_plain: bool = True, plain: Sequence[str] = (), example: Tensor | None = None
) -> Lows:
    """What `octavize` does to each convolution: its name, and how many low channels come and go."""
    low_channels(1, alpha)
    modules: dict[str, nn.Module] = dict(model.named_modules())
    chosen = [module_called(modules, name) for name in ([plain] if isinstance(plain, str) else plain)]
    long_range = [m for m in modules.values() if isinstance(m, LONG_RANGE)]
    within, left = ({id(m) for top in tops for m in top.modules()} for tops in (chosen, long_range))
    convs = {name: m for name, m in modules.items() if isinstance(m, CONVS) and id(m) not in left}
    plains = {name for name, m in convs.items() if id(m) in within}
    own = _of_own_making(model, convs)
    if set(own) - plains:
        reasons = "; ".join(reason for name, reason in own.items() if name not in plains)
        raise ValueError(f"octavize would change what these are: {reasons}; name them in plain= to leave them alone")
    if not alpha:
        return {}
    trial, x, steps = _surveyed(model, convs.keys() - own, example)
    plains |= _last_stage(steps) if last_plain else set()
    merging = [name for name, m in modules.items() if m in (*chosen, *long_range)]
    found = _lows(trial, x, steps, alpha=alpha, plain=plains, merging=merging)
    if not any(low for _, low in found.values()):
        raise ValueError(
            f"no map of {type(model).__name__} becomes an octave at alpha {alpha}: it has too few channels, or no "
            "stage but the last; take a larger alpha or last_plain=False"
        )
    return found


def put_octaves(model: M, lows: Lows) -> M:
    """The same network with `OctConv` for its named convolutions, which have so many low channels (in, out)."""
    convs = {id(model.get_submodule(name)): pair for name, pair in lows.items()}
    _replace(model, lambda conv: OctConv.of(conv, low_in=convs[id(conv)][0], low_out=convs[id(conv)][1]), convs)
    return model


def _of_own_making(model: nn.Module, convs: Mapping[str, nn.Module]) -> dict[str, str]:
    """Convolutions whose weights are not theirs alone, and why; a ValueError where there are none to convert."""
    kind, owners, reasons = type(model).__name__, dict[int, str](), dict[str, str]()
    if any(isinstance(m, OctConv) for m in model.modules()):
        raise ValueError(f"{kind} has octave convolutions already; octavize the network that it was made of")
    if not convs:
        raise ValueError(f"octavize found no convolution in {kind}, so there is nothing to halve")
    for name, conv in convs.items():
        own = {key for key, _ in conv.named_parameters()} - {"weight", "bias"}
        if own or conv._forward_pre_hooks or conv._forward_hooks:
            reasons[name] = f"{where(name, conv)} has hooks, or weights made of other parameters"
        owner = owners.setdefault(id(conv.weight), name)
        if owner != name:
            reasons[name] = f"{where(name, conv)} has the weights of `{owner}`"
    return reasons


def _surveyed(
    model: nn.Module, names: Collection[str], example: Tensor | None
) -> tuple[nn.Module, Tensor, dict[str, Step]]:
    """A copy of the network without numbers, an input for it, and its convolutions; with numbers if it needs them."""
    tensors = (*model.parameters(), *model.buffers())
    memo = {id(x): nn.Parameter(x.to("meta")) if isinstance(x, nn.Parameter) else x.to("meta") for x in tensors}
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    memo |= {id(norm): nn.Identity() for norm in norms}  # of no consequence for sizes, and slow without numbers
    blank = copy.deepcopy(model, cast(dict[int, Any], memo))
    for x in [example.to("meta")] if example is not None else _blanks(model):
        try:
            return blank, x, _survey(blank, x, names)
        except TrialError:
            continue
    trial, x = copy.deepcopy(model), trial_input(model, example)
    return trial, x, _survey(trial, x, names)


def _blanks(model: nn.Module) -> Iterator[Tensor]:
    """Inputs of the meta device, large ones first, as the first convolution suggests."""
    first = next(m for m in model.modules() if isinstance(m, CONVS))
    n, c = first.weight.ndim - 2, first.in_channels
    if isinstance(model, VideoModel):
        side = max(model.min_side, SIDE)
        yield torch.empty(1, 3, model.min_frames, side, side, device="meta")
        yield torch.empty(1, c, model.min_frames, model.min_side, model.min_side, device="meta")
        return
    for size in sorted(SIZES[n], key=lambda size: abs(size[-1] - SIDE)):
        yield torch.empty(1, c, *size, device="meta")


class _Sources(TorchFunctionMode):
    """Every tensor is told the convolutions that what it is made of comes from."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        made = [x for x in tree_iter(out) if isinstance(x, Tensor)]
        if made:
            found = _sources((args, kwargs))
            for x in made:
                x.sources = found  # pyright: ignore[reportAttributeAccessIssue]
        return out


def _sources(values: Any) -> frozenset[str]:
    return frozenset().union(*(getattr(x, "sources", ()) for x in tree_iter(values) if isinstance(x, Tensor)))


def _survey(model: nn.Module, x: Tensor, names: Collection[str]) -> dict[str, Step]:
    """The convolutions of these names that run, in their order; those of single places are left out."""
    steps: dict[str, Step] = {}

    def hear(name: str, conv: Conv, args: tuple[Any, ...], out: Tensor) -> None:
        places = prod(out.shape[-space_axes(out.ndim) :])
        if places > 1:
            steps[name] = Step(conv, _sources(args), places)
        out.sources = frozenset((name,))  # pyright: ignore[reportAttributeAccessIssue]

    modules = dict(model.named_modules())
    with _hooked((modules[name], partial(hear, name)) for name in names), _Sources():
        watch(model, x, lambda name, module, out: None)
    return steps


@contextmanager
def _hooked(hooks: Iterator[tuple[nn.Module, Callable[..., None]]]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _last_stage(steps: dict[str, Step]) -> set[str]:
    """The convolutions of the smallest maps and what goes into a strided one of them alone, which belongs to the same
    block; the last one, of a single size."""
    inner = {name: step for name, step in steps.items() if step.sources}
    if not inner:
        return set()
    least = min(step.places for step in inner.values())
    last = {name for name, step in inner.items() if step.places == least}
    if len(last) == len(inner):
        return {list(inner)[-1]}
    strided = [step for name, step in inner.items() if name in last and step.strided]
    return last | {next(iter(step.sources)) for step in strided if len(step.sources) == 1}


class _Fitting(nn.Module):
    """In the place of a convolution: the octave convolution for as many low channels as come."""

    def __init__(self, conv: Conv, alpha: float) -> None:
        super().__init__()
        self.conv, self.alpha, self.reason = conv, alpha, ""
        self.lows: set[tuple[int, int]] = set()

    def forward(self, x: Tensor) -> Tensor:
        conv, low_in = self.conv, x.low.shape[1] if isinstance(x, Octave) else 0
        low_out = low_channels(conv.out_channels, self.alpha)
        if conv.groups == conv.in_channels > 1:  # each channel by itself keeps its frequency, or loses it before
            low_in = low_in if self.alpha else 0
            low_out = low_in * conv.out_channels // conv.in_channels
        try:
            out = OctConv.of(conv, low_in=low_in, low_out=low_out)(x)
        except ValueError as error:  # without low channels it may stay as it is
            self.reason = f"cannot be halved: {error}" if self.alpha else ""
            return conv(x)
        self.lows.add((low_in, low_out))
        if len(self.lows) > 1:
            self.reason = "runs several times, with different low channels"
        return out


class _Merging(TorchFunctionMode):
    """Hears which modules call a function that cannot act on two frequencies; those in `allowed` may."""

    def __init__(self, running: list[tuple[str, nn.Module]], allowed: Collection[nn.Module]) -> None:
        super().__init__()
        self.running, self.allowed, self.found = running, allowed, list[str]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        splits = not keeps_two(func) and any(isinstance(x, Octave) for x in tree_iter((args, kwargs)))
        if splits and not any(module in self.allowed for _, module in self.running):
            self.found.append(f"{where(*self.running[-1])} calls {func.__name__}")
        return func(*args, **kwargs)


def _lows(
    trial: nn.Module,
    x: Tensor,
    steps: dict[str, Step],
    *,
    alpha: float,
    plain: Collection[str],
    merging: Collection[str],
) -> Lows:
    """How many channels of each convolution but the first are low, of those that come and of those that go.

    Raises a ValueError that names everything that cannot act on two frequencies.
    """
    fitting = {name: _Fitting(step.conv, alpha * (name not in plain)) for name, step in steps.items() if step.sources}
    by_conv = {id(fit.conv): fit for fit in fitting.values()}
    _replace(trial, lambda conv: by_conv[id(conv)], by_conv)
    running: list[tuple[str, nn.Module]] = []
    # Convolutions that stay see an octave only where the reason is told.
    heard = _Merging(running, [*map(trial.get_submodule, merging), *(fit.conv for fit in fitting.values())])
    try:
        with heard:
            out = watch(trial, x, lambda name, module, out: None, running=running)
            if isinstance(out, Octave) and plain:
                fitting[list(fitting)[-1]].alpha = 0
                fitting[list(fitting)[-1]].lows.clear()
                watch(trial, x, lambda name, module, out: None, running=running)
    except TrialError as error:
        raise ValueError(
            f"{where(error.name, error.module)} fails on two frequencies, in {error.call} ({error.reason}); name it, "
            "or a module around it, in plain= to give it merged maps"
        ) from error
    reasons = [f"{where(name, fit.conv)} {fit.reason}" for name, fit in fitting.items() if fit.reason]
    reasons += dict.fromkeys(heard.found)
    if reasons:
        more = f"; and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
        raise ValueError(
            f"these cannot act on two frequencies: {'; '.join(reasons[:NAMED])}{more}; name them, or modules around "
            "them, in plain= to give them merged maps"
        )
    return {name: lows for name, fit in fitting.items() for lows in fit.lows}


def _replace(model: nn.Module, make: Callable[[Any], nn.Module], ids: Collection[int]) -> None:
    """Every module of these identities by what `make` makes of it, wherever it stands."""
    made: dict[int, nn.Module] = {}
    for parent in list(model.modules()):
        for name, child in parent._modules.items():
            if id(child) in ids:
                parent._modules[name] = made.setdefault(id(child), made.get(id(child)) or make(child))
