"""Trying a network on one small input, to learn what its modules put out and where it fails. It is left as it was."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from .interface import VideoModel

CONVS = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}
# Small ones first: most networks take any size, some only that of their training.
SIZES = {
    1: ((64,), (256,), (1024,)),
    2: ((64, 64), (224, 224), (32, 32), (28, 28), (96, 96), (112, 112), (299, 299), (384, 384)),
    3: ((4, 64, 64), (8, 64, 64), (16, 112, 112), (8, 224, 224), (32, 112, 112), (64, 112, 112), (64, 224, 224)),
}
REFUSALS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError)
FORWARD = "its forward"  # in place of a function's name, where none was called
ASKS = frozenset({"__get__", "__set__", "__len__", "size", "dim", "numel"})  # no steps of a computation
Tell = Callable[[str, nn.Module, Any], None]


class TrialError(ValueError):
    """The network stopped in `module`, called `name`, when `call` was called, and said `reason`."""

    def __init__(self, name: str, module: nn.Module, call: str, reason: str) -> None:
        super().__init__(f"{where(name, module)} failed in {call}: {reason}")
        self.name, self.module, self.call, self.reason = name, module, call, reason


class _LastCalls(TorchFunctionMode):
    """Has the last of `names` be the function on tensors that was called last."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names, self.failed = names, False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", FORWARD)
        if name not in ASKS:
            self.names[-1] = "slicing" if name == "__getitem__" else name
        self.failed = True
        out = func(*args, **(kwargs or {}))
        self.failed = False
        return out


def where(name: str, module: nn.Module) -> str:
    """How a sentence calls a module: `layer1.0` (Bottleneck)."""
    return f"`{name}` ({type(module).__name__})" if name else f"the network itself ({type(module).__name__})"


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """In evaluation mode without gradients; each module's own mode comes back."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def watch(
    model: nn.Module,
    x: Tensor,
    tell: Tell,
    *,
    enters: Tell | None = None,
    running: list[tuple[str, nn.Module]] | None = None,
    calls: list[str] | None = None,
) -> Any:
    """`model(x)`; `tell(name, module, output)` hears of every module that has run. No hook is left behind.

    A forward that draws random numbers gets the same ones every time, and the global random state is not touched.
    `enters(name, module, inputs)` hears of every module before it runs. `running` holds, at every moment, the names and
    modules that run, the innermost last, and `calls` the function that the caller of `watch` and each of these called
    last by itself. Raises a TrialError that names the innermost module in which it stopped.
    """
    running, calls = [] if running is None else running, [] if calls is None else calls
    calls.append(FORWARD)
    last, handles = _LastCalls(calls), []

    def enter(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def heard(module: nn.Module, args: Any, kwargs: Any) -> None:
            if enters is not None:
                call = calls[-1]
                enters(name, module, (args, kwargs))
                calls[-1] = call  # what the listener called does not count
            running.append((name, module))
            calls.append(FORWARD)

        return heard

    def leave(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def heard(module: nn.Module, args: Any, out: Any) -> None:
            tell(name, module, out)
            running.pop()
            calls.pop()

        return heard

    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(enter(name), with_kwargs=True))
        handles.append(module.register_forward_hook(leave(name)))
    try:
        with _evaluating(model), torch.random.fork_rng(devices=[x.device] if x.is_cuda else []), last:
            torch.manual_seed(0)
            return model(x)
    except REFUSALS as error:
        name, module = running[-1] if running else ("", model)
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise TrialError(name, module, calls[-1] if last.failed else FORWARD, reason) from error
    finally:
        for handle in handles:
            handle.remove()


def trial_input(model: nn.Module, example: Tensor | None) -> Tensor:
    """`example`, or a random input that the model takes, found by trying; ValueError where none is."""
    if example is not None:
        return example
    tried: list[str] = []
    for shape in _shapes(model):
        x = _random(model, shape)
        try:
            watch(model, x, lambda name, module, out: None)
        except TrialError as error:
            tried.append(f"{tuple(shape)}: {error}")
            continue
        return x
    last = f", the last one {tried[-1]}" if tried else ""
    raise ValueError(f"no input was found that {type(model).__name__} takes{last}; give one as example=")


def _random(model: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """Always the same numbers, where the model's parameters are; the global random state is not touched."""
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return numbers.to(like.device, like.dtype)


def _shapes(model: nn.Module) -> Iterator[tuple[int, ...]]:
    """What the first convolution suggests."""
    convs = (m for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d))
    first = next(convs, None)
    channels = 3 if first is None else first.in_channels
    if isinstance(model, VideoModel):
        least = (model.min_frames, model.min_side, model.min_side)
        for size in (least, *SIZES[3], (20, 64, 64), (64, 224, 224)):
            for c in dict.fromkeys((3, 2, channels)):
                yield 1, c, *(max(n, least_n) for n, least_n in zip(size, least, strict=True))
    elif first is not None:
        dims = next(n for kind, n in CONVS.items() if isinstance(first, kind))
        for size in SIZES[dims]:
            yield 1, channels, *size


def other_sizes(x: Tensor) -> Iterator[Tensor]:
    """Inputs like `x` with more frames, rows and columns, or, for networks of so many frames, only the latter."""
    numbers = torch.Generator().manual_seed(0)
    *time, rows, columns = x.shape[2:] if x.ndim > 3 else (*x.shape[2:], 0, 0)
    longer = [2 * n for n in time]
    sizes = [[*longer, rows + 32, columns + 32], [*time, rows + 32, columns + 32], [*longer, 2 * rows, 2 * columns]]
    for size in sizes:
        shape = (*x.shape[:2], *size[: x.ndim - 2])
        if shape != tuple(x.shape):
            yield torch.randn(shape, generator=numbers).to(x.device, x.dtype)


def tensors_in(out: Any) -> list[Tensor]:
    """All tensors of what a network gives, in order."""
    return [x for x in tree_leaves(out) if isinstance(x, Tensor)]


def module_called(modules: Mapping[str, nn.Module], name: str) -> nn.Module:
    """The module of a dotted name; a ValueError names the nearest ones."""
    if name and name in modules:
        return modules[name]
    near = get_close_matches(name, filter(None, modules), n=3, cutoff=0.0)
    close = ", ".join(f"`{n}`" for n in near)
    raise ValueError(f"the network has no module `{name}`; the nearest names are {close or 'none: it has no modules'}")
