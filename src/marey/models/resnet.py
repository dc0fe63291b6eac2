"""Residual networks of images (He et al., CVPR 2016, arXiv:1512.03385), as torchvision 0.28 builds them.

        image -> 7 x 7 convolution -> max pooling -> 4 stages of residual blocks, units after some of them

Axes: n images, c channels, h rows, w columns. Input: RGB, normalized for its preset.
The stride of a bottleneck sits on its 3 x 3 convolution; the paper has it on the first 1 x 1.
"""

from collections.abc import Callable

from torch import Tensor, nn

from ..nn import basic_block_2d, bottleneck_2d, conv2d
from .interface import ImageEncoder, Images


class ResNet(ImageEncoder):
    """`bottleneck` chooses three-layer blocks of 4 `widths` channels over two-layer blocks; `depths` counts blocks.

    `channels` is 3 of RGB, or those of flow or motion vectors. Bottlenecks alone have groups, gates and dilation:
    groups, group_width  of the 3 x 3 convolution, whose width is groups * group_width / 64 times that of `widths`;
                         32 and 4 make ResNeXt 32x4d
    squeeze              reduction of the channel gates of an SE-ResNet
    dilations            of each stage, or of each of its blocks; a stage that begins dilated keeps the image's size
    unit, unit_at        `unit(width)` makes the block of that width which follows each block of `unit_at`,
                         (stage, block) counted from 1
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        bottleneck: bool = False,
        widths: tuple[int, ...] = (64, 128, 256, 512),
        depths: tuple[int, ...] = (2, 2, 2, 2),
        groups: int = 1,
        group_width: int = 64,
        squeeze: int | None = None,
        dilations: tuple[int | tuple[int, ...], ...] | None = None,
        unit: Callable[[int], nn.Module] | None = None,
        unit_at: tuple[tuple[int, int], ...] = (),
    ) -> None:
        super().__init__()
        if not bottleneck and (groups, group_width, squeeze, dilations) != (1, 64, None, None):
            raise ValueError(
                "a ResNet has groups, channel gates and dilation in bottlenecks only; give bottleneck=True"
            )
        self.stem = conv2d(channels, widths[0], kernel=7, stride=2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stages, c_in, self.min_side = nn.Sequential(), widths[0], 4
        dilations = (1,) * len(widths) if dilations is None else dilations
        for i, (width, depth, dilation) in enumerate(zip(widths, depths, dilations, strict=True), start=1):
            rates = (dilation,) * depth if isinstance(dilation, int) else dilation
            shrinks = i > 1 and rates[0] == 1
            self.min_side *= 1 + shrinks
            blocks, inner = nn.Sequential(), width * group_width // 64 * groups
            for j, rate in zip(range(1, depth + 1), rates, strict=True):
                stride = 2 if shrinks and j == 1 else 1
                if bottleneck:
                    block = bottleneck_2d(
                        c_in, width, stride=stride, inner=inner, groups=groups, dilation=rate, squeeze=squeeze
                    )
                else:
                    block = basic_block_2d(c_in, width, stride=stride)
                blocks.add_module(f"{j - 1}", block)
                c_in = 4 * width if bottleneck else width
                if unit and (i, j) in unit_at:
                    blocks.add_module(f"{j - 1}_unit", unit(c_in))
            self.stages.add_module(f"stage{i}", blocks)
        self.dim = c_in
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
