"""Convolution and batch normalization of one, two or three dimensions, for blocks that fit any of them."""

from collections.abc import Callable
from operator import index
from typing import Literal, SupportsIndex

from torch import Tensor, nn

Dims = Literal[1, 2, 3]  # time; rows and columns; time, rows and columns
Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d
Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d

CONVS: dict[int, Callable[..., Conv]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMS: dict[int, Callable[..., Norm]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def pointwise(c_in: int, c_out: int, *, dims: int, bias: bool = True) -> Conv:
    """A convolution of kernel 1."""
    return CONVS[dims](c_in, c_out, 1, bias=bias)


def last_norm(width: int, *, dims: int, zero_init: bool = True, eps: float = 1e-5) -> Norm:
    """The normalization that ends a residual branch; `zero_init` starts its gain at 0, so that the branch adds none."""
    norm = NORMS[dims](width, eps=eps)
    if zero_init:
        nn.init.zeros_(norm.weight)
    return norm


def check_dims(block: str, dims: object) -> None:
    """Raise a ValueError unless the block can have so many axes of positions."""
    if dims not in (1, 2, 3):
        raise ValueError(f"dims is {dims!r}; {block} has 1, 2 or 3")


def check_widths(block: str, **widths: object) -> None:
    """Raise a ValueError unless every number of channels or nodes is a whole one of at least 1."""
    for what, n in widths.items():
        if not isinstance(n, SupportsIndex):
            raise ValueError(f"{block} has {n!r} {what}; their number must be a whole one")
        if index(n) < 1:
            raise ValueError(f"{block} has {n} {what}; it needs at least 1, so give it more or a wider input")


def check_map(block: str, x: Tensor, *, width: int, kernel: Tensor | None) -> None:
    """Raise a ValueError unless `x` is (b, width, *positions) with as many axes as a kernel of the block has.

    They are not those that it was built for: inflation gives a kernel one more. None leaves them unchecked.
    """
    dims = x.ndim - 2 if kernel is None else kernel.ndim - 2
    if x.ndim != dims + 2:
        raise ValueError(f"x has {x.ndim} axes {tuple(x.shape)}; {block} of {dims} dims takes {dims + 2}")
    if x.shape[1] != width:
        raise ValueError(f"x has {x.shape[1]} channels; {block} of {width} channels takes {width}")
