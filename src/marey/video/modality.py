"""What a network is fed at given times of a video: frames, optical flow between them, or both, as bytes.

Axes: t times, h rows, w columns, c channels of the modality.
"""

import numpy as np
from jaxtyping import UInt8

from .clip import Clip, ClipSpec, Modality
from .decode import Video
from .flow import Speed, dense_flow, flow_to_bytes

READ_FROM_VIDEOS: tuple[Modality, ...] = ("rgb", "flow", "rgb+flow")
FLOW_SPEED: Speed = "fast"


def read_input(video: Video, seconds: np.ndarray, spec: ClipSpec) -> UInt8[np.ndarray, "t h w c"]:
    """What `spec` wants to see at sorted times, resized; each frame is decoded once.

    Flow at a time leads from the frame on screen to that of one frame later, by DIS, in pixels of the resized frames;
    at the last frame, from the one before. Between two times that show one frame, flow is zero.
    """
    if spec.modality == "rgb":
        return _frames(video, seconds, spec).frames
    if spec.modality in ("flow", "rgb+flow"):
        return _with_flow(video, seconds, spec)
    raise ValueError(f"a clip specification asks for {spec.modality}, which is not read from videos")


def _frames(video: Video, seconds: np.ndarray, spec: ClipSpec) -> Clip:
    return video.frames_at(seconds, short_px=spec.short_px, squash=spec.squash, resample=spec.resample)


def _with_flow(video: Video, seconds: np.ndarray, spec: ClipSpec) -> np.ndarray:
    step_s = 1 / float(video.info.fps)
    last_s = video.info.duration_s - step_s / 2  # from here on, nothing follows
    begins = np.where(seconds + step_s > last_s + 1e-6, seconds - step_s, seconds)
    asked = np.unique(np.concatenate([seconds, begins, begins + step_s]).clip(0))
    clip = _frames(video, asked, spec)
    first, second = (np.searchsorted(asked, times.clip(0)) for times in (begins, begins + step_s))
    fields: dict[tuple[int, int], np.ndarray] = {}
    for pair in zip(first.tolist(), second.tolist(), strict=True):
        if pair not in fields:
            a, b = pair
            still = clip.seconds[a] == clip.seconds[b]
            shape = (*clip.frames.shape[1:3], 2)
            flow = (
                np.zeros(shape, np.float32) if still else dense_flow(clip.frames[a], clip.frames[b], speed=FLOW_SPEED)
            )
            fields[pair] = flow_to_bytes(flow)
    flow = np.stack([fields[pair] for pair in zip(first.tolist(), second.tolist(), strict=True)])
    if spec.modality == "flow":
        return flow
    return np.concatenate([clip.frames[np.searchsorted(asked, seconds)], flow], axis=-1)
