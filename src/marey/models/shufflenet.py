"""ShuffleNet V2, an image encoder that never mixes all channels at once (Ma et al., ECCV 2018, arXiv:1807.11164).

        half of the channels --------------------------------------+-> beside each other -> shuffled
        other half -> 1 x 1 -> 3 x 3 depthwise -> 1 x 1 -----------+

Axes: n images, c channels, h rows, w columns. Input: RGB, normalized for its preset. The first unit of a stage halves
the image: both of its branches take all channels, and the first has a depthwise and a 1 x 1 convolution.
"""

import torch
from torch import Tensor, nn

from ..nn import conv2d, conv_norm, named
from .interface import ImageEncoder, Images
from .stages import start_for_relu


class ShuffleNetV2(ImageEncoder):
    """`widths` and `depths` of the stages; `stem` channels before, `top` after a last 1 x 1 convolution."""

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (116, 232, 464),
        depths: tuple[int, ...] = (4, 8, 4),
        stem: int = 24,
        top: int = 1024,
    ) -> None:
        super().__init__()
        self.stem, self.pool = conv2d(3, stem, kernel=3, stride=2), nn.MaxPool2d(3, 2, 1)
        self.stages, c_in = nn.Sequential(), stem
        for i, (width, depth) in enumerate(zip(widths, depths, strict=True), start=2):
            units = [ShuffleUnit(width if j else c_in, width, halve=not j) for j in range(depth)]
            self.stages.add_module(f"stage{i}", nn.Sequential(*units))
            c_in = width
        self.top = conv2d(c_in, top, kernel=1)
        self.dim, self.min_side = top, 4 * 2 ** len(widths)
        start_for_relu(self)

    def forward(self, images: Images) -> dict[str, Tensor]:
        """stem, stage2, ..., one map a stage, top."""
        maps = {"stem": self.stem(images)}
        x = self.pool(maps["stem"])
        for name, stage in self.stages.named_children():
            x = maps[name] = stage(x)
        maps["top"] = self.top(x)
        return maps


class ShuffleUnit(nn.Module):
    """Two branches of width / 2 each, the first of them only where the unit halves the image."""

    def __init__(self, c_in: int, width: int, *, halve: bool) -> None:
        super().__init__()
        half, stride = width // 2, 2 if halve else 1
        taken = c_in if halve else half
        self.short = (
            named(depthwise=_depthwise(c_in, stride), pointwise=conv2d(c_in, half, kernel=1)) if halve else None
        )
        self.long = named(
            first=conv2d(taken, half, kernel=1),
            depthwise=_depthwise(half, stride),
            second=conv2d(half, half, kernel=1),
        )
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1) if self.short is None else (self.short(x), x)
        return self.shuffle(torch.cat([left, self.long(right)], 1))


def _depthwise(width: int, stride: int) -> nn.Sequential:
    return conv_norm(nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False), width, dims=2)
