"""Motion statistics beside what changes in the moving part of the picture: for few clips in which motion counts.

        frames -> flow -+-> covariance of motion over the clip ----------------------> linear -+
                        +-> box around the motion                                              |
                               |                                                               +-> sum of logits
                            frames -> crop -> image encoder -+-> how features change -> linear -+
                                                             +-> features where it moves -> linear -+

Axes: b clips, t frames, h rows, w columns, d numbers, k classes. Input: RGB, normalized; whole frames of any shape.
The descriptor, the crop and the late fusion are ours. Everything before the linear layers is fixed.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ..nn import StandardLinear, check_clip
from .interface import Clips, ImageEncoder, Logits, VideoModel
from .motion_statistics import STATISTICS, motion_box, motion_covariance, motion_weights, pixels, steady_flow


class MotionEncoder(nn.Module):
    """Clips to blocks of numbers: motion covariance and, with an `appearance` encoder, two blocks from the motion box.

    fps     of the frames it is fed
    every   of how many frames the image encoder sees one
    side_px of its crops; `level` is the map that is averaged where it moves
    mean, std  of the normalization of the input, which flow needs undone
    """

    def __init__(
        self,
        *,
        appearance: Callable[[], ImageEncoder] | None,
        fps: float = 10.0,
        every: int = 2,
        side_px: int = 224,
        level: str = "stage5",
        mean: float = 127 / 255,
        std: float = 128 / 255,
    ) -> None:
        super().__init__()
        self.appearance = appearance() if appearance else None
        self.fps, self.every, self.side_px, self.level = fps, every, side_px, level
        self.mean, self.std = mean, std
        self.dims: tuple[int, ...] = (STATISTICS,)
        if self.appearance is not None:
            with torch.device("meta"):
                probe = appearance()(torch.zeros(1, 3, side_px, side_px)) if appearance else {}
            self.dims += (self.appearance.dim, probe[level].shape[1])

    def extra_repr(self) -> str:
        return f"fps={self.fps}, every={self.every}, side_px={self.side_px}, level={self.level}"

    def forward(self, video: Clips) -> Float[Tensor, "b d"]:
        """The blocks of `dims`, one behind the other."""
        if video.is_meta:  # counting costs: there are no values to take flow from, and the image encoder costs the most
            return self._shape_only(video)
        return torch.stack([self._clip(clip) for clip in video])

    def maps(self, clip: Float[Tensor, "c t h w"]) -> dict[str, Tensor]:
        """Flow (2, t - 1, h', w') and the image encoder's maps of the motion box, (c, t / every, h', w')."""
        frames = self._frames(clip)
        flow = steady_flow(frames)
        maps = {"flow": torch.from_numpy(flow).permute(3, 0, 1, 2).to(clip.device)}
        if self.appearance is not None:
            crops = self._crops(frames, flow, clip)
            maps |= {name: x.transpose(0, 1) for name, x in self.appearance(crops).items()}
        return maps

    def _clip(self, clip: Float[Tensor, "c t h w"]) -> Float[Tensor, " d"]:
        frames = self._frames(clip)
        flow = steady_flow(frames)
        statistics = torch.from_numpy(motion_covariance(flow, fps=self.fps)).to(clip)
        if self.appearance is None:
            return statistics
        maps = self.appearance(self._crops(frames, flow, clip))
        *_, top = maps.values()
        pooled = top.mean((2, 3))
        change = pooled.diff(dim=0).abs().mean(0).sqrt()
        level = maps[self.level]
        weights = motion_weights(flow, motion_box(flow), every=self.every, side=level.shape[-1])
        moving = torch.einsum("tchw,thw->c", level, torch.from_numpy(weights).to(level))
        return torch.cat([statistics, change, moving])

    def _frames(self, clip: Float[Tensor, "c t h w"]) -> UInt8[np.ndarray, "t h w c"]:
        bytes_ = (clip.detach().float() * self.std + self.mean).mul(255).round().clamp(0, 255).byte()
        return bytes_.permute(1, 2, 3, 0).contiguous().cpu().numpy()

    def _crops(self, frames: np.ndarray, flow: np.ndarray, like: Tensor) -> Float[Tensor, "n 3 s s"]:
        rows, columns = pixels(motion_box(flow), min(frames.shape[1:3]))
        size = (self.side_px, self.side_px)
        cut = np.ascontiguousarray(frames[:: self.every, rows, columns])
        crops = np.stack([cv2.resize(f, size, interpolation=cv2.INTER_CUBIC) for f in cut])
        scaled = (
            torch.from_numpy(crops).to(like.device).permute(0, 3, 1, 2).to(like.dtype) / 255 - self.mean
        ) / self.std
        return scaled.contiguous(memory_format=torch.channels_last)

    def _shape_only(self, video: Clips) -> Float[Tensor, "b d"]:
        if self.appearance is not None:
            self.appearance(
                video.new_zeros(len(video) * -(-video.shape[2] // self.every), 3, self.side_px, self.side_px)
            )
        return video.new_zeros(len(video), sum(self.dims))


class MotionAppearance(VideoModel):
    """A linear classifier a block, each trained by itself; their logits add up. Without `appearance`, motion alone."""

    frozen = True
    by_hand = True
    min_frames, min_side = 4, 32

    def __init__(
        self, *, num_classes: int, appearance: Callable[[], ImageEncoder] | None = None, side_px: int = 224
    ) -> None:
        super().__init__()
        self.encoder = MotionEncoder(appearance=appearance, side_px=side_px).requires_grad_(False).eval()
        self.heads = nn.ModuleList(StandardLinear(dim, num_classes) for dim in self.encoder.dims)

    def train(self, mode: bool = True) -> "MotionAppearance":
        """The encoder is fixed and stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    def features(self, video: Clips) -> dict[str, Tensor]:
        """flow, and the maps of the image encoder over the motion box."""
        check_clip(video, min_frames=self.min_frames, min_side=self.min_side)
        each = [self.encoder.maps(clip) for clip in video]
        return {name: torch.stack([maps[name] for maps in each]) for name in each[0]}

    def encode(self, video: Clips) -> Tensor:
        """(b, d), the blocks one behind the other."""
        check_clip(video, min_frames=self.min_frames, min_side=self.min_side)
        return self.encoder(video)

    def measure(self, encoded: Tensor) -> None:
        """Take mean and spread of every number from the encoded training clips."""
        for head, block in zip(self.heads, encoded.split(self.encoder.dims, dim=1), strict=True):
            assert isinstance(head, StandardLinear)
            head.measure(block)

    def branches(self, encoded: Tensor) -> list[Tensor]:
        """Logits (b, k) of every block."""
        return [head(block) for head, block in zip(self.heads, encoded.split(self.encoder.dims, dim=1), strict=True)]

    def classify(self, encoded: Tensor) -> Logits:
        return torch.stack(self.branches(encoded)).sum(0)

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
