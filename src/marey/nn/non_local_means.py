"""Non-local means (Buades, Coll and Morel, CVPR 2005): a pixel becomes the mean of all that look like it, wherever.

        filtered(p) = sum_q w(p, q) x(q) / sum_q w(p, q),        w(p, q) = exp(-d(p, q)^2 / h^2)

The origin of the non-local block: with w written out, exp((2 a.b - |a|^2 - |b|^2) / h^2), the exact filter is a softmax
attention whose queries and keys are what d compares and whose values are the pixels themselves.

Axes: b images or clips, c channels, h rows, w columns, t frames; n pixels, f numbers that describe one.
"""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

POOLS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
WEIGHTS = ("patch", "mean")
QUERIES = 1024  # pixels whose weights to all others are held at a time


def non_local_means(
    x: Float[Tensor, "b c *thw"],
    *,
    h: float,
    patch: int | tuple[int, ...] = 3,
    window: int | tuple[int, ...] | None = None,
    weights: str = "patch",
) -> Float[Tensor, "b c *thw"]:
    """`x`, images (b, c, h, w) or clips (b, c, t, h, w), filtered; a clip over space and time together.

    h        how unlike pixels may be, in the units of `x`: at a distance of h, a weight is 1/e
    patch    odd sides of the neighbourhood by which pixels are compared; one number for all axes, or (t, h, w)
    window   odd sides of the neighbourhood in which a pixel looks for its like; None looks everywhere ("exact")
    weights  "patch": d^2 is the mean over the patch of |x(q + o) - x(p + o)|^2, with channels as the coordinates of a
             colour. "mean": |B(q) - B(p)|^2 of the two patches' means, which tells less apart and costs less

    Beyond the border, patches repeat the outermost pixels, and there is nothing to find. The paper weights the pixels
    of a patch by a Gaussian; here they count alike. A pixel's weight to itself is 1, as the formula has it.
    Exact costs the square of the number of pixels. ValueError for even sides, an `h` of 0 or less, other weights.
    """
    axes = x.ndim - 2
    if axes not in POOLS:
        raise ValueError(
            f"x has {x.ndim} axes {tuple(x.shape)}; non-local means takes 3 to 5: batch, channels, positions"
        )
    if not h > 0:
        raise ValueError(f"h is {h}; the distance at which a weight is 1/e is more than 0")
    if weights not in WEIGHTS:
        raise ValueError(f"weights is {weights!r}; non-local means knows {' and '.join(WEIGHTS)}")
    sides = _odd("patch", patch, axes)
    reach = tuple(side // 2 for side in sides)
    around = F.pad(x, [n for r in reversed(reach) for n in (r, r)], "replicate")
    if weights == "mean":
        around, sides = POOLS[axes](around, sides, stride=1), (1,) * axes
    if window is None:
        return _exact(x, around, sides, h)
    return _windowed(x, around, sides, _odd("window", window, axes), h)


def _odd(what: str, size: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    sides = (size,) * axes if isinstance(size, int) else size
    if len(sides) != axes or any(side < 1 or side % 2 == 0 for side in sides):
        raise ValueError(f"{what} is {size}; it is an odd number, or one for each of the {axes} axes")
    return sides


def _exact(x: Tensor, around: Tensor, sides: tuple[int, ...], h: float) -> Tensor:
    """Every pixel with every other, as many at a time as memory allows."""
    for axis, side in enumerate(sides):
        around = around.unfold(2 + axis, side, 1)
    described = around.movedim(1, x.ndim - 1).flatten(x.ndim - 1).flatten(1, -2)  # (b, n, f)
    described = described / math.sqrt(math.prod(sides))
    values = x.flatten(2).transpose(1, 2)
    filtered = [
        (-(torch.cdist(some, described) / h).square()).softmax(2) @ values for some in described.split(QUERIES, 1)
    ]
    return torch.cat(filtered, 1).transpose(1, 2).reshape(x.shape)


def _windowed(x: Tensor, around: Tensor, sides: tuple[int, ...], window: tuple[int, ...], h: float) -> Tensor:
    """One shift of the whole image at a time."""
    total, weight_sum = torch.zeros_like(x), torch.zeros_like(x[:, :1])
    for shift in itertools.product(*(range(-(side // 2), side // 2 + 1) for side in window)):
        if any(abs(s) >= n for s, n in zip(shift, x.shape[2:], strict=True)):
            continue
        here, there = _overlap(shift, x.shape[2:], (1,) * len(sides))
        patches = [around[place] for place in _overlap(shift, x.shape[2:], sides)]
        apart = (patches[0] - patches[1]).square().sum(1, keepdim=True)
        weight = torch.exp(-POOLS[len(sides)](apart, sides, stride=1) / h**2)
        total[here] += weight * x[there]
        weight_sum[here] += weight
    return total / weight_sum


def _overlap(
    shift: tuple[int, ...], sizes: tuple[int, ...], sides: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where p and p + shift are both in the image; `sides` more than 1 take the patches around them along."""
    here, there = [slice(None)] * 2, [slice(None)] * 2
    for s, n, side in zip(shift, sizes, sides, strict=True):
        here.append(slice(max(-s, 0), n - max(s, 0) + side - 1))
        there.append(slice(max(s, 0), n - max(-s, 0) + side - 1))
    return tuple(here), tuple(there)
