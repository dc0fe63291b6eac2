"""The two grids of an octave: full size, and half of it along the axes of space, rounded up.

The axes of space are the last one of a series (b, c, t) and the last two of images (b, c, h, w) and clips
(b, c, t, h, w): the time of a clip is never halved.
"""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

AVG_POOLS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def space_axes(ndim: int) -> int:
    """How many of the last axes of a map are space."""
    return 1 if ndim == 3 else 2


def halved(shape: Sequence[int]) -> tuple[int, ...]:
    """The sizes, but for batch and channels, of the low part that belongs to a high part of this shape."""
    space = len(shape) - space_axes(len(shape))
    return (*shape[2:space], *(-(-n // 2) for n in shape[space:]))


def shrunk(x: Tensor, factors: Sequence[int]) -> Tensor:
    """Means over windows of so many places of each axis of space; at the far end, over those that there are."""
    if max(factors) == 1:
        return x
    kernel = (*(1,) * (x.ndim - 2 - len(factors)), *factors)
    return AVG_POOLS[x.ndim - 2](x, kernel, kernel, ceil_mode=True, count_include_pad=False)


def spread(x: Tensor, size: Sequence[int]) -> Tensor:
    """Every value twice along each axis of space that is smaller than `size`, cut to it."""
    n = len(size)
    factors = [1.0 if have == want else 2.0 for have, want in zip(x.shape[-n:], size, strict=True)]
    if max(factors) > 1:
        x = F.interpolate(x, scale_factor=[1.0] * (x.ndim - 2 - n) + factors, mode="nearest")
    for axis, want in zip(range(-n, 0), size, strict=True):
        x = x.narrow(axis, 0, want) if x.shape[axis] != want else x
    return x


def add_spread(high: Tensor, low: Tensor) -> Tensor:
    """`low`, spread, added into `high`, whose memory must be nobody else's."""
    n = space_axes(high.ndim)
    size = high.shape[-n:]
    if any(2 * have != want for have, want in zip(low.shape[-n:], size, strict=True)):
        return high.add_(spread(low, size))
    # Each axis as pairs of neighbours, to both of which the same is added: one pass, nothing allocated.
    if n == 1:
        pairs, low = (*low.shape, 2), low.unsqueeze(-1)
    else:
        pairs, low = (*low.shape[:-1], 2, low.shape[-1], 2), low.unsqueeze(-1).unsqueeze(-3)
    return high.view(pairs).add_(low).view(high.shape)
