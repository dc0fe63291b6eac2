"""The shapes of video tensors: one check with one sentence, and frames folded into the batch and back."""

from jaxtyping import Float
from torch import Tensor


def check_clip(
    video: Tensor,
    *,
    channels: int = 3,
    min_frames: int = 1,
    min_side: int = 1,
    frames: int | None = None,
    side: int | None = None,
) -> None:
    """Raise a ValueError unless `video` is float (b, channels, t, h, w), frames and sides as the network can take them.

    `frames` and `side` demand an exact number; `min_frames` and `min_side` (pixels) a least one.
    """
    if video.ndim != 5:
        raise ValueError(
            f"video has {video.ndim} axes {tuple(video.shape)}; it must have 5: batch, channels, frames, rows, columns"
        )
    if not video.is_floating_point():
        raise ValueError(
            f"video is of {str(video.dtype).removeprefix('torch.')}; it must be float and normalized for the preset: "
            "marey.video.to_input(frames, preset.clip) makes that of uint8 frames (b, t, h, w, 3)"
        )
    c, t, h, w = video.shape[1:]
    if c != channels:
        raise ValueError(f"video has {c} channels; this network takes {channels}")
    if frames is not None and t != frames:
        raise ValueError(f"video has {t} frames; this network was built for exactly {frames}")
    if t < min_frames:
        raise ValueError(f"video has {t} frames; this network needs at least {min_frames}")
    if side is not None and (h, w) != (side, side):
        raise ValueError(f"video is {h} x {w} pixels; this network was built for exactly {side} x {side}")
    if min(h, w) < min_side:
        raise ValueError(f"video is {h} x {w} pixels; this network needs sides of at least {min_side}")


def fold_time(video: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b*t c h w"]:
    """Every frame becomes a sample of its own, for networks that look at single images."""
    return video.transpose(1, 2).flatten(0, 1)


def unfold_time(frames: Float[Tensor, "bt c h w"], t: int) -> Float[Tensor, "b c t h w"]:
    """The inverse of `fold_time` for clips of `t` frames."""
    return frames.unflatten(0, (-1, t)).transpose(1, 2)
