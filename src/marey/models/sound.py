"""A network of sound: the convolutions of VGGish (Hershey et al., ICASSP 2017, arXiv:1609.09430) on log-mel pictures.

        log-mel -> 3 x 3 convolutions, 4 times halved -> mean over time in each of 4 spans of pitch -> linear

Axes: b clips, one channel, one frame, h bands of pitch (low first), w steps of time. Input: `video.log_mel`, as bytes,
normalized for the preset. We differ from VGGish: batch normalization, and a mean over time, so that a sound of any
length is heard, in place of its fully connected layers, which have 67 of its 72 million parameters.
"""

from torch import Tensor, nn

from ..nn import check_clip, conv2d
from .interface import Clips, Logits, VideoModel
from .stages import start_for_relu

HALVINGS = 4


class SoundNet(VideoModel):
    """`widths` are the channels of each stage; the last two have two convolutions, and each is pooled at its end."""

    def __init__(
        self,
        *,
        num_classes: int,
        widths: tuple[int, int, int, int] = (64, 128, 256, 512),
        spans: int = 4,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.stages, c_in = nn.Sequential(), 1
        for i, (width, depth) in enumerate(zip(widths, (1, 1, 2, 2), strict=True), start=1):
            stage = nn.Sequential()
            for _ in range(depth):
                stage.append(conv2d(c_in, width, kernel=3))
                c_in = width
            stage.append(nn.MaxPool2d(2))
            self.stages.add_module(f"stage{i}", stage)
        self.pool, self.drop = nn.AdaptiveAvgPool2d((spans, 1)), nn.Dropout(dropout)
        self.fc = nn.Linear(c_in * spans, num_classes)
        self.min_side = 2**HALVINGS
        start_for_relu(self)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """stage1 to stage4."""
        check_clip(video, channels=1, frames=1, min_side=self.min_side)
        x, maps = video.squeeze(2), {}
        for name, stage in self.stages.named_children():
            x = stage(x)
            maps[name] = x.unsqueeze(2)
        return maps

    def encode(self, video: Clips) -> Tensor:
        *_, last = self.features(video).values()
        return self.pool(last.squeeze(2)).flatten(1)

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(encoded))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
