"""A small network of our own that is shown motion, for classes that one frame does not tell apart, on a CPU.

        video ------------------------+
          |                           |-> stem 1 x 7 x 7, stride 4 -> stages of 3 x 3 x 3 residual blocks
          +-> x_t - x_(t-lag) -> norm +            -> mean over space in each of `parts` spans of time -> linear

Axes: b clips, c channels, t frames, h rows, w columns. Input: RGB, normalized for its preset.
Differences of frames as input are the RGB-diff of TSN (Wang et al., ECCV 2016, arXiv:1608.00859); beside the frame
itself, in the stem, they are the short-term half of TDN (Wang et al., CVPR 2021, arXiv:2012.10071). The residual
blocks are R3D's. Spans of time that reach the classifier side by side, so that it knows what came first, are the
temporal pyramid of Laptev et al., CVPR 2008. The combination is ours and has no published score.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn import basic_block_3d, check_clip, conv3d
from .interface import Clips, Logits, VideoModel


class MotionNet(VideoModel):
    """Differences reach back by each of `lags` frames; every stage but the first halves time, rows and columns."""

    def __init__(
        self,
        *,
        num_classes: int,
        lags: tuple[int, ...] = (1, 2),
        widths: tuple[int, ...] = (16, 40, 96),
        depths: tuple[int, ...] = (1, 1, 1),
        parts: int = 4,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.lags = lags
        self.norm = nn.BatchNorm3d(3 * len(lags), affine=False)  # so that no gradient runs back at full size
        self.stem = conv3d(3 + 3 * len(lags), widths[0], kernel=(1, 7, 7), stride=(1, 4, 4))
        self.stages, c_in = nn.Sequential(), widths[0]
        for i, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks = nn.Sequential()
            for j in range(depth):
                blocks.append(basic_block_3d(c_in, width, kind="3d", stride=2 if i and not j else 1))
                c_in = width
            self.stages.add_module(f"stage{i + 1}", blocks)
        self.pool, self.drop = nn.AdaptiveAvgPool3d((parts, 1, 1)), nn.Dropout(dropout)
        self.fc = nn.Linear(c_in * parts, num_classes)
        self.min_frames = max(parts * 2 ** (len(widths) - 1), max(lags) + 1)
        self.min_side = 4 * 2 ** (len(widths) - 1)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """change (the normalized differences; zero before the first frame with a partner), stem, stage1, ..."""
        check_clip(video, min_frames=self.min_frames, min_side=self.min_side)
        changes = [F.pad(video[:, :, lag:] - video[:, :, :-lag], (0, 0, 0, 0, lag, 0)) for lag in self.lags]
        maps = {"change": self.norm(torch.cat(changes, 1))}
        x = maps["stem"] = self.stem(torch.cat([video, maps["change"]], 1))
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
