"""X3D: a tiny image network expanded along one axis at a time (Feichtenhofer, CVPR 2020, arXiv:2004.04730).

        clip -> stem -> 4 stages -> 1 x 1 x 1 -> mean over space and time -> 1 x 1 x 1 to 2048 -> linear

    stem:   1 x 3 x 3, then channelwise 5 x 1 x 1          every stage halves space, none halves time
    block:  1 x 1 x 1 -> channelwise 3 x 3 x 3 (-> squeeze and excite, in blocks 1, 3, 5, ...) -> swish -> 1 x 1 x 1

Axes: b clips, c channels, t frames, h rows, w columns. Input: RGB, normalized for its preset.
As PySlowFast builds it, and, by one argument, as pytorchvideo does.
"""

import math

from torch import Tensor, nn

from ..nn import Residual, SqueezeExcite, check_clip, conv3d, conv_norm, named
from .interface import Clips, Logits, VideoModel

# X2D, from which all expand: channels and blocks of its stages.
WIDTHS, DEPTHS = (12, 24, 48, 96), (1, 2, 5, 3)


def rounded(width: float) -> int:
    """The nearest multiple of 8, at least 8, unless it takes away more than a tenth: then the next."""
    near = max(8, int(width + 4) // 8 * 8)
    return near + 8 if near < 0.9 * width else near


def x3d_block(
    c_in: int, c_out: int, *, inner: int, stride: int, excited: bool, shortcut_norm: bool, zero_init: bool
) -> Residual:
    """Widen to `inner`, convolve each channel by itself, narrow; the shortcut is a convolution where the block strides.

    `excited` adds the channel gate, `zero_init` begins as the shortcut alone.
    """
    channelwise = nn.Conv3d(inner, inner, 3, (1, stride, stride), 1, groups=inner, bias=False)
    gate = {"gate": SqueezeExcite(inner, inner=rounded(inner / 16))} if excited else {}
    last = nn.BatchNorm3d(c_out)
    if zero_init:
        nn.init.zeros_(last.weight)
    body = named(
        conv1=conv3d(c_in, inner, kernel=(1, 1, 1)),
        conv2=named(conv=channelwise, norm=nn.BatchNorm3d(inner), **gate, act=nn.SiLU(inplace=True)),
        conv3=named(conv=nn.Conv3d(inner, c_out, 1, bias=False), norm=last),
    )
    if stride == 1 and c_in == c_out:
        return Residual(body)
    conv = nn.Conv3d(c_in, c_out, 1, (1, stride, stride), bias=False)
    normed = shortcut_norm or c_in != c_out
    return Residual(body, conv_norm(conv, c_out, dims=3) if normed else named(conv=conv))


class X3D(VideoModel):
    """`width` and `depth` multiply X2D's channels and blocks, `expansion` widens inside of a block.

    `shortcut_norm` normalizes a shortcut that keeps its channels too, as PySlowFast does and pytorchvideo does not:
    the one place where they differ, 48 parameters of the first stage. `zero_init` begins every block as its shortcut.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        width: float = 2.0,
        depth: float = 2.2,
        expansion: float = 2.25,
        head_width: int = 2048,
        dropout: float = 0.5,
        shortcut_norm: bool = True,
        zero_init: bool = True,
    ) -> None:
        super().__init__()
        c_in = rounded(WIDTHS[0] * width)
        self.stem = named(
            space=nn.Conv3d(3, c_in, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
            time=nn.Conv3d(c_in, c_in, (5, 1, 1), 1, (2, 0, 0), groups=c_in, bias=False),
            norm=nn.BatchNorm3d(c_in),
            act=nn.ReLU(inplace=True),
        )
        self.stages = nn.Sequential()
        for i, (base, blocks) in enumerate(zip(WIDTHS, DEPTHS, strict=True)):
            c_out, stage = rounded(base * width), nn.Sequential()
            for j in range(math.ceil(blocks * depth)):
                block = x3d_block(
                    c_in,
                    c_out,
                    inner=int(expansion * c_out),
                    stride=1 if j else 2,
                    excited=j % 2 == 0,
                    shortcut_norm=shortcut_norm,
                    zero_init=zero_init,
                )
                stage.append(block)
                c_in = c_out
            self.stages.add_module(f"stage{i + 1}", stage)
        inner = int(expansion * c_in)
        self.head = named(
            conv=conv3d(c_in, inner, kernel=(1, 1, 1)),
            pool=nn.AdaptiveAvgPool3d(1),
            widen=nn.Conv3d(inner, head_width, 1, bias=False),
            act=nn.ReLU(inplace=True),
        )
        self.drop, self.fc = nn.Dropout(dropout), nn.Linear(head_width, num_classes)
        self.min_side = 2 ** (len(WIDTHS) + 1)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """stem, stage1, ..., stage4."""
        check_clip(video, min_side=self.min_side)
        maps = {"stem": self.stem(video)}
        x = maps["stem"]
        for name, stage in self.stages.named_children():
            x = maps[name] = stage(x)
        return maps

    def encode(self, video: Clips) -> Tensor:
        *_, last = self.features(video).values()
        return self.head(last).flatten(1)

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(encoded))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
