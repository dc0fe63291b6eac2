"""How each operation on tensors changes what they see: one rule an operation, `RULES` has them.

A rule is `rule(fields, inputs, args, out)`: `inputs` are the operation's tensors that have a field in `fields`, `args`
all that it was called with, `out` what it gave; it yields the fields of the output's tensors in order.
`rule_of` finds it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from .fields import AXES, Dim, Field, axes_in, plain

aten = torch.ops.aten
Fields = Mapping[Tensor, Field]
Args = tuple[Any, ...]
Rule = Callable[[Fields, Sequence[Tensor], Args, Any], Iterator[Field]]


def rule_of(operation: Any) -> Rule:
    """The rule for an operation (an OpOverload); one without, unless pointwise, is taken to mix everything."""
    pointwise = torch.Tag.pointwise in operation.tags
    return RULES.get(operation._overloadpacket, elementwise if pointwise else mixing)


def elementwise(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Any) -> Iterator[Field]:
    """Every output value comes from the input values at its own place, or from such as are the same everywhere."""
    field, *rest = (fields[x] for x in inputs)
    for other in rest:
        field = field | beside(other, field)
    for tensor in (x for x in tree_leaves(out) if isinstance(x, Tensor)):
        alike = [fields[x].dims for x in inputs if x.shape == tensor.shape]
        yield field.with_dims(alike[0]) if alike else field.with_dims(plain(tensor.shape)).mixed(AXES)


def mixing(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Any) -> Iterator[Field]:
    """Every output value may come from any input value."""
    field = joined(fields, inputs)
    for tensor in (x for x in tree_leaves(out) if isinstance(x, Tensor)):
        yield field.with_dims(plain(tensor.shape)).mixed(AXES)


def beside(other: Field, field: Field) -> Field:
    """Where a tensor is broadcast along a part of an axis that the first holds whole, each value stands repeatedly."""
    for axis, have, want in zip(AXES, other.extent[1:], field.extent[1:], strict=True):
        times = want // have
        if 1 < have < want and not other.span(axis).jump % times:
            other = other.with_span(axis, other.span(axis).repeated(times))
    return other


def joined(fields: Fields, inputs: Sequence[Tensor]) -> Field:
    """The dimensions of the first, seeing what any of them sees."""
    field, *rest = (fields[x] for x in inputs)
    for other in rest:
        field = field | other
    return field


def convolution(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    _, weight, _, stride, padding, dilation = args[:6]
    field = windowed(fields[inputs[0]], out, weight.shape[2:], stride, padding, dilation)
    yield field.with_dim(1, (("", out.shape[1]),)).mixed(field.axes(1))  # frames may be stacked into channels


def pooling(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Any) -> Iterator[Field]:
    kernel, stride, padding = args[1:4] + ([], [], [0])[len(args[1:4]) :]
    for tensor in tree_leaves(out):
        yield windowed(fields[inputs[0]], tensor, kernel, stride or kernel, padding, [1])


def adaptive_pooling(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    pairs = list(zip(inputs[0].shape[-len(args[1]) :], args[1], strict=True))
    kernel = [max(-(-(i + 1) * n // m) - i * n // m for i in range(m)) for n, m in pairs]
    field = windowed(fields[inputs[0]], out, kernel, [n // m for n, m in pairs], [0], [1])
    yield field.mixed(dim[0][0] for dim, (_, m) in zip(field.dims[-len(pairs) :], pairs, strict=True) if m == 1)


def windowed(
    field: Field,
    out: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Field:
    """The last dimensions slide under a kernel; each argument has one value for each, or one for all."""
    n = len(kernel)
    stride, padding, dilation = (list(v) * (n if len(v) == 1 else 1) for v in (stride, padding, dilation))
    for i, place in enumerate(range(out.ndim - n, out.ndim)):
        axis = field.dims[place][0][0]
        if axis and not field.sees_all(axis):
            field = field.with_span(axis, field.span(axis).window(kernel[i], stride[i], padding[i], dilation[i]))
        field = field.with_dim(place, ((axis, out.shape[place]),))
    return field


def repeating(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    """Nearest upsampling: every value stands `factor` times; where that falls between input pixels, all is mixed."""
    x, field = inputs[0], fields[inputs[0]]
    for place in range(2, out.ndim):
        factor, rest = divmod(out.shape[place], x.shape[place])
        axis = field.dims[place][0][0]
        if axis and (rest or len(field.dims[place]) > 1 or field.span(axis).jump % factor):
            field = field.mixed(field.axes(place))
        elif axis and field.span(axis).jump < field.video[AXES.index(axis)]:  # otherwise it sees the whole already
            field = field.with_span(axis, field.span(axis).repeated(factor))
        field = field.with_dim(place, ((axis, out.shape[place]),))
    yield field


def reduction(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    """A mean, sum or maximum over some dimensions, which stay with size 1 or go."""
    x, field = inputs[0], fields[inputs[0]]
    over = args[1] if len(args) > 1 else range(x.ndim)
    gone = {d % x.ndim for d in ([over] if isinstance(over, int) else over)}
    dims = [(("", 1),) if d in gone else dim for d, dim in enumerate(field.dims) if out.ndim == x.ndim or d not in gone]
    yield field.with_dims(dims).mixed(field.axes(*gone))


def softmax(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    field = fields[inputs[0]]
    yield field.mixed(field.axes(args[1]))


def layer_norm(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Sequence[Tensor]) -> Iterator[Field]:
    field, normalized = fields[inputs[0]], range(-len(args[1]), 0)
    seen = field.mixed(field.axes(*normalized))
    yield seen
    for statistic in out[1:]:
        yield seen.with_dims(plain(statistic.shape))


def matrix_product(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    """The last two tensors are multiplied (mm, bmm, addmm, baddbmm); the dimension that they share is mixed."""
    pair = [x for x in args if isinstance(x, Tensor)][-2:]
    a, b = (fields[x].dims if x in fields else plain(x.shape) for x in pair)
    yield joined(fields, inputs).with_dims((*a[:-1], b[-1])).mixed(axes_in((a[-1], b[-2])))


def reshaped(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    """The same values in the same order, their sizes multiplied up differently."""
    field = fields[inputs[0]]
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
    yield field.with_dims(dims)


def permuted(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    field, order = fields[inputs[0]], list(range(out.ndim))
    if len(args) == 3:  # transpose(x, i, j)
        order[args[1]], order[args[2]] = order[args[2]], order[args[1]]
    else:
        order = list(args[1]) if len(args) == 2 else order[::-1]
    yield field.with_dims(field.dims[d] for d in order)


def expanded(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    field = fields[inputs[0]]
    dims = plain(out.shape[: out.ndim - len(field.dims)]) + field.dims
    sized = zip(dims, out.shape, strict=True)
    yield field.with_dims(dim if math.prod(n for _, n in dim) == size else (("", size),) for dim, size in sized)


def moved(field: Field, place: int, start: int, size: int, step: int = 1) -> Field:
    """Elements `start`, `start + step`, ... of one dimension, which holds `size` of them then."""
    names = field.axes(place)
    if len(names) == len(field.dims[place]) == 1:
        field = field.with_span(names[0], field.span(names[0]).shifted(start, step))
        return field.with_dim(place, ((names[0], size),))
    return field.with_dim(place, (("", size),)).mixed(names)


def sliced(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    place, start, _, step = args[1:] + (0, None, None, 1)[len(args) - 1 :]
    taken = range(inputs[0].shape[place])[start::step]
    yield moved(fields[inputs[0]], place % out.ndim, taken.start, out.shape[place], step)


def selected(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    place = args[1] % inputs[0].ndim
    field = moved(fields[inputs[0]], place, args[2] % inputs[0].shape[place], 1)
    yield field.with_dims(field.dims[:place] + field.dims[place + 1 :])


def sampled(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    """Places of one dimension, which are taken to be evenly spread: on the meta device an index has no values."""
    place = args[1] % out.ndim
    step = max(inputs[0].shape[place] // out.shape[place], 1)
    yield moved(fields[inputs[0]], place, 0, out.shape[place], step)


def split(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Sequence[Tensor]) -> Iterator[Field]:
    place, start = (args[2] if len(args) > 2 else 0) % inputs[0].ndim, 0
    for part in out:
        yield moved(fields[inputs[0]], place, start, part.shape[place])
        start += part.shape[place]


def unbound(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Sequence[Tensor]) -> Iterator[Field]:
    place = (args[1] if len(args) > 1 else 0) % inputs[0].ndim
    for i in range(len(out)):
        field = moved(fields[inputs[0]], place, i, 1)
        yield field.with_dims(field.dims[:place] + field.dims[place + 1 :])


def stacked(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    field, place = joined(fields, inputs), (args[1] if len(args) > 1 else 0) % out.ndim
    yield field.with_dims((*field.dims[:place], (("", out.shape[place]),), *field.dims[place:]))


def padded(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    field = fields[inputs[0]]
    for i, (before, after) in enumerate(zip(args[1][::2], args[1][1::2], strict=True)):
        place = out.ndim - 1 - i
        if before or after:
            field = moved(field, place, -before, out.shape[place])
    yield field


def concatenated(fields: Fields, inputs: Sequence[Tensor], args: Args, out: Tensor) -> Iterator[Field]:
    place = (args[1] if len(args) > 1 else 0) % out.ndim
    field = joined(fields, inputs)
    names = field.axes(place)
    if len(names) == 1:
        yield field.with_dim(place, ((names[0], out.shape[place]),))
    else:
        yield field.with_dim(place, (("", out.shape[place]),)).mixed(names)


RULES: dict[Any, Rule] = {
    aten.alias: elementwise,
    aten.clone: elementwise,
    aten.detach: elementwise,
    aten._to_copy: elementwise,
    aten.native_batch_norm: elementwise,
    aten.native_layer_norm: layer_norm,
    aten.convolution: convolution,
    aten.max_pool2d_with_indices: pooling,
    aten.max_pool3d_with_indices: pooling,
    aten.avg_pool2d: pooling,
    aten.avg_pool3d: pooling,
    aten._adaptive_avg_pool2d: adaptive_pooling,
    aten._adaptive_avg_pool3d: adaptive_pooling,
    aten.upsample_nearest1d: repeating,
    aten.upsample_nearest2d: repeating,
    aten.upsample_nearest3d: repeating,
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
    aten.index_select: sampled,
    aten.split: split,
    aten.split_with_sizes: split,
    aten.unsafe_split: split,
    aten.unbind: unbound,
    aten.stack: stacked,
    aten.constant_pad_nd: padded,
    aten.cat: concatenated,
}
