"""Clips cut into snippets, of which a network of images sees one image each.

Axes: b clips, c channels, t frames, h rows, w columns. A clip of t frames has t / frames snippets; those of all clips
come in one batch, (b * t / frames, ...).
"""

from jaxtyping import Float
from torch import Tensor


def middle_frames(video: Float[Tensor, "b c t h w"], frames: int) -> Float[Tensor, "n c h w"]:
    """The frame in the middle of every snippet of `frames` frames; of an even number, the one behind the middle."""
    return _snippets(video, frames)[:, :, frames // 2].flatten(0, 1)


def stacked_frames(video: Float[Tensor, "b c t h w"], frames: int) -> Float[Tensor, "n channels h w"]:
    """The frames of every snippet as channels of one image: all channels of the first, then of the second, ..."""
    return _snippets(video, frames).flatten(2, 3).flatten(0, 1)


def _snippets(video: Float[Tensor, "b c t h w"], frames: int) -> Float[Tensor, "b n frames c h w"]:
    t = video.shape[2]
    if t % frames:
        raise ValueError(f"video has {t} frames; this network takes snippets of {frames}, so give a multiple of that")
    return video.unflatten(2, (-1, frames)).permute(0, 2, 3, 1, 4, 5)
