"""Convolution and batch normalization of one, two or three dimensions, for blocks that fit any of them."""

from collections.abc import Callable
from typing import Literal

from torch import nn

Dims = Literal[1, 2, 3]  # time; rows and columns; time, rows and columns
Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d
Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d

CONVS: dict[int, Callable[..., Conv]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMS: dict[int, Callable[..., Norm]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def pointwise(c_in: int, c_out: int, *, dims: Dims, bias: bool = True) -> Conv:
    """A convolution of kernel 1."""
    return CONVS[dims](c_in, c_out, 1, bias=bias)


def last_norm(width: int, *, dims: Dims, zero_init: bool = True, eps: float = 1e-5) -> Norm:
    """The normalization that ends a residual branch; `zero_init` starts its gain at 0, so that the branch adds none."""
    norm = NORMS[dims](width, eps=eps)
    if zero_init:
        nn.init.zeros_(norm.weight)
    return norm


def check_widths(block: str, **widths: int) -> None:
    """Raise a ValueError unless every number of channels or nodes is at least 1."""
    for what, n in widths.items():
        if n < 1:
            raise ValueError(f"{block} has {n} {what}; it needs at least 1, so give it more or a wider input")
