"""Residual blocks of any dimension (He et al., CVPR 2016, arXiv:1512.03385): the learned part is added to the input."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from .conv import SpaceTimeConv, conv2d, conv3d, conv_norm, named, same_cost_width
from .gates import SqueezeExcite

ConvKind = Literal["3d", "2d", "2+1d"]


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)); the shortcut is the identity unless given."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut, self.act = body, shortcut or nn.Identity(), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.body(x) + self.shortcut(x))


def basic_block_2d(c_in: int, width: int, *, stride: int = 1) -> Residual:
    """Two 3 x 3 convolutions; `width` channels out."""
    body = named(conv1=conv2d(c_in, width, kernel=3, stride=stride), conv2=conv2d(width, width, kernel=3, relu=False))
    fits = stride == 1 and c_in == width
    return Residual(body, None if fits else conv2d(c_in, width, kernel=1, stride=stride, relu=False))


def bottleneck_2d(
    c_in: int,
    width: int,
    *,
    stride: int = 1,
    inner: int | None = None,
    groups: int = 1,
    dilation: int = 1,
    squeeze: int | None = None,
) -> Residual:
    """1 x 1, 3 x 3, 1 x 1; 4 `width` channels out. The 3 x 3 has the stride, as in torchvision; the paper's first.

    `inner` channels between, `width` unless given, in `groups` at the 3 x 3 (ResNeXt; Xie et al., CVPR 2017,
    arXiv:1611.05431). `squeeze` is the reduction of a channel gate on what is added (SE; Hu et al., CVPR 2018,
    arXiv:1709.01507).
    """
    inner = width if inner is None else inner
    middle = nn.Conv2d(inner, inner, 3, stride, dilation, dilation, groups, bias=False)
    body = named(
        conv1=conv2d(c_in, inner, kernel=1),
        conv2=conv_norm(middle, inner, dims=2, act=nn.ReLU(inplace=True)),
        conv3=conv2d(inner, 4 * width, kernel=1, relu=False),
    )
    if squeeze:
        body.add_module("gate", SqueezeExcite(4 * width, inner=4 * width // squeeze, dims=2))
    fits = stride == 1 and c_in == 4 * width
    return Residual(body, None if fits else conv2d(c_in, 4 * width, kernel=1, stride=stride, relu=False))


def basic_block_3d(c_in: int, width: int, *, kind: ConvKind, stride: int = 1, shared_mid: bool = True) -> Residual:
    """Two convolutions of one kind: full 3 x 3 x 3, 1 x 3 x 3 ("2d": time untouched), or space-then-time ("2+1d").

    The stride acts on space, and on time too where the kind sees it. As torchvision builds R(2+1)D, both
    convolutions of a block have the inner width that equals the cost of the block's first one; without `shared_mid`
    each has its own, as in the paper's code (VMZ).
    """
    mid = same_cost_width(c_in, width) if shared_mid else None
    time_stride = 1 if kind == "2d" else stride
    make: dict[ConvKind, Callable[[int, int], nn.Module]] = {
        "3d": lambda c, s: nn.Conv3d(c, width, 3, s, 1, bias=False),
        "2d": lambda c, s: nn.Conv3d(c, width, (1, 3, 3), (1, s, s), (0, 1, 1), bias=False),
        "2+1d": lambda c, s: SpaceTimeConv(c, width, mid=mid, stride=(s, s)),
    }
    body = named(
        conv1=conv_norm(make[kind](c_in, stride), width, dims=3, act=nn.ReLU(inplace=True)),
        conv2=conv_norm(make[kind](width, 1), width, dims=3),
    )
    if stride == 1 and c_in == width:
        return Residual(body)
    return Residual(body, conv3d(c_in, width, kernel=(1, 1, 1), stride=(time_stride, stride, stride), relu=False))


def bottleneck_3d(
    c_in: int, width: int, *, times: tuple[int, int] = (1, 1), stride: int = 1, zero_init: bool = False
) -> Residual:
    """`bottleneck_2d` on every frame, its 1 x 1 and its 3 x 3 kernel reaching over `times` frames; 4 `width` channels.

    The stride is over space. With `zero_init` the last normalization starts with a weight of 0 (Goyal et al., 2017,
    arXiv:1706.02677), so that a block without a convolution on its shortcut begins as a ReLU.
    """
    first, second = times
    last = conv3d(width, 4 * width, kernel=(1, 1, 1), relu=False)
    if zero_init:
        nn.init.zeros_(last.get_submodule("norm").get_parameter("weight"))
    body = named(
        conv1=conv3d(c_in, width, kernel=(first, 1, 1)),
        conv2=conv3d(width, width, kernel=(second, 3, 3), stride=(1, stride, stride)),
        conv3=last,
    )
    if stride == 1 and c_in == 4 * width:
        return Residual(body)
    return Residual(body, conv3d(c_in, 4 * width, kernel=(1, 1, 1), stride=(1, stride, stride), relu=False))
