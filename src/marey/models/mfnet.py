"""Multi-Fiber networks of clips and of images (Chen et al., ECCV 2018, arXiv:1807.11195).

        video -> 3 x 5 x 5 convolution -> max pooling over space -> 4 stages of Multi-Fiber units -> normalization, ReLU
              -> mean over space and time -> linear

MF-Net-3D as released: 16 fibres, 16 frames; time halves where the first stage starts, space where each other one does.
Axes: b clips, c channels, t frames, h rows, w columns. Input: RGB, normalized for its preset.
"""

from torch import Tensor, nn

from ..nn import MultiFiber, check_clip, named
from .interface import Clips, ImageEncoder, Images, Logits, VideoModel
from .stages import staged_maps, start_for_relu

DEPTHS, WIDTHS = (3, 4, 6, 3), (96, 192, 384, 768)


class MFNet3D(VideoModel):
    """Clips have exactly `frames` frames, as the release demands, and sides of at least 32; it takes 224 x 224."""

    def __init__(
        self,
        *,
        num_classes: int,
        depths: tuple[int, ...] = DEPTHS,
        widths: tuple[int, ...] = WIDTHS,
        stem_width: int = 16,
        fibres: int = 16,
        frames: int = 16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        conv = nn.Conv3d(3, stem_width, (3, 5, 5), (1, 2, 2), (1, 2, 2), bias=False)
        self.stem = named(conv=conv, norm=nn.BatchNorm3d(stem_width), act=nn.ReLU(inplace=True))
        self.pool_stem = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        strides = [(2, 1, 1)] + [(1, 2, 2)] * (len(widths) - 1)
        self.stages = fibre_stages(stem_width, widths=widths, depths=depths, strides=strides, fibres=fibres)
        self.final = named(norm=nn.BatchNorm3d(widths[-1]), act=nn.ReLU(inplace=True))
        self.pool, self.drop, self.fc = nn.AdaptiveAvgPool3d(1), nn.Dropout(dropout), nn.Linear(widths[-1], num_classes)
        self.min_frames, self.min_side = frames, 2 ** (len(widths) + 1)
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


class MFNet2D(ImageEncoder):
    """The same for images, its stem 5 x 5; every stage but the first halves the image."""

    def __init__(
        self,
        *,
        depths: tuple[int, ...] = DEPTHS,
        widths: tuple[int, ...] = WIDTHS,
        stem_width: int = 16,
        fibres: int = 16,
    ) -> None:
        super().__init__()
        conv = nn.Conv2d(3, stem_width, 5, 2, 2, bias=False)
        self.stem = named(conv=conv, norm=nn.BatchNorm2d(stem_width), act=nn.ReLU(inplace=True))
        self.pool_stem = nn.MaxPool2d(3, 2, 1)
        strides = [(1, 1)] + [(2, 2)] * (len(widths) - 1)
        self.stages = fibre_stages(stem_width, widths=widths, depths=depths, strides=strides, fibres=fibres)
        self.final = named(norm=nn.BatchNorm2d(widths[-1]), act=nn.ReLU(inplace=True))
        self.dim, self.min_side = widths[-1], 2 ** (len(widths) + 1)
        start_for_relu(self)

    def forward(self, images: Images) -> dict[str, Tensor]:
        """stem, stage1, ..., one map a stage; final is the last one normalized."""
        return staged_maps(images, stem=self.stem, pool=self.pool_stem, stages=self.stages, final=self.final)


def fibre_stages(
    c_in: int,
    *,
    widths: tuple[int, ...],
    depths: tuple[int, ...],
    strides: list[tuple[int, int, int]] | list[tuple[int, int]],
    fibres: int,
) -> nn.Sequential:
    """stage1, ...: Multi-Fiber units; the first of each has the stride."""
    stages = nn.Sequential()
    for i, (width, depth, stride) in enumerate(zip(widths, depths, strides, strict=True), start=1):
        still = (1, 1, 1) if len(stride) == 3 else (1, 1)
        first = MultiFiber(c_in, width, fibres=fibres, stride=stride, project=True, zero_init=False)
        rest = [MultiFiber(width, width, fibres=fibres, stride=still, zero_init=False) for _ in range(depth - 1)]
        stages.add_module(f"stage{i}", nn.Sequential(first, *rest))
        c_in = width
    return stages
