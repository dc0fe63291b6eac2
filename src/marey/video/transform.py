"""From decoded frames to network input: resize, crop, normalize."""

from typing import Literal

import numpy as np
import torch
from av import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from jaxtyping import Float, UInt8
from torch import Tensor

from .clip import ClipSpec

Resample = Literal["area", "bilinear", "bicubic"]

# Without these two flags swscale is up to 3 levels off the exact colour.
_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
SWSCALE = {
    "area": Interpolation.AREA | _EXACT,
    "bilinear": Interpolation.BILINEAR | _EXACT,
    "bicubic": Interpolation.BICUBIC | _EXACT,
}


def short_side(width: int, height: int, short_px: int) -> tuple[int, int]:
    """(width, height) with the short side at `short_px` and the shape kept."""
    if short_px < 1:
        raise ValueError(f"short_px is {short_px}; it must be 1 or more")
    short = min(width, height)
    return max(1, round(width * short_px / short)), max(1, round(height * short_px / short))


def resize(
    frames: UInt8[np.ndarray, "t h w 3"], size: tuple[int, int], resample: Resample
) -> UInt8[np.ndarray, "t h2 w2 3"]:
    """Frames of `size` (width, height), by the filters that resize decoded frames."""
    width, height = size
    if (height, width) == frames.shape[1:3]:
        return frames
    out, reformatter = np.empty((len(frames), height, width, 3), np.uint8), VideoReformatter()
    for resized, frame in zip(out, frames, strict=True):
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        resized[:] = reformatter.reformat(
            picture, width, height, interpolation=SWSCALE[resample], threads=1
        ).to_ndarray()
    return out


def resize_short(
    frames: UInt8[np.ndarray, "t h w 3"], short_px: int, resample: Resample
) -> UInt8[np.ndarray, "t h2 w2 3"]:
    """Frames with the short side at `short_px` and the shape kept."""
    return resize(frames, short_side(frames.shape[2], frames.shape[1], short_px), resample)


def crops(frames: UInt8[np.ndarray, "t h w c"], side_px: int, count: int) -> list[UInt8[np.ndarray, "t s s c"]]:
    """Square crops: the centre, or with `count` 3 the start, centre and end along the long side."""
    height, width = frames.shape[1:3]
    if side_px > min(height, width):
        raise ValueError(f"side_px is {side_px}, larger than frames of {width} x {height}; resize the short side first")
    if count not in (1, 3):
        raise ValueError(f"count is {count}; it must be 1 or 3")
    places = (0.5,) if count == 1 else (0.0, 0.5, 1.0)
    wide = width >= height
    corners = [(0.5, p) if wide else (p, 0.5) for p in places]
    boxes = [(round(y * (height - side_px)), round(x * (width - side_px))) for y, x in corners]
    return [frames[:, y : y + side_px, x : x + side_px] for y, x in boxes]


def to_input(frames: UInt8[Tensor, "b t h w c"], spec: ClipSpec) -> Float[Tensor, "b c t h w"]:
    """Network input: channels first, 0..1, normalized by the mean and std of `spec`."""
    mean, std = (255 * torch.tensor(v, device=frames.device).view(-1, 1, 1, 1) for v in (spec.mean, spec.std))
    return frames.permute(0, 4, 1, 2, 3).float().sub_(mean).div_(std)
