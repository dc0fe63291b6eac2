"""A feature map of two frequencies, and what the functions of torch do to it.

After Chen et al., ICCV 2019, arXiv:1904.05049, who pass pairs from layer to layer. A pair that is a tensor too needs
no layers of its own: normalization, activation, pooling, gates and sums of anybody's network take it as it is.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from .octave_grid import halved, shrunk, space_axes, spread

Rule = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


class Octave(Tensor):
    """A map (b, c, t, h, w), (b, c, h, w) or (b, c, t) whose last channels are stored at half its size in space.

    high  the channels that change fast, (b, _, t, h, w), or None where there are none
    low   those that change slowly, (b, _, t, h/2, w/2), halves rounded up
    size  (t, h, w) of the whole, for odd ones where there is no high part to tell

    It unpacks as the pair, `high, low = octave`, and is the whole map to everything else. Functions that act on every
    place by itself, normalize or stack channels, pool or resize act on both parts as they are stored. Any other gets
    the merged map, where each low value stands for its 2 x 2 places; a mean over space is that of the merged map
    where sides are even. A plain map that is added to an octave is split as the octave is.
    """

    high: Tensor | None
    low: Tensor

    @staticmethod
    def __new__(cls, high: Tensor | None, low: Tensor, size: Sequence[int] | None = None) -> "Octave":
        space = low.ndim - space_axes(low.ndim)
        if high is not None:
            size = high.shape[2:]
        elif size is None:
            size = (*low.shape[2:space], *(2 * n for n in low.shape[space:]))
        channels = low.shape[1] + (0 if high is None else high.shape[1])
        return Tensor._make_wrapper_subclass(  # pyright: ignore[reportAttributeAccessIssue]
            cls, (low.shape[0], channels, *size), dtype=low.dtype, device=low.device
        )

    def __init__(self, high: Tensor | None, low: Tensor, size: Sequence[int] | None = None) -> None:
        whole = self.shape if high is None else high.shape
        if low.shape[2:] != halved(whole) or low.shape[0] != whole[0]:
            raise ValueError(
                f"the high part is {tuple(whole)} and the low part {tuple(low.shape)}; "
                "the low one must have half its rows and columns, rounded up"
            )
        self.high, self.low = high, low

    def __iter__(self) -> Iterator[Tensor | None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter((self.high, self.low))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        """A part by its number, 0 or 1; by any other index, of the merged map."""
        return (self.high, self.low)[index] if isinstance(index, int) else merged(self)[index]

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in FACTS:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        rule = RULES.get(getattr(func, "__name__", ""))
        out = NotImplemented if rule is None else rule(func, args, kwargs)
        return func(*tree_map(merged, args), **tree_map(merged, kwargs)) if out is NotImplemented else out

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError(f"{func} takes no octave; give it marey.nn.merged(octave), a plain tensor")


def split(x: Tensor, low: int) -> Tensor:
    """The last `low` channels of a map averaged over 2 x 2 places: an `Octave`; the map itself where `low` is 0."""
    if not low:
        return x
    high, rest = x.tensor_split([x.shape[1] - low], 1)
    return Octave(high if high.shape[1] else None, shrunk(rest, (2,) * space_axes(x.ndim)), x.shape[2:])


def merged(x: Any) -> Any:
    """An octave as a plain map, low values spread over its full size; anything else as it is."""
    if not isinstance(x, Octave):
        return x
    low = spread(x.low, x.shape[-space_axes(x.ndim) :])
    return low if x.high is None else torch.cat([x.high, low], 1)


def keeps_two(func: Callable[..., Any]) -> bool:
    """Whether a function acts on both parts of an octave as they are stored."""
    return func in FACTS or getattr(func, "__name__", "") in RULES


def each(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The function on the high parts and on the low parts."""
    given = (*args, *kwargs.values())
    like = next(x for x in given if isinstance(x, Octave))
    others = [x for x in given if isinstance(x, Tensor) and x is not like]
    if others and _must_merge(func.__name__, args[0], like, others):
        return NotImplemented
    high, low = (
        None
        if part is None
        else func(*(_part(x, like, i) for x in args), **{key: _part(x, like, i) for key, x in kwargs.items()})
        if others
        else func(*(part if x is like else x for x in args), **kwargs)
        for i, part in enumerate((like.high, like.low))
    )
    size = like.shape[2:] if high is None else None
    if isinstance(low, tuple | list):
        return tuple(Octave(*parts, size) for parts in zip(high or (None,) * len(low), low, strict=True))
    assert low is not None
    return Octave(high, low, size)


def _must_merge(name: str, first: Any, like: Octave, others: Sequence[Tensor]) -> bool:
    """Whether a plain tensor beside `like` is of a shape that cannot be split, or is what shall be changed in place."""
    whole = [x for x in others if not isinstance(x, Octave) and x.numel() > 1]
    odd = any(x.ndim != like.low.ndim and not (name in BY_CHANNEL and x.ndim == 1) for x in whole)
    return odd or (name in IN_PLACE and not isinstance(first, Octave))


