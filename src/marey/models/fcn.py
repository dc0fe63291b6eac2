"""Fully convolutional network: a class for every pixel (Long et al., CVPR 2015, arXiv:1411.4038).

        image -> encoder, dilated -> 3 x 3 convolution to a quarter of its width -> unit -> 1 x 1 to the classes
              -> enlarged to the image's size

With a GloRe unit (Chen et al., CVPR 2019, arXiv:1811.12814) on the dilated multi-grid ResNet: stage 3 keeps its size
and has dilation 2, stage 4 keeps it too and has 4, 8 and 16, so that a feature stands for 8 x 8 pixels.
The paper leaves the head open; this one is the usual one of such networks, its unit between the two convolutions.
Axes: b clips, c channels, t frames, h rows, w columns. Input: RGB, normalized for its preset.
Pixel convention: every odd kernel is padded evenly, so the feature i is centred on the pixel `stride` * i; there the
enlarged map has its value, between them it is interpolated, past the last it goes on.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn import check_clip, conv2d, fold_time, unfold_time
from .frames import as_clip
from .interface import Clips, ImageEncoder, VideoModel


class FCN(VideoModel):
    """Logits (b, classes, h, w) for images (b, 3, h, w) of any size, or for clips, the mean of their frames' logits.

    encoder  whose last map has a feature every `stride` pixels
    inner    channels of the head; a quarter of the encoder's unless given
    unit     makes the block of `inner` channels on the final features

    `encode` gives a map a frame and `classify` whole strides of pixels, which the answer is cut from.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        encoder: Callable[[], ImageEncoder],
        unit: Callable[[int], nn.Module],
        stride: int = 8,
        inner: int | None = None,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.encoder, self.stride = encoder(), stride
        inner = self.encoder.dim // 4 if inner is None else inner
        self.reduce, self.unit = conv2d(self.encoder.dim, inner, kernel=3), unit(inner)
        self.drop, self.fc = nn.Dropout2d(dropout), nn.Conv2d(inner, num_classes, 1)
        self.min_side = self.encoder.min_side
        nn.init.normal_(self.fc.weight, std=0.01)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """The encoder's maps, and final, which the classifier reads: (b, c, t, h, w)."""
        video = as_clip(video)
        check_clip(video, min_side=self.min_side)
        maps = self.encoder(fold_time(video))
        maps["final"] = self.unit(self.reduce(list(maps.values())[-1]))
        return {name: unfold_time(x, video.shape[2]) for name, x in maps.items()}

    def encode(self, video: Clips) -> Float[Tensor, "b t d _ _"]:
        """A map for every frame; rows and columns are those of the video by the stride, rounded up."""
        return self.features(video)["final"].transpose(1, 2)

    def classify(self, encoded: Float[Tensor, "b t d rows columns"]) -> Float[Tensor, "b k _ _"]:
        """Logits of `stride` times as many rows and columns."""
        return enlarged(self.fc(self.drop(encoded.mean(1))), self.stride)

    def forward(self, video: Clips) -> Float[Tensor, "b k _ _"]:
        h, w = video.shape[-2:]
        return self.classify(self.encode(video))[..., :h, :w]


def enlarged(x: Float[Tensor, "b c h w"], times: int) -> Float[Tensor, "b c _ _"]:
    """`times` as many rows and columns: x[i, j] at (times * i, times * j), linear between, the last values repeated."""
    h, w = x.shape[2:]
    size = ((h - 1) * times + 1, (w - 1) * times + 1)
    between = F.interpolate(x, size=size, mode="bilinear", align_corners=True)
    return F.pad(between, (0, times - 1, 0, times - 1), mode="replicate")
