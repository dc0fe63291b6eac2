"""The "lite" 3D residual networks that carry GloRe and double attention units on Kinetics.

        video -> 3 x 5 x 5 convolution -> max pooling over space -> 4 stages of pre-activation bottlenecks, units
              between them -> normalization, ReLU -> mean over space and time -> linear

GloRe (Chen et al., CVPR 2019, arXiv:1811.12814) as released: 32 channels in the stem, time kernels of 3 in every block
of the first stage, in every second block of the middle ones from their first, in the second block alone of the last;
time halves where the second stage starts. The paper's table counts 28.9 and 54.5 GFLOPs for another backbone
than the released 31.8 and 50.3.
Axes: b clips, c channels, t frames, h rows, w columns. Input: RGB, normalized for its preset.
"""

from collections.abc import Callable

from torch import Tensor, nn

from ..nn import check_clip, named
from ..nn.preact import preact_bottleneck_3d
from .interface import Clips, Logits, VideoModel
from .stages import staged_maps, start_for_relu

EPS = 1e-4  # of every normalization, as released


class LiteResNet3D(VideoModel):
    """`unit(width)` makes the block of that width which follows each block of `unit_at`, (stage, block) from 1.

    Clips have exactly `frames` frames. The released networks take 224 x 224 pixels, where this gives their answer;
    the mean over whatever is left lets it take any sides of at least 32.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        depths: tuple[int, int, int, int] = (3, 4, 6, 3),
        widths: tuple[int, int, int, int] = (64, 128, 256, 512),
        stem_width: int = 32,
        frames: int = 8,
        unit: Callable[[int], nn.Module] | None = None,
        unit_at: tuple[tuple[int, int], ...] = (),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        conv = nn.Conv3d(3, stem_width, (3, 5, 5), (1, 2, 2), (1, 2, 2), bias=False)
        self.stem = named(conv=conv, norm=nn.BatchNorm3d(stem_width, eps=EPS), act=nn.ReLU(inplace=True))
        self.pool_stem = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.stages, c_in = nn.Sequential(), stem_width
        strides = ((1, 1, 1), (2, 2, 2), (1, 2, 2), (1, 2, 2))
        for i, (width, depth, stride) in enumerate(zip(widths, depths, strides, strict=True), start=1):
            blocks = nn.Sequential()
            for j in range(1, depth + 1):
                time = 3 if i == 1 or (j == 2 if i == len(depths) else j % 2) else 1
                step = stride if j == 1 else (1, 1, 1)
                block = preact_bottleneck_3d(c_in, width, time=time, stride=step, project=j == 1, eps=EPS)
                blocks.add_module(f"{j - 1}", block)
                c_in = 4 * width
                if unit and (i, j) in unit_at:
                    blocks.add_module(f"{j - 1}_unit", unit(c_in))
            self.stages.add_module(f"stage{i}", blocks)
        self.final = named(norm=nn.BatchNorm3d(c_in, eps=EPS), act=nn.ReLU(inplace=True))
        self.pool, self.drop, self.fc = nn.AdaptiveAvgPool3d(1), nn.Dropout(dropout), nn.Linear(c_in, num_classes)
        self.min_frames, self.min_side = frames, 32
        start_for_relu(self)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """stem, stage1, ..., one map a stage; final is the last one normalized."""
        check_clip(video, frames=self.min_frames, min_side=self.min_side)
        return staged_maps(video, stem=self.stem, pool=self.pool_stem, stages=self.stages, final=self.final)

    def encode(self, video: Clips) -> Tensor:
        return self.pool(self.features(video)["final"]).flatten(1)

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(encoded))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