def _part(x: Any, like: Octave, index: int) -> Any:
    """An argument as one part of `like` needs it: a plain map split as it is, numbers of channels dealt out."""
    if isinstance(x, Octave):
        low = like.low.shape[1]
        x = x if x is like or x.low.shape[1] == low else split(merged(x), low)
        return x.low if index else x.high
    if not isinstance(x, Tensor) or x.numel() == 1:
        return x
    high = 0 if like.high is None else like.high.shape[1]
    if x.ndim == 1:
        return x[high:] if index else x[:high]
    mine = x if x.shape[1] == 1 else x[:, high:] if index else x[:, :high]
    return shrunk(mine, [min(2, n) for n in x.shape[-space_axes(x.ndim) :]]) if index else mine


def pooled(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A pooling of both parts; the low one is rounded up or down as its size must be."""
    named = dict(zip(POOLING[func.__name__[:3]], args, strict=False)) | kwargs
    x, up = named.pop("input"), named.pop("ceil_mode", False)
    if x.high is None or named.get("return_indices"):
        return NotImplemented
    high = func(x.high, ceil_mode=up, **named)
    lows = (func(x.low, ceil_mode=mode, **named) for mode in (up, not up))
    low = next((low for low in lows if low.shape[2:] == halved(high.shape)), None)
    return NotImplemented if low is None else Octave(high, low)


def reduced(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A mean or maximum over all of space leaves a plain tensor; over less, it is that of the merged map."""
    x, over = args[0], kwargs.get("dim", args[1] if len(args) > 1 else None)
    axes = {axis % x.ndim for axis in ((over,) if isinstance(over, int) else over or ())}
    if axes & {0, 1} or not axes >= set(range(x.ndim - space_axes(x.ndim), x.ndim)):
        return NotImplemented
    return torch.cat([func(part, *args[1:], **kwargs) for part in x if part is not None], 1)


def pooled_to_one(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Adaptive pooling to one place leaves a plain tensor; to more, it is that of the merged map."""
    x, size = args[0], args[1] if len(args) > 1 else kwargs["output_size"]
    space = space_axes(x.ndim)
    if set(size[-space:] if isinstance(size, Sequence) else (size,)) != {1}:
        return NotImplemented
    return torch.cat([func(part, *args[1:], **kwargs) for part in x if part is not None], 1)


def stacked(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """High channels beside high ones, low beside low; a plain map has high ones only."""
    maps, axis = args[0], kwargs.get("dim", args[1] if len(args) > 1 else 0)
    if axis % maps[0].ndim != 1:
        return NotImplemented
    highs = [x.high if isinstance(x, Octave) else x for x in maps]
    highs = [x for x in highs if x is not None]
    low = torch.cat([x.low for x in maps if isinstance(x, Octave)], 1)
    return Octave(torch.cat(highs, 1) if highs else None, low)


def dealt(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Equal shares of both parts' channels; where they do not divide, shares of the merged map."""
    x, shares, axis = args[0], args[1], kwargs.get("dim", args[2] if len(args) > 2 else 0)
    if axis % x.ndim != 1 or any(part is not None and part.shape[1] % shares for part in x):
        return NotImplemented
    return each(func, args, kwargs)


def resized(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Both parts by the same factors, or to a size and its half."""
    named = dict(zip(("input", "size", "scale_factor", "mode"), args, strict=False)) | kwargs
    x = named.pop("input")
    if x.high is None:
        return NotImplemented
    high = func(x.high, **named)
    named = {name: value for name, value in named.items() if name not in ("scale_factor", "recompute_scale_factor")}
    return Octave(high, func(x.low, **(named | {"size": halved(high.shape)})))


# Functions on every place by itself, which change no size; by name, since torch, Tensor and F each have their own.
# fmt: off
EACH = (
    "abs", "add", "alpha_dropout", "batch_norm", "bfloat16", "celu", "channel_shuffle", "clamp", "clamp_max",
    "clamp_min", "clone", "contiguous", "detach", "div", "double", "dropout", "dropout1d", "dropout2d", "dropout3d",
    "elu", "exp", "feature_alpha_dropout", "float", "gelu", "half", "hardsigmoid", "hardswish", "hardtanh",
    "instance_norm", "leaky_relu", "log", "mish", "mul", "native_channel_shuffle", "neg", "pow", "prelu",
    "reciprocal", "relu", "relu6", "rrelu", "rsqrt", "rsub", "selu", "sigmoid", "silu", "softplus", "softsign",
    "sqrt", "square", "sub", "tanh", "tanhshrink", "to", "true_divide",
)
# fmt: on
IN_PLACE = ("add_", "clamp_", "div_", "mul_", "relu_", "sub_", "sigmoid_", "tanh_", "hardtanh_", "leaky_relu_", "elu_")
BY_CHANNEL = ("batch_norm", "instance_norm", "prelu")
POOLING = {
    "max": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    "avg": ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
}
FACTS = {
    *(getattr(Tensor, name).__get__ for name in ("shape", "ndim", "dtype", "device", "is_meta", "layout", "is_cuda")),
    *(getattr(Tensor, name) for name in ("size", "dim", "ndimension", "is_floating_point", "is_complex", "get_device")),
}
RULES: dict[str, Rule] = {
    **dict.fromkeys((*EACH, *IN_PLACE), each),
    **{f"{kind}_pool{dims}d": pooled for kind in POOLING for dims in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{dims}d": pooled_to_one for kind in POOLING for dims in (1, 2, 3)},
    **dict.fromkeys(("mean", "amax"), reduced),
    **dict.fromkeys(("cat", "concat", "concatenate"), stacked),
    "chunk": dealt,
    "interpolate": resized,
}
