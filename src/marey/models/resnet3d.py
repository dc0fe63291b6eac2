"""Residual networks over space and time: R3D, MC3 and R(2+1)D (Tran et al., CVPR 2018, arXiv:1711.11248).

        video -> stem -> 4 stages of residual blocks -> mean over space and time -> linear

Axes: b clips, c channels, t frames, h rows, w columns. Input: RGB, normalized for its preset.
The stem strides over space; every stage but the first halves space, and time where its convolutions see time.
Built as torchvision 0.28 builds them, with its parameter counts; the paper's R3D and R(2+1)D have no pooling either.
"""

from typing import Literal

from torch import Tensor, nn

from ..nn import SpaceTimeConv, basic_block_3d, check_clip, conv3d, conv_norm
from ..nn.residual import ConvKind
from .interface import Clips, Logits, VideoModel


class ResNet3D(VideoModel):
    """One `kinds` entry a stage: "3d", "2d" (1 x 3 x 3) or "2+1d"; `depths` counts residual blocks.

    The stem is a 3 x 7 x 7 convolution, or 1 x 7 x 7 with `stem_mid` channels and 3 x 1 x 1 if `stem` is "2+1d".
    `shared_mid` is torchvision's rule for the inner width of "2+1d", see `basic_block_3d`; `epsilon` normalization's.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        kinds: tuple[ConvKind, ...] = ("3d", "3d", "3d", "3d"),
        stem: Literal["3d", "2+1d"] = "3d",
        stem_mid: int = 45,
        stem_stride: int = 2,
        widths: tuple[int, ...] = (64, 128, 256, 512),
        depths: tuple[int, ...] = (2, 2, 2, 2),
        dropout: float = 0.0,
        shared_mid: bool = True,
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        if stem == "3d":
            self.stem: nn.Module = conv3d(3, widths[0], kernel=(3, 7, 7), stride=(1, stem_stride, stem_stride))
        else:
            split = SpaceTimeConv(3, widths[0], mid=stem_mid, kernel=(3, 7), stride=(1, stem_stride))
            self.stem = conv_norm(split, widths[0], dims=3, act=nn.ReLU(inplace=True))
        self.stages, c_in = nn.Sequential(), widths[0]
        for i, (kind, width, depth) in enumerate(zip(kinds, widths, depths, strict=True)):
            blocks = nn.Sequential()
            for j in range(depth):
                stride = 2 if i and not j else 1
                blocks.append(basic_block_3d(c_in, width, kind=kind, stride=stride, shared_mid=shared_mid))
                c_in = width
            self.stages.add_module(f"stage{i + 1}", blocks)
        self.pool, self.drop, self.fc = nn.AdaptiveAvgPool3d(1), nn.Dropout(dropout), nn.Linear(c_in, num_classes)
        self.min_frames = 2 ** sum(kind != "2d" for kind in kinds[1:])
        self.min_side = stem_stride * 2 ** (len(widths) - 1)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm3d):
                module.eps = epsilon
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """stem, stage1, ..., one map a stage."""
        check_clip(video, min_frames=self.min_frames, min_side=self.min_side)
        maps = {"stem": self.stem(video)}
        x = maps["stem"]
        for name, stage in self.stages.named_children():
            x = maps[name] = stage(x)
        return maps

    def encode(self, video: Clips) -> Tensor:
        *_, last = self.features(video).values()
        return self.pool(last).flatten(1)

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(encoded))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
