"""Dual path networks of images (Chen et al., NIPS 2017, arXiv:1707.01629).

        image -> 7 x 7 convolution -> max pooling -> 4 stages of dual path blocks -> normalization, ReLU

Axes: n images, c channels, h rows, w columns. Input: RGB, normalized for its preset.
"""

from collections.abc import Callable

from torch import Tensor, nn

from ..nn import conv2d, named
from ..nn.dual_path import DualPath
from .interface import ImageEncoder, Images
from .stages import staged_maps, start_for_relu

EPS = 1e-3  # of every normalization but the stem's


class DPN(ImageEncoder):
    """Stage i has 256 * 2^i residual channels and, inside its blocks, `inner` * 2^i; `grow` is per stage.

    `unit(width)` makes the block which follows each block of `unit_at`, (stage, block) from 1; its width is of both
    paths together. The defaults are DPN-98.
    """

    def __init__(
        self,
        *,
        stem_width: int = 96,
        residual: int = 256,
        inner: int = 160,
        groups: int = 40,
        depths: tuple[int, ...] = (3, 6, 20, 3),
        grow: tuple[int, ...] = (16, 32, 32, 128),
        unit: Callable[[int], nn.Module] | None = None,
        unit_at: tuple[tuple[int, int], ...] = (),
    ) -> None:
        super().__init__()
        self.stem = conv2d(3, stem_width, kernel=7, stride=2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stages, c_in = nn.Sequential(), stem_width
        for i, (depth, more) in enumerate(zip(depths, grow, strict=True)):
            blocks, scale = nn.Sequential(), 2**i
            for j in range(depth):
                stride, first = (2 if i and not j else 1), j == 0
                block = DualPath(
                    c_in,
                    inner=inner * scale,
                    residual=residual * scale,
                    grow=more,
                    groups=groups,
                    stride=stride,
                    project=first,
                    eps=EPS,
                )
                blocks.add_module(f"{j}", block)
                c_in = block.c_out
                if unit and (i + 1, j + 1) in unit_at:
                    blocks.add_module(f"{j}_unit", unit(c_in))
            self.stages.add_module(f"stage{i + 1}", blocks)
        self.final = named(norm=nn.BatchNorm2d(c_in, eps=EPS), act=nn.ReLU(inplace=True))
        self.dim, self.min_side = c_in, 2 ** (len(depths) + 1)
        start_for_relu(self)

    def forward(self, images: Images) -> dict[str, Tensor]:
        """stem, stage1, ..., one map a stage; final is the last one normalized."""
        return staged_maps(images, stem=self.stem, pool=self.pool, stages=self.stages, final=self.final)
