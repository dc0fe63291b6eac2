"""Residuals: what is left of a frame when the picture that it is predicted from, moved by its vectors, is taken away.

FFmpeg exports no residuals, so frames are decoded and predicted again: unlike vectors, residuals cost more than RGB.
Axes: t frames, h rows, w columns, 2 = (right, down), 3 = RGB.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import Float32, Float64, Int16, UInt8

from .container import Source
from .decode_pyav import to_rgb
from .flow import Speed, dense_flow
from .transform import Resample
from .vector_blocks import places
from .vectors import VectorVideo, sorted_times


class CompressedClip(NamedTuple):
    """What the bitstream says of some frames.

    frames    as they are shown
    vectors   motion up to them, as `motion_vectors` gives it
    residual  frames less what the vectors predict, in -255..255; 0 in keyframes
    seconds   when they appear
    flow      what `vectors` stand for as optical flow finds it between the same two pictures, if it was asked for
    """

    frames: UInt8[np.ndarray, "t h w 3"]
    vectors: Float32[np.ndarray, "t h w 2"]
    residual: Int16[np.ndarray, "t h w 3"]
    seconds: Float64[np.ndarray, " t"]
    flow: Float32[np.ndarray, "t h w 2"] | None = None


def read_compressed(
    path: Source,
    seconds: Sequence[float] | np.ndarray,
    *,
    short_px: int | None = None,
    size: tuple[int, int] | None = None,
    accumulate: bool = True,
    flow: Speed | None = None,
    resample: Resample = "area",
) -> CompressedClip:
    """Frames on screen at sorted times with their vectors and residuals, each decoded once.

    With `accumulate` motion is that since the keyframe, which is also what the residual is taken against: the sum of
    residuals along the way in Wu et al., CVPR 2018 (arXiv:1712.00636). Otherwise it is taken against the nearest
    earlier frame that this one is predicted from. Prediction is that of the resized pictures, bilinear, without the
    encoder's own filters. With `flow` (DIS, at that speed) the clip has what the vectors should have been, had the
    encoder looked for motion; 0 where there is no reference, too. `size`, `short_px` and errors are those of
    `motion_vectors`.
    """
    with VectorVideo(path, accumulate=accumulate, pixels=True) as video:
        return compressed_clip(video, seconds, size=size or video.shown_size(short_px), flow=flow, resample=resample)


def compressed_clip(
    video: VectorVideo,
    seconds: Sequence[float] | np.ndarray,
    *,
    size: tuple[int, int],
    flow: Speed | None = None,
    resample: Resample = "area",
) -> CompressedClip:
    """`read_compressed` of a video that is open with its pixels."""
    times, reformatter = sorted_times(seconds), VideoReformatter()
    shape = (len(times), size[1], size[0])
    frames, residual = np.empty((*shape, 3), np.uint8), np.zeros((*shape, 3), np.int16)
    vectors, shown = np.empty((*shape, 2), np.float32), np.empty(len(times))
    found = None if flow is None else np.zeros((*shape, 2), np.float32)
    reference, picture = None, frames[0]
    for k, second in enumerate(times):
        moved = video.at(second)
        assert moved.motion is not None and moved.since is not None and moved.frame is not None
        shown[k] = video.second(moved)
        if k and shown[k] == shown[k - 1]:
            for part in (frames, vectors, residual, *(() if found is None else (found,))):
                part[k] = part[k - 1]
            continue
        frames[k] = to_rgb(reformatter, moved.frame, size, moved.motion.turn, resample)
        vectors[k] = moved.motion.pixels(size)
        if moved.reference is not None:
            if moved.reference is not reference:
                reference = moved.reference
                picture = to_rgb(reformatter, reference, size, moved.motion.turn, resample)
            residual[k] = frames[k].astype(np.int16) - predicted(picture, moved.since.pixels(size))
            if found is not None and flow is not None:  # from here back, for motion is drawn where things are now
                found[k] = dense_flow(frames[k], picture, speed=flow) / np.float32(-moved.times)
    return CompressedClip(frames, vectors, residual, shown, found)


def predicted(
    reference: UInt8[np.ndarray, "h w 3"], motion: Float32[np.ndarray, "h w 2"]
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture that a reference becomes when each pixel has moved there by `motion`; its border goes on outwards."""
    source = places(*motion.shape[:2]) - motion
    whole = np.ascontiguousarray(reference)
    return cv2.remap(whole, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # pyright: ignore


def residual_to_bytes(residual: Int16[np.ndarray, "*n"]) -> UInt8[np.ndarray, "*n"]:
    """Residuals as bytes: 128 is exactly none, and a step is two levels."""
    return np.clip(np.rint(residual / 2 + 128), 0, 255).astype(np.uint8)
