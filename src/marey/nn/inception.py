"""The trunk of Inception-v1 (Szegedy et al., CVPR 2015, arXiv:1409.4842) in the form with batch normalization.

        x -> stem 7 -> pool -> 1, 3 -> pool -> mixed a, b -> pool -> mixed a .. e -> pool -> mixed a, b

    mixed:  x -> 1            \\
            x -> 1 -> 3        | side by side
            x -> 1 -> 3        |
            x -> pool 3 -> 1  /

The second branch of 3 was one of 5 in the paper; TensorFlow's release has 3, and all that came after it keeps that.
Networks of images and of clips have the same trunk and the same names in it: they differ in what a convolution and a
pooling are, which the builder says. Axes: n images or clips, c channels, then one to three axes of time and place.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .conv import Triple, named

# Channels of a mixed block: 1; 1 then 3; 1 then 3; the one after pooling.
Widths = tuple[int, int, int, int, int, int]
MIXED: tuple[tuple[Widths, ...], ...] = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)


@runtime_checkable
class MakeConv(Protocol):
    """Convolution, normalization and ReLU; `kernel` and `stride` hold along every axis."""

    def __call__(self, c_in: int, c_out: int, *, kernel: int, stride: int = 1) -> nn.Module: ...


MakePool = Callable[[Triple, Triple], nn.Module]  # (kernel, stride) along time, rows, columns


class Mixed(nn.Module):
    """Four views of one map side by side."""

    def __init__(self, c_in: int, widths: Widths, *, conv: MakeConv, pool: MakePool) -> None:
        super().__init__()
        point, reduce1, wide1, reduce2, wide2, pooled = widths
        self.point = conv(c_in, point, kernel=1)
        self.wide1 = named(reduce=conv(c_in, reduce1, kernel=1), conv=conv(reduce1, wide1, kernel=3))
        self.wide2 = named(reduce=conv(c_in, reduce2, kernel=1), conv=conv(reduce2, wide2, kernel=3))
        self.pooled = named(pool=pool((3, 3, 3), (1, 1, 1)), conv=conv(c_in, pooled, kernel=1))
        self.dim = point + wide1 + wide2 + pooled

    def forward(self, x: Float[Tensor, "n _ *place"]) -> Float[Tensor, "n _ *place"]:
        return torch.cat([self.point(x), self.wide1(x), self.wide2(x), self.pooled(x)], 1)


class InceptionTrunk(nn.Module):
    """Images or clips to named maps: stem, stage2, ..., stage5; the last has `dim` channels.

    `width` multiplies all channels.
    """

    def __init__(self, c_in: int, *, conv: MakeConv, pool: MakePool, width: float = 1.0) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(1, round(channels * width))

        c, c2 = scaled(64), scaled(192)
        self.stem = conv(c_in, c, kernel=7, stride=2)
        self.stage2 = named(pool=pool((1, 3, 3), (1, 2, 2)), reduce=conv(c, c, kernel=1), conv=conv(c, c2, kernel=3))
        pools = (pool((1, 3, 3), (1, 2, 2)), pool((3, 3, 3), (2, 2, 2)), pool((2, 2, 2), (2, 2, 2)))
        self.dim = c2
        for number, first, rows in zip((3, 4, 5), pools, MIXED, strict=True):
            stage = named(pool=first)
            for letter, row in zip("abcde", rows, strict=False):
                point, reduce1, wide1, reduce2, wide2, pooled = map(scaled, row)
                widths = (point, reduce1, wide1, reduce2, wide2, pooled)
                mixed = Mixed(self.dim, widths, conv=conv, pool=pool)
                stage.add_module(f"mixed_{letter}", mixed)
                self.dim = mixed.dim
            self.add_module(f"stage{number}", stage)

    def forward(self, x: Float[Tensor, "n _ *place"]) -> dict[str, Tensor]:
        maps: dict[str, Tensor] = {}
        for name, stage in self.named_children():
            x = maps[name] = stage(x)
        return maps
