"""Residual networks of images (He et al., CVPR 2016, arXiv:1512.03385), as torchvision 0.28 builds them.

        image -> 7 x 7 convolution -> max pooling -> 4 stages of residual blocks

Axes: n images, c channels, h rows, w columns. Input: RGB, normalized for its preset.
The stride of a bottleneck sits on its 3 x 3 convolution; the paper has it on the first 1 x 1.
"""

from torch import Tensor, nn

from ..nn import basic_block_2d, bottleneck_2d, conv2d
from .interface import ImageEncoder, Images


class ResNet(ImageEncoder):
    """`bottleneck` chooses three-layer blocks of 4 `widths` channels over two-layer blocks; `depths` counts blocks."""

    def __init__(
        self,
        *,
        bottleneck: bool = False,
        widths: tuple[int, ...] = (64, 128, 256, 512),
        depths: tuple[int, ...] = (2, 2, 2, 2),
    ) -> None:
        super().__init__()
        self.stem = conv2d(3, widths[0], kernel=7, stride=2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stages, c_in = nn.Sequential(), widths[0]
        make = bottleneck_2d if bottleneck else basic_block_2d
        for i, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks = nn.Sequential()
            for j in range(depth):
                blocks.append(make(c_in, width, stride=2 if i and not j else 1))
                c_in = 4 * width if bottleneck else width
            self.stages.add_module(f"stage{i + 1}", blocks)
        self.dim, self.min_side = c_in, 2 ** (len(widths) + 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Images) -> dict[str, Tensor]:
        """stem, stage1, ..., one map a stage."""
        maps = {"stem": self.stem(images)}
        x = self.pool(maps["stem"])
        for name, stage in self.stages.named_children():
            x = maps[name] = stage(x)
        return maps
