"""Receptive fields, exactly, through any graph: which part of the input each tensor of a forward pass can see.

Inside `with FieldTrace() as trace`, every tensor that comes out of a watched video remembers

    its axes   which parts of each dimension are time, rows or columns, through every reshape and permutation
    its spans  for each of t, h, w: output i sees input low + i * jump ... high + i * jump

so that padding, slices, differences, branches (their union) and frames folded into batch or channels come out right.
What mixes a whole axis (a mean, a linear layer, an attention over it) sees the whole input along it. The field is the
architecture's own: it may be larger than the input, where the network sees its padding.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakTensorKeyDictionary

aten = torch.ops.aten
AXES = "thw"
IN_PLACE = {aten.relu_, aten.hardtanh_, aten.sigmoid_, aten.tanh_}
Dim = tuple[tuple[str, int], ...]  # (axis, size) pairs; their product is the dimension; "" is no axis of video


@dataclass(frozen=True)
class Span:
    """Output i sees input `low + i * jump` to `high + i * jump`."""

    low: int
    high: int
    jump: int

    @property
    def size(self) -> int:
        return self.high - self.low + 1

    def window(self, kernel: int, stride: int, padding: int = 0, dilation: int = 1) -> "Span":
        """After a convolution or a pooling."""
        low = self.low - padding * self.jump
        return Span(low, self.high + ((kernel - 1) * dilation - padding) * self.jump, self.jump * stride)

    def __or__(self, other: "Span") -> "Span":
        return Span(min(self.low, other.low), max(self.high, other.high), max(self.jump, other.jump))


def whole_span(extent: int) -> Span:
    return Span(0, extent - 1, extent)


Spans = tuple[Span, Span, Span]
Args = tuple[Any, ...]


@dataclass(frozen=True)
class Field:
    """What one tensor sees: `dims` says which axis each dimension holds, `spans` has one span for t, h and w."""

    dims: tuple[Dim, ...]
    spans: Spans

    @property
    def extent(self) -> tuple[int, int, int, int]:
        """Channels, frames, rows and columns of the tensor, for a batch of one video."""
        sizes = {axis: math.prod(n for dim in self.dims for name, n in dim if name == axis) for axis in ("", *AXES)}
        return sizes[""], sizes["t"], sizes["h"], sizes["w"]


class FieldTrace(TorchDispatchMode):
    """Follows the fields of all tensors, and adds up multiply-adds (`macs`) of convolutions and matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.fields = WeakTensorKeyDictionary()
        self.macs = 0
        self.extent: tuple[int, int, int] = (1, 1, 1)

    def watch(self, video: Tensor) -> None:
        """Begin with a video (b, c, t, h, w): every pixel sees itself."""
        dims = tuple(((axis, size),) for axis, size in zip(("", "", *AXES), video.shape, strict=True))
        self.extent = (video.shape[2], video.shape[3], video.shape[4])
        self.fields[video] = Field(dims, (Span(0, 0, 1), Span(0, 0, 1), Span(0, 0, 1)))

    def sight(self, field: Field) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """How many input frames, rows and columns one value sees, and how far apart neighbouring values look.

        A value that has no neighbour along an axis and sees past both ends of it sees the whole of it, no more.
        """
        ends = [
            whole_span(extent) if size == 1 and span.low <= 0 and span.high >= extent - 1 else span
            for span, size, extent in zip(field.spans, field.extent[1:], self.extent, strict=True)
        ]
        t, h, w = ends
        return (t.size, h.size, w.size), (t.jump, h.jump, w.jump)

    def field(self, tensor: Tensor) -> Field | None:
        return self.fields.get(tensor)

    def whole(self, field: Field, axes: Sequence[str]) -> Field:
        """The same where all of these axes has been seen."""
        spans = [
            whole_span(extent) if axis in axes else span
            for axis, span, extent in zip(AXES, field.spans, self.extent, strict=True)
        ]
        return Field(field.dims, (spans[0], spans[1], spans[2]))

    def recur(self, x: Tensor, out: Tensor) -> None:
        """`out` comes from a recurrent network over the axis in dimension 1 of `x`: its last step sees all of it."""
        field = self.fields[x]
        dims = (*field.dims[:2], (("", out.shape[2]),))
        self.fields[out] = self.whole(Field(dims, field.spans), axes_of([field.dims[1]]))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        packet = func._overloadpacket
        if packet in IN_PLACE:  # on the meta device these take most of the time and do nothing
            out = args[0]
        elif packet is aten.native_batch_norm and args[0].is_meta:
            out = (torch.empty_like(args[0]), args[0].new_empty(0), args[0].new_empty(0))
        else:
            out = func(*args, **(kwargs or {}))
        if packet in flop_registry:
            self.macs += flop_registry[packet](*args, **(kwargs or {}), out_val=out) // 2
        inputs = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor) and x in self.fields]
        if inputs:
            rule = RULES.get(packet, elementwise)
            for tensor, field in zip(tensors(out), rule(self, inputs, args, out), strict=False):
                self.fields[tensor] = field
        return out


