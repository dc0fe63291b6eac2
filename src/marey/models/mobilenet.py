"""MobileNets, image encoders of depthwise convolutions: each channel by itself, then all of them at each place.

MobileNet: Howard et al., 2017, arXiv:1704.04861. MobileNetV2: Sandler et al., CVPR 2018, arXiv:1801.04381.

        V1  image -> stem -> 13 x (3 x 3 depthwise -> 1 x 1)                          -> (n, 1024, h/32, w/32)
        V2  image -> stem -> 17 x (1 x 1 widen -> 3 x 3 depthwise -> 1 x 1 narrow) -> 1 x 1 -> (n, 1280, h/32, w/32)

Axes: n images, c channels, h rows, w columns. Input: RGB, normalized for its preset. As in the code of the octave
networks (arXiv:1904.05049) a width multiplier multiplies all channels, rounded down, where TensorFlow's rounds to
multiples of 8, and V2's first block has a 1 x 1 convolution before its depthwise one too, where the paper's has none.
"""

from torch import Tensor, nn

from ..nn import conv2d, conv_norm, named
from .interface import ImageEncoder, Images
from .stages import start_for_relu

# One row a stage: blocks, channels, stride of the first block; of V2 also by how much blocks widen.
V1_STAGES = ((1, 64, 1), (2, 128, 2), (2, 256, 2), (6, 512, 2), (2, 1024, 2))
V2_STAGES = (
    (1, 16, 1, 1),
    (2, 24, 2, 6),
    (3, 32, 2, 6),
    (4, 64, 2, 6),
    (3, 96, 1, 6),
    (3, 160, 2, 6),
    (1, 320, 1, 6),
)


class MobileNetV1(ImageEncoder):
    """`width` multiplies the channels of `stages`, whose rows are blocks, channels and stride, and of the stem."""

    def __init__(
        self, *, width: float = 1.0, stages: tuple[tuple[int, int, int], ...] = V1_STAGES, stem: int = 32
    ) -> None:
        super().__init__()
        c_in, self.min_side = int(stem * width), 32
        self.stem = conv2d(3, c_in, kernel=3, stride=2)
        self.stages = nn.Sequential()
        for i, (depth, channels, stride) in enumerate(stages, start=1):
            blocks, c_out = nn.Sequential(), int(channels * width)
            for j in range(depth):
                blocks.append(separable(c_in, c_out, stride=1 if j else stride))
                c_in = c_out
            self.stages.add_module(f"stage{i}", blocks)
        self.dim = c_in
        start_for_relu(self)

    def forward(self, images: Images) -> dict[str, Tensor]:
        """stem, stage1, ..., one map a stage."""
        maps = {"stem": self.stem(images)}
        x = maps["stem"]
        for name, stage in self.stages.named_children():
            x = maps[name] = stage(x)
        return maps


class MobileNetV2(ImageEncoder):
    """`width` multiplies the channels of `stages`, whose rows are blocks, channels, stride and widening, and the stem.

    The last 1 x 1 convolution has `top` channels, multiplied too where `width` is above 1.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        stages: tuple[tuple[int, int, int, int], ...] = V2_STAGES,
        stem: int = 32,
        top: int = 1280,
    ) -> None:
        super().__init__()
        c_in, self.min_side = int(stem * width), 32
        self.stem = _relu6(nn.Conv2d(3, c_in, 3, 2, 1, bias=False))
        self.stages = nn.Sequential()
        for i, (depth, channels, stride, widening) in enumerate(stages, start=1):
            blocks, c_out = nn.Sequential(), int(channels * width)
            for j in range(depth):
                blocks.append(InvertedResidual(c_in, c_out, stride=1 if j else stride, widening=widening))
                c_in = c_out
            self.stages.add_module(f"stage{i}", blocks)
        self.dim = int(top * max(width, 1.0))
        self.top = _relu6(nn.Conv2d(c_in, self.dim, 1, bias=False))
        start_for_relu(self)

    def forward(self, images: Images) -> dict[str, Tensor]:
        """stem, stage1, ..., stage7, top."""
        maps = {"stem": self.stem(images)}
        x = maps["stem"]
        for name, stage in self.stages.named_children():
            x = maps[name] = stage(x)
        maps["top"] = self.top(x)
        return maps


def separable(c_in: int, c_out: int, *, stride: int) -> nn.Sequential:
    """3 x 3 depthwise, 1 x 1, each with normalization and ReLU."""
    depthwise = nn.Conv2d(c_in, c_in, 3, stride, 1, groups=c_in, bias=False)
    return named(
        depthwise=conv_norm(depthwise, c_in, dims=2, act=nn.ReLU(inplace=True)),
        pointwise=conv2d(c_in, c_out, kernel=1),
    )


class InvertedResidual(nn.Module):
    """Widen, 3 x 3 depthwise, narrow without activation; added to the input where sizes agree."""

    def __init__(self, c_in: int, c_out: int, *, stride: int, widening: int) -> None:
        super().__init__()
        inner = c_in * widening
        self.widen = _relu6(nn.Conv2d(c_in, inner, 1, bias=False))
        self.depthwise = _relu6(nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False))
        self.narrow = conv2d(inner, c_out, kernel=1, relu=False)
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(self.depthwise(self.widen(x)))
        return x + y if self.residual else y


def _relu6(conv: nn.Conv2d) -> nn.Sequential:
    return conv_norm(conv, conv.out_channels, dims=2, act=nn.ReLU6(inplace=True))
