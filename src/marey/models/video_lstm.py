"""A recurrent network over what a network of clips says of one piece of the video after another.

        video (b, 3, t, h, w) -> pieces of so many frames -> network of clips, each by itself -> (b, pieces, d) -> LSTM

After Baccouche et al. (Human Behavior Understanding, 2011), who trained a small 3D network on pieces of 9 frames by
itself, and then the LSTM; ours learn together. The network of clips is any: its own classifier becomes the layer to the
d features of a piece. Axes: b clips, t frames, d features, k classes. Input: as the network of clips takes it.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..nn import StreamingHead
from .frames import BuildHead, BuildModel
from .interface import Clips, Logits, VideoModel


class Heard(NamedTuple):
    """What a stream keeps: the frames of the piece that has begun, the head's state, the logits so far."""

    begun: tuple[Tensor, ...]
    state: Any
    logits: Tensor


class VideoLstm(VideoModel):
    """`net` builds the network of clips, `head` the head over pieces of `frames` frames; `dim` is d.

    ValueError for a clip that does not divide into pieces.
    """

    def __init__(self, *, num_classes: int, net: BuildModel, head: BuildHead, frames: int, dim: int = 512) -> None:
        super().__init__()
        self.net, self.head, self.frames = net(num_classes=dim), head(dim=dim, num_classes=num_classes), frames
        self.num_classes = num_classes
        if frames < self.net.min_frames:
            raise ValueError(f"pieces have {frames} frames; the network of clips needs at least {self.net.min_frames}")
        self.min_frames, self.min_side = frames * self.head.min_frames, self.net.min_side

    def features(self, video: Clips) -> dict[str, Tensor]:
        """The maps of the network of clips, the pieces one after the other in time."""
        pieces = self._pieces(video)
        maps = self.net.features(pieces)
        return {name: x.unflatten(0, (len(video), -1)).movedim(1, 2).flatten(2, 3) for name, x in maps.items()}

    def encode(self, video: Clips) -> Tensor:
        """Tokens (b, pieces, d)."""
        return self.net(self._pieces(video)).unflatten(0, (len(video), -1))

    def classify(self, encoded: Tensor) -> Logits:
        return self.head(encoded)

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))

    def steps(self, video: Clips) -> Float[Tensor, "b t k"]:
        """Logits after each frame: those of the pieces that are whole by then, zeros before the first one is.

        ValueError for a head that needs the whole clip.
        """
        logits = self._streaming().steps(self.encode(video))
        whole = torch.arange(1, video.shape[2] + 1, device=video.device) // self.frames
        return torch.cat([torch.zeros_like(logits[:, :1]), logits], 1)[:, whole]

    def step(self, image: Float[Tensor, "b c h w"], state: Heard | None = None) -> tuple[Logits, Heard]:
        """The same for one frame more, and what to keep, at most a piece; None is the state before all."""
        head = self._streaming()
        begun, held, logits = state or Heard((), None, image.new_zeros(len(image), self.num_classes))
        begun = (*begun, image)
        if len(begun) == self.frames:
            logits, held = head.step(self.net(torch.stack(begun, 2)), held)
            begun = ()
        return logits, Heard(begun, held, logits)

    def _pieces(self, video: Clips) -> Float[Tensor, "n c f h w"]:
        if video.ndim == 5:
            t = video.shape[2]
            if t < self.min_frames:
                raise ValueError(f"video has {t} frames; this network needs at least {self.min_frames}")
            if t % self.frames:
                raise ValueError(
                    f"video has {t} frames; this network reads pieces of {self.frames}, so give whole ones"
                )
            video = video.unflatten(2, (-1, self.frames)).transpose(1, 2).flatten(0, 1)
        return video  # of other axes: refused by the network of clips

    def _streaming(self) -> StreamingHead:
        if not isinstance(self.head, StreamingHead):
            raise ValueError(f"{type(self.head).__name__} needs the whole clip; `LstmHead` answers after each frame")
        return self.head