Rule = Callable[[FieldTrace, list[Tensor], Args, Any], Iterator[Field]]


def plain(shape: Iterable[int]) -> tuple[Dim, ...]:
    """Dimensions that are no axis of the video."""
    return tuple((("", size),) for size in shape)


def tensors(out: Any) -> list[Tensor]:
    return [x for x in tree_leaves(out) if isinstance(x, Tensor)]


def joined(trace: FieldTrace, inputs: Sequence[Tensor]) -> Spans:
    """The union of what several tensors see."""
    first, *rest = (trace.fields[x].spans for x in inputs)
    for spans in rest:
        first = (first[0] | spans[0], first[1] | spans[1], first[2] | spans[2])
    return first


def axes_of(dims: Iterable[Dim]) -> list[str]:
    return [axis for dim in dims for axis, size in dim if axis and size > 1]


def elementwise(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Any) -> Iterator[Field]:
    """Anything not listed: the union of the inputs; an output of a new shape is taken to mix everything."""
    spans = joined(trace, inputs)
    for tensor in tensors(out):
        same = [x for x in inputs if x.shape == tensor.shape]
        if same:
            yield Field(trace.fields[same[0]].dims, spans)
        else:
            yield trace.whole(Field(plain(tensor.shape), spans), AXES)


def convolution(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    _, weight, _, stride, padding, dilation = args[:6]
    field = windowed(trace, inputs[0], out, weight.shape[2:], stride, padding, dilation)
    mixed = axes_of([field.dims[1]])  # frames stacked into channels
    yield trace.whole(Field((field.dims[0], (("", out.shape[1]),), *field.dims[2:]), field.spans), mixed)


def pooling(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Any) -> Iterator[Field]:
    kernel, stride, padding = (*args[1:4], *([], [0])[max(len(args) - 2, 0) :])
    for tensor in tensors(out):
        yield windowed(trace, inputs[0], tensor, kernel, stride or kernel, padding, [1])


def adaptive_pooling(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    pairs = list(zip(inputs[0].shape[-len(args[1]) :], args[1], strict=True))
    kernel = [max(-(-(i + 1) * n // m) - i * n // m for i in range(m)) for n, m in pairs]
    field = windowed(trace, inputs[0], out, kernel, [n // m for n, m in pairs], [0], [1])
    single = [field.dims[i - len(pairs)] for i, (_, m) in enumerate(pairs) if m == 1]
    yield trace.whole(field, [axis for dim in single for axis, _ in dim])


def windowed(
    trace: FieldTrace,
    x: Tensor,
    out: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Field:
    """The last dimensions slide under a kernel, one value of each argument for each, or one for all."""
    field, n = trace.fields[x], len(kernel)
    spans, dims = dict(zip(AXES, field.spans, strict=True)), list(field.dims)
    stride, padding, dilation = (list(v) * (n if len(v) == 1 else 1) for v in (stride, padding, dilation))
    for i, place in enumerate(range(x.ndim - n, x.ndim)):
        axis = dims[place][0][0]
        if axis:
            spans[axis] = spans[axis].window(kernel[i], stride[i], padding[i], dilation[i])
        dims[place] = ((axis, out.shape[place]),)
    return Field(tuple(dims), (spans["t"], spans["h"], spans["w"]))


def reduction(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Any) -> Iterator[Field]:
    """A mean, sum or maximum over some dimensions, kept or not."""
    x = inputs[0]
    wanted = args[1] if len(args) > 1 else range(x.ndim)
    gone = {d % x.ndim for d in ([wanted] if isinstance(wanted, int) else wanted)}
    field = trace.fields[x]
    for tensor in tensors(out):
        kept = tensor.ndim == x.ndim
        dims = tuple((("", 1),) if d in gone else dim for d, dim in enumerate(field.dims) if kept or d not in gone)
        yield trace.whole(Field(dims, field.spans), axes_of(field.dims[d] for d in gone))


def softmax(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    field = trace.fields[inputs[0]]
    yield trace.whole(field, axes_of([field.dims[args[1]]]))


def matrix_product(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    """The last two tensors are multiplied (mm, bmm, addmm, baddbmm); the dimension that they share is mixed."""
    a, b = (
        trace.fields[x].dims if x in trace.fields else plain(x.shape)
        for x in [x for x in args if isinstance(x, Tensor)][-2:]
    )
    yield trace.whole(Field((*a[:-1], b[-1]), joined(trace, inputs)), axes_of([a[-1], b[-2]]))


def reshaped(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    """The same values in the same order, their sizes multiplied up differently."""
    field = trace.fields[inputs[0]]
    atoms = [atom for dim in field.dims for atom in dim if atom[1] > 1]
    dims: list[Dim] = []
    for want in out.shape:
        group: list[tuple[str, int]] = []
        while want > 1:
            axis, have = atoms.pop(0)
            take = math.gcd(have, want)
            group.append((axis, take))
            want //= take
            if have > take:
                atoms.insert(0, (axis, have // take))
        dims.append(tuple(group) or (("", 1),))
    yield Field(tuple(dims), field.spans)


def permuted(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    field = trace.fields[inputs[0]]
    order = list(range(out.ndim))
    if len(args) == 3:  # transpose(x, i, j)
        order[args[1]], order[args[2]] = order[args[2]], order[args[1]]
    else:
        order = list(args[1]) if len(args) == 2 else order[::-1]
    yield Field(tuple(field.dims[d] for d in order), field.spans)


def expanded(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    field = trace.fields[inputs[0]]
    dims = plain(out.shape[: out.ndim - len(field.dims)]) + field.dims
    yield Field(
        tuple(
            d if math.prod(n for _, n in d) == size else (("", size),) for d, size in zip(dims, out.shape, strict=True)
        ),
        field.spans,
    )


def moved(trace: FieldTrace, x: Tensor, dim: int, start: int, size: int, step: int = 1) -> Field:
    """Elements `start`, `start + step`, ... of one dimension, which holds `size` of them then."""
    field, dim = trace.fields[x], dim % x.ndim
    names = axes_of([field.dims[dim]])
    spans, dims = dict(zip(AXES, field.spans, strict=True)), list(field.dims)
    dims[dim] = ((names[0] if len(names) == 1 else "", size),)
    if len(field.dims[dim]) == 1 and names:
        span = spans[names[0]]
        shift = start * span.jump
        spans[names[0]] = Span(span.low + shift, span.high + shift, span.jump * step)
        names = []
    return trace.whole(Field(tuple(dims), (spans["t"], spans["h"], spans["w"])), names)


def sliced(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    dim, start, step = (*args[1:3], *(0, 0)[max(len(args) - 1, 0) :], args[4] if len(args) > 4 else 1)
    n = inputs[0].shape[dim]
    start = min(max((start or 0) + (n if (start or 0) < 0 else 0), 0), n)
    yield moved(trace, inputs[0], dim, start, out.shape[dim], step)


def selected(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    dim = args[1] % inputs[0].ndim
    field = moved(trace, inputs[0], dim, args[2] % inputs[0].shape[dim], 1)
    yield Field(field.dims[:dim] + field.dims[dim + 1 :], field.spans)


def split(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Any) -> Iterator[Field]:
    dim, start = args[2] if len(args) > 2 else 0, 0
    for part in out:
        yield moved(trace, inputs[0], dim, start, part.shape[dim])
        start += part.shape[dim]


def padded(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    x = inputs[0]
    for i, before in enumerate(args[1][::2]):
        dim = x.ndim - 1 - i
        trace.fields[out] = moved(trace, x if i == 0 else out, dim, -before, out.shape[dim])
    yield trace.fields[out]


def concatenated(trace: FieldTrace, inputs: list[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    dim = (args[1] if len(args) > 1 else 0) % out.ndim
    dims = list(trace.fields[inputs[0]].dims)
    names = axes_of([dims[dim]])
    dims[dim] = ((names[0] if len(names) == 1 else "", out.shape[dim]),)
    yield trace.whole(Field(tuple(dims), joined(trace, inputs)), names[1:] and names)


RULES: dict[Any, Rule] = {
    aten.convolution: convolution,
    aten.max_pool2d_with_indices: pooling,
    aten.max_pool3d_with_indices: pooling,
    aten.avg_pool2d: pooling,
    aten.avg_pool3d: pooling,
    aten._adaptive_avg_pool2d: adaptive_pooling,
    aten._adaptive_avg_pool3d: adaptive_pooling,
    aten.mean: reduction,
    aten.sum: reduction,
    aten.amax: reduction,
    aten._softmax: softmax,
    aten.mm: matrix_product,
    aten.bmm: matrix_product,
    aten.addmm: matrix_product,
    aten.baddbmm: matrix_product,
    aten.view: reshaped,
    aten._unsafe_view: reshaped,
    aten._reshape_alias: reshaped,
    aten.unsqueeze: reshaped,
    aten.squeeze: reshaped,
    aten.permute: permuted,
    aten.transpose: permuted,
    aten.t: permuted,
    aten.expand: expanded,
    aten.slice: sliced,
    aten.select: selected,
    aten.split: split,
    aten.constant_pad_nd: padded,
    aten.cat: concatenated,
}
