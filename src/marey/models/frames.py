"""A network of single images on the frames of a clip, with a head over time.

        video (b, 3, t, h, w) -> each frame through the encoder -> mean over space -> tokens (b, t, d) -> head -> logits

`PerFrame` instead averages the logits that a whole network gives to each frame.
An image (b, 3, h, w) is a clip of one frame.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..nn import StreamingHead, TemporalHead, check_clip, fold_time, unfold_time
from .interface import Clips, ImageEncoder, Logits, VideoModel

FROZEN_BATCH = 16  # images that a frozen encoder sees at once: on a CPU both faster and smaller than whole batches


@runtime_checkable
class BuildHead(Protocol):
    """A temporal head for tokens of `dim` features."""

    def __call__(self, *, dim: int, num_classes: int) -> TemporalHead: ...


@runtime_checkable
class BuildModel(Protocol):
    """A model of clips."""

    def __call__(self, *, num_classes: int) -> VideoModel: ...


def as_clip(video: Clips) -> Float[Tensor, "b c t h w"]:
    """Images (b, c, h, w) as clips of one frame; clips as they are."""
    return video.unsqueeze(2) if video.ndim == 4 else video


class FrameModel(VideoModel):
    """`head` builds the temporal head for the encoder's width, e.g. `nn.MeanHead` or a partial of `nn.LstmHead`."""

    def __init__(
        self, *, num_classes: int, encoder: Callable[[], ImageEncoder], head: BuildHead, frozen: bool = False
    ) -> None:
        super().__init__()
        self.encoder = encoder()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = head(dim=self.encoder.dim, num_classes=num_classes)
        self.min_frames, self.min_side = self.head.min_frames, self.encoder.min_side
        self.frozen = frozen
        if frozen:
            self.encoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "FrameModel":
        """A frozen encoder stays in evaluation mode: its running statistics belong to the data that it came from."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def features(self, video: Clips) -> dict[str, Tensor]:
        """The encoder's maps, frames back on their own axis: (b, c, t, h, w)."""
        video = self._checked(video)
        return {name: unfold_time(x, video.shape[2]) for name, x in self.encoder(fold_time(video)).items()}

    def encode(self, video: Clips) -> Tensor:
        """Tokens (b, t, d)."""
        video = self._checked(video)
        frames = fold_time(video)
        parts = frames.split(FROZEN_BATCH) if self.frozen else [frames]
        tokens = [self.pool(list(self.encoder(part).values())[-1]).flatten(1) for part in parts]
        return torch.cat(tokens).unflatten(0, video.shape[0:3:2])

    def _checked(self, video: Clips) -> Float[Tensor, "b c t h w"]:
        video = as_clip(video)
        check_clip(video, min_frames=self.min_frames, min_side=self.min_side)
        return video

    def measure(self, encoded: Tensor) -> None:
        self.head.measure(encoded)

    def classify(self, encoded: Tensor) -> Logits:
        return self.head(encoded)

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))

    def steps(self, video: Clips) -> Float[Tensor, "b t k"]:
        """Logits after each frame, which know no later one; ValueError for a head that needs the whole clip."""
        return self._streaming().steps(self.encode(video))

    def step(self, image: Float[Tensor, "b c h w"], state: Any = None) -> tuple[Logits, Any]:
        """The same for one frame more, and the state after it, which does not grow; None is the state before all."""
        return self._streaming().step(self.encode(image)[:, 0], state)

    def _streaming(self) -> StreamingHead:
        if not isinstance(self.head, StreamingHead):
            raise ValueError(f"{type(self.head).__name__} needs the whole clip; `LstmHead` answers after each frame")
        return self.head


class PerFrame(VideoModel):
    """`net`, a model of clips of one frame, on every frame by itself; the clip's logits are the frames' mean."""

    def __init__(self, *, num_classes: int, net: BuildModel) -> None:
        super().__init__()
        self.net = net(num_classes=num_classes)
        self.min_side = self.net.min_side

    def features(self, video: Clips) -> dict[str, Tensor]:
        """The maps of `net`, frames back on their own axis: (b, c, t, h, w)."""
        video = as_clip(video)
        check_clip(video)
        maps = self.net.features(fold_time(video).unsqueeze(2))
        return {name: unfold_time(x.squeeze(2), video.shape[2]) for name, x in maps.items()}

    def encode(self, video: Clips) -> Tensor:
        """Tokens (b, t, d)."""
        video = as_clip(video)
        check_clip(video)
        return self.net.encode(fold_time(video).unsqueeze(2)).unflatten(0, video.shape[0:3:2])

    def classify(self, encoded: Tensor) -> Logits:
        return self.net.classify(encoded.flatten(0, 1)).unflatten(0, encoded.shape[:2]).mean(1)

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
