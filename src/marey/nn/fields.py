"""What a tensor sees of the video that it comes from: its receptive field, axis by axis."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

AXES = "thw"
Dim = tuple[tuple[str, int], ...]  # (axis, size) pairs; their product is the dimension; "" is no axis of the video


@dataclass(frozen=True)
class Span:
    """Output i sees input `low + i * jump` to `high + i * jump`."""

    low: int
    high: int
    jump: int

    @classmethod
    def whole(cls, extent: int) -> "Span":
        return cls(0, extent - 1, extent)

    def window(self, kernel: int, stride: int, padding: int = 0, dilation: int = 1) -> "Span":
        """After a convolution or a pooling."""
        low, reach = self.low - padding * self.jump, (kernel - 1) * dilation - padding
        return Span(low, self.high + reach * self.jump, self.jump * stride)

    def shifted(self, start: int, step: int = 1) -> "Span":
        """Of the outputs `start`, `start + step`, ..."""
        return Span(self.low + start * self.jump, self.high + start * self.jump, self.jump * step)

    def repeated(self, times: int) -> "Span":
        """Of outputs that each stand `times` times; the last of them sees no further than the first."""
        jump = self.jump // times
        return Span(self.low - (times - 1) * jump, self.high, jump)

    def __or__(self, other: "Span") -> "Span":
        return Span(min(self.low, other.low), max(self.high, other.high), max(self.jump, other.jump))


@dataclass(frozen=True)
class Field:
    """`dims` says which axes each dimension of the tensor holds; `spans` has a span for t, h and w.

    `video` is the extent of the input along them.
    """

    dims: tuple[Dim, ...]
    spans: tuple[Span, Span, Span]
    video: tuple[int, int, int]

    @classmethod
    def of_video(cls, shape: tuple[int, ...]) -> "Field":
        """Of the video itself, (b, c, t, h, w): every pixel sees itself."""
        dims = tuple(((axis, size),) for axis, size in zip(("", "", *AXES), shape, strict=True))
        return cls(dims, (Span(0, 0, 1), Span(0, 0, 1), Span(0, 0, 1)), (shape[2], shape[3], shape[4]))

    def span(self, axis: str) -> Span:
        return self.spans[AXES.index(axis)]

    def with_span(self, axis: str, span: Span) -> "Field":
        t, h, w = (span if name == axis else old for name, old in zip(AXES, self.spans, strict=True))
        return replace(self, spans=(t, h, w))

    def with_dim(self, place: int, dim: Dim) -> "Field":
        return replace(self, dims=(*self.dims[:place], dim, *self.dims[place + 1 :]))

    def with_dims(self, dims: Iterable[Dim]) -> "Field":
        return replace(self, dims=tuple(dims))

    def mixed(self, axes: Iterable[str]) -> "Field":
        """After something that mixes the whole of these axes."""
        field = self
        for axis in axes:
            field = field.with_span(axis, Span.whole(self.video[AXES.index(axis)]))
        return field

    def sees_all(self, axis: str) -> bool:
        """Whether every value sees the whole input along an axis."""
        return self.span(axis) == Span.whole(self.video[AXES.index(axis)])

    def axes(self, *places: int) -> list[str]:
        """The axes that these dimensions hold."""
        return axes_in(self.dims[place] for place in places)

    def __or__(self, other: "Field") -> "Field":
        """Sees what either sees; the whole of the input if either does, and then no more than that."""
        pairs = zip(self.spans, other.spans, map(Span.whole, self.video), strict=True)
        t, h, w = (whole if whole in (a, b) else a | b for a, b, whole in pairs)
        return replace(self, spans=(t, h, w))

    @property
    def extent(self) -> tuple[int, int, int, int]:
        """Channels, frames, rows and columns of the tensor, for a batch of one video."""
        c, t, h, w = (math.prod(n for dim in self.dims for name, n in dim if name == axis) for axis in ("", *AXES))
        return c, t, h, w

    @property
    def sight(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """How many input frames, rows and columns one value sees, and how far apart neighbouring values look.

        No value sees more than there is: where a field reaches past the input, what lies outside is padding.
        """
        t, h, w = (min(span.high - span.low + 1, extent) for span, extent in zip(self.spans, self.video, strict=True))
        return (t, h, w), (self.spans[0].jump, self.spans[1].jump, self.spans[2].jump)


def axes_in(dims: Iterable[Dim]) -> list[str]:
    return [axis for dim in dims for axis, size in dim if axis and size > 1]


def plain(shape: Iterable[int]) -> tuple[Dim, ...]:
    """Dimensions that hold no axis of the video."""
    return tuple((("", size),) for size in shape)
