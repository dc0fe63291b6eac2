"""Convolution, normalization and activation in one, in two and three dimensions, and the space-then-time convolution.

Axes: b clips, c channels, t frames, h rows, w columns.
"""

from collections import OrderedDict

from jaxtyping import Float
from torch import Tensor, nn

Triple = tuple[int, int, int]


def named(**parts: nn.Module) -> nn.Sequential:
    """The parts one after the other, under their names."""
    return nn.Sequential(OrderedDict(parts))


def conv_norm(conv: nn.Module, width: int, *, dims: int, act: nn.Module | None = None) -> nn.Sequential:
    """`conv` (without bias, `width` channels out), batch normalization of `dims` dimensions, activation; named so."""
    norm = nn.BatchNorm2d(width) if dims == 2 else nn.BatchNorm3d(width)
    return named(conv=conv, norm=norm, act=act) if act else named(conv=conv, norm=norm)


def conv3d(c_in: int, c_out: int, *, kernel: Triple, stride: Triple = (1, 1, 1), relu: bool = True) -> nn.Sequential:
    """3D convolution padded so that stride 1 keeps every size (for odd kernels), normalization, ReLU."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    conv = nn.Conv3d(c_in, c_out, kernel, stride, padding, bias=False)
    return conv_norm(conv, c_out, dims=3, act=nn.ReLU(inplace=True) if relu else None)


def conv2d(c_in: int, c_out: int, *, kernel: int, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """2D convolution padded so that stride 1 keeps every size (for odd kernels), normalization, ReLU."""
    conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
    return conv_norm(conv, c_out, dims=2, act=nn.ReLU(inplace=True) if relu else None)


class SpaceTimeConv(nn.Module):
    """A convolution over space, then one over time: the (2+1)D convolution of Tran et al., CVPR 2018, arXiv:1711.11248.

        x (c_in) -> 1 x k x k, `mid` channels -> norm -> ReLU -> k_t x 1 x 1 -> (c_out)

    `kernel` and `stride` are (time, space). `mid` is, unless given, the paper's M, which gives the pair as many
    parameters as the one full 3D convolution that it replaces.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        *,
        mid: int | None = None,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        (k_t, k), (s_t, s) = kernel, stride
        mid = same_cost_width(c_in, c_out, kernel=kernel) if mid is None else mid
        self.space = nn.Conv3d(c_in, mid, (1, k, k), (1, s, s), (0, k // 2, k // 2), bias=False)
        self.norm = nn.BatchNorm3d(mid)
        self.act = nn.ReLU(inplace=True)
        self.time = nn.Conv3d(mid, c_out, (k_t, 1, 1), (s_t, 1, 1), (k_t // 2, 0, 0), bias=False)

    def forward(self, x: Float[Tensor, "b _ t h w"]) -> Float[Tensor, "b _ _ _ _"]:
        return self.time(self.act(self.norm(self.space(x))))


def same_cost_width(c_in: int, c_out: int, *, kernel: tuple[int, int] = (3, 3)) -> int:
    """Channels between the two halves of a `SpaceTimeConv` that costs what a full `k_t x k x k` convolution does."""
    k_t, k = kernel
    return c_in * c_out * k_t * k * k // (c_in * k * k + k_t * c_out)
