"""C3D: eight 3 x 3 x 3 convolutions and three fully connected layers (Tran et al., ICCV 2015, arXiv:1412.0767).

        video -> 1 -> pool 1x2x2 -> 2 -> pool -> 3a 3b -> pool -> 4a 4b -> pool -> 5a 5b -> pool -> 6 -> 7 -> 8

Axes: b clips, c channels, t frames, h rows, w columns. Input: 16 frames of 112 x 112 RGB, normalized for its preset
(the original subtracts a mean volume from 0..255).
The released network pads pool5 to 512 x 1 x 4 x 4; drawings of it often show the unpadded 512 x 1 x 3 x 3.
"""

from torch import Tensor, nn

from ..nn import check_clip, named
from .interface import Clips, Logits, VideoModel


class C3D(VideoModel):
    """`pad_pool5` keeps the border of the last map, as the released weights need; `norm` adds batch normalization.

    Normalization after every convolution is the variant of Carreira and Zisserman, CVPR 2017: it trains from scratch.
    """

    min_frames = 16

    def __init__(
        self,
        *,
        num_classes: int,
        widths: tuple[int, int, int, int, int] = (64, 128, 256, 512, 512),
        hidden: int = 4096,
        side: int = 112,
        pad_pool5: bool = True,
        norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.side = self.min_side = side
        self.stages, c_in = nn.Sequential(), 3
        for i, width in enumerate(widths):
            parts: dict[str, nn.Module] = {}
            for name in ("a", "b") if i >= 2 else ("a",):
                parts[f"conv_{name}"] = nn.Conv3d(c_in, width, 3, padding=1)
                if norm:
                    parts[f"norm_{name}"] = nn.BatchNorm3d(width)
                parts[f"act_{name}"], c_in = nn.ReLU(inplace=True), width
            window = (2, 2, 2) if i else (1, 2, 2)
            last = i == len(widths) - 1
            parts["pool"] = nn.MaxPool3d(window, padding=(0, 1, 1) if last and pad_pool5 else 0)
            self.stages.add_module(f"stage{i + 1}", named(**parts))
        before = side // 16
        after = (before + 2 * pad_pool5 - 2) // 2 + 1
        self.fc6 = named(
            fc=nn.Linear(widths[-1] * after**2, hidden), act=nn.ReLU(inplace=True), drop=nn.Dropout(dropout)
        )
        self.fc7 = named(fc=nn.Linear(hidden, hidden), act=nn.ReLU(inplace=True), drop=nn.Dropout(dropout))
        self.fc8 = nn.Linear(hidden, num_classes)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """stage1 to stage5, each after its pooling."""
        check_clip(video, frames=self.min_frames, side=self.side)
        x, maps = video, {}
        for name, stage in self.stages.named_children():
            x = maps[name] = stage(x)
        return maps

    def encode(self, video: Clips) -> Tensor:
        return self.features(video)["stage5"].flatten(1)

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc8(self.fc7(self.fc6(encoded)))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
