"""EfficientNet-Lite0, an image encoder made for phones (Tan and Le, ICML 2019, arXiv:1905.11946; Lite: 2020).

        image -> stem -> 16 inverted bottlenecks -> 1 x 1 convolution to 1280 channels

Axes: n images, h rows, w columns. Input: RGB, (x - 127) / 128 of 0..255. Lite differs from EfficientNet-B0: no
squeeze-and-excitation, ReLU6 for swish. Padding is TensorFlow's SAME and epsilon 1e-3, as the weights need.
"""

from jaxtyping import Float
from torch import Tensor, nn

from ..nn import SameConv2d, named
from .interface import ImageEncoder, Images

# One row a stage: blocks, kernel, stride of the first block, expansion, channels out.
LITE0_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def _conv(
    c_in: int, c_out: int, *, kernel: int = 1, stride: int = 1, groups: int = 1, act: bool = True
) -> nn.Sequential:
    conv = SameConv2d(c_in, c_out, kernel, stride, groups=groups, bias=False)
    norm = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.01)
    return named(conv=conv, norm=norm, act=nn.ReLU6(inplace=True)) if act else named(conv=conv, norm=norm)


class InvertedBottleneck(nn.Module):
    """Widen, convolve each channel by itself, narrow without activation; added to the input where sizes agree.

    Sandler et al., CVPR 2018, arXiv:1801.04381.
    """

    def __init__(self, c_in: int, c_out: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = c_in * expansion
        self.expand = _conv(c_in, inner) if expansion > 1 else nn.Identity()
        self.depthwise = _conv(inner, inner, kernel=kernel, stride=stride, groups=inner)
        self.project = _conv(inner, c_out, act=False)
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Float[Tensor, "n _ ..."]) -> Float[Tensor, "n _ ..."]:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite(ImageEncoder):
    """The convolutional part: images to named maps, the last (n, dim, h/32, w/32)."""

    def __init__(
        self, *, stages: tuple[tuple[int, int, int, int, int], ...] = LITE0_STAGES, stem: int = 32, dim: int = 1280
    ) -> None:
        super().__init__()
        self.dim, self.min_side = dim, 32
        self.stem = _conv(3, stem, kernel=3, stride=2)
        self.stages, c_in = nn.Sequential(), stem
        for i, (depth, kernel, stride, expansion, width) in enumerate(stages):
            blocks = nn.Sequential()
            for j in range(depth):
                step = 1 if j else stride
                blocks.append(InvertedBottleneck(c_in, width, kernel=kernel, stride=step, expansion=expansion))
                c_in = width
            self.stages.add_module(f"stage{i + 1}", blocks)
        self.top = _conv(c_in, dim)

    def forward(self, images: Images) -> dict[str, Tensor]:
        """stem, stage1, ..., stage7, top."""
        maps = {"stem": self.stem(images)}
        x = maps["stem"]
        for name, stage in self.stages.named_children():
            x = maps[name] = stage(x)
        maps["top"] = self.top(x)
        return maps
