"""What every image encoder and every model of a clip offers, whatever is inside."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from ..video import ClipSpec

Images = Float[Tensor, "n c *thw"]  # (n, c, h, w); with an axis of time once the encoder is inflated
Clips = Float[Tensor, "b c *thw"]
Logits = Float[Tensor, "b k"]


class ImageEncoder(nn.Module, ABC):
    """Images to named maps. `dim` is the channels of the last one, `min_side` the pixels that it needs."""

    dim: int
    min_side: int

    @abstractmethod
    def forward(self, images: Images) -> dict[str, Tensor]:
        """Named feature maps (n, c, h, w), shallow to deep."""


class VideoModel(nn.Module, ABC):
    """An encoder and the classifier that reads it: `model(video) == model.classify(model.encode(video))`.

    Input is float (b, c, t, h, w), c channels of the preset's modality (RGB of most), normalized for it; a ValueError
    with both numbers answers any clip that does not fit. Where `frozen` is true the encoder does not learn (its
    parameters take no gradient, its normalization stays in evaluation mode even in training), so `encode` may be
    computed once for every clip and kept. Where `by_hand` is true it computes features from pixels without weights, as
    flow is, which no count of multiply-adds holds.
    A dense model gives logits (b, classes, h, w), one row of them a pixel: its `encode` gives (b, t, d, rows, columns),
    its `classify` logits of as many whole strides of pixels, from which `model(video)` cuts the video's h and w.
    """

    frozen: bool = False
    by_hand: bool = False
    min_frames: int = 1
    min_side: int = 1

    @abstractmethod
    def features(self, video: Clips) -> dict[str, Tensor]:
        """Named feature maps (b, c, t, h, w), shallow to deep, sizes as the depth leaves them."""

    @abstractmethod
    def encode(self, video: Clips) -> Tensor:
        """What the classifier reads: (b, d) for a whole clip, or (b, t, d), a token a frame; more axes where dense."""

    @abstractmethod
    def classify(self, encoded: Tensor) -> Logits:
        """Logits (b, classes) from what `encode` gave."""

    def measure(self, encoded: Tensor) -> None:
        """Told all encoded training clips before the classifier learns, by those that standardize; most do not."""

    def branches(self, encoded: Tensor) -> list[Tensor]:
        """Logits (b, classes) of each part that is trained by itself; `classify` adds them. Most have one part."""
        return [self.classify(encoded)]

    def studied(self, spec: ClipSpec) -> ClipSpec:
        """What training clips are of a network that is fed `spec`: that, for most; with a teacher, more channels
        behind its own, which are read for training alone."""
        return spec

    def study(self, clips: Clips) -> tuple[Logits, dict[str, Tensor]]:
        """Logits of training clips, as `studied` has them, and what a teacher adds to the loss, by name."""
        return self(clips), {}

    @abstractmethod
    def forward(self, video: Clips) -> Logits:
        """Logits (b, classes), in training and evaluation alike."""
