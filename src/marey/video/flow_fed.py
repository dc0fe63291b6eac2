"""Optical flow as networks are fed it: from each frame on screen to the next, computed or read from files.

Axes: t times, h rows, w columns, c channels: RGB where it is fed too, then motion right and down.
"""

import numpy as np
from jaxtyping import UInt8

from ..errors import VideoError
from .clip import Clip, ClipSpec
from .decode import Video
from .flow import STILL, flow_between, flow_to_bytes, resize_flow
from .flow_file import read_flow_bytes
from .flow_hash import refuse_damaged, source_hash
from .flow_source import FlowSource
from .probe import VideoInfo
from .transform import short_side


def flow_file_of(info: VideoInfo, source: FlowSource) -> str | None:
    """The undamaged file that holds the flow of a video as it is now; None where there is none.

    It leads to the next frame, which where the rate varies is not the one that is on screen a frame's time later.
    """
    if not source.files or info.variable_rate or (file := source.files.get(source_hash(info.path))) is None:
        return None
    try:
        refuse_damaged(file)
    except VideoError:
        return None
    return file


def read_with_flow(video: Video, seconds: np.ndarray, spec: ClipSpec) -> UInt8[np.ndarray, "t h w c"]:
    """What a specification that is fed flow wants at sorted times, as `spec.flow` says; stored flow is the same numbers
    as computed flow, but for what `read_flow_bytes` says of times."""
    step_s = 1 / float(video.info.fps)
    last_s = video.info.duration_s - step_s / 2  # from here on, nothing follows
    begins = np.where(seconds + step_s > last_s + 1e-6, seconds - step_s, seconds)
    file, both = flow_file_of(video.info, spec.flow), spec.modality == "rgb+flow"
    if file is None and spec.flow.short_px is None:  # between the frames that are fed, so each is decoded once
        asked = np.unique(np.concatenate([seconds, begins, begins + step_s]).clip(0))
        clip = fed_frames(video, asked, spec)
        video.refuse_without_motion()
        flow = _fields(clip, asked, begins, step_s, spec.flow)
        return np.concatenate([clip.frames[np.searchsorted(asked, seconds)], flow], axis=-1) if both else flow
    pictures: Clip | None = None
    if file is None:
        asked = np.unique(np.concatenate([begins, begins + step_s]).clip(0))
        sized, pictures = _in_step(video, asked, seconds, spec) if both else (_flow_frames(video, asked, spec), None)
        video.refuse_without_motion()
        flow = _fields(sized, asked, begins, step_s, spec.flow)
    else:
        once, back = np.unique(begins.clip(0), return_inverse=True)
        flow = read_flow_bytes(file, once, expected_hash=source_hash(video.info.path), fps=1 / step_s)[back]
        flow[begins > last_s - step_s / 2 - 1e-6] = STILL  # both times are after the last frame began
    size = short_side(video.info.width, video.info.height, spec.short_px)
    flow = resize_flow(flow, (spec.short_px, spec.short_px) if spec.squash else size)
    if not both:
        return flow
    pictures = pictures or fed_frames(video, seconds, spec)
    return np.concatenate([pictures.frames, flow], axis=-1)


def _flow_frames(video: Video, asked: np.ndarray, spec: ClipSpec) -> Clip:
    return video.frames_at(asked, short_px=spec.flow.short_px, resample=spec.flow.resample)


def _in_step(video: Video, asked: np.ndarray, seconds: np.ndarray, spec: ClipSpec) -> tuple[Clip, Clip]:
    """Frames of the size of flow at the times `asked`, and as they are fed at `seconds`, both sorted.

    Asked for in the order of time, whatever the size: what is on screen is not decoded again for the other one.
    """
    times = [(float(second), to_fed) for to_fed, some in enumerate((asked, seconds)) for second in some]
    found: tuple[list[Clip], list[Clip]] = ([], [])
    for second, to_fed in sorted(times):
        one = np.array([second])
        found[to_fed].append(fed_frames(video, one, spec) if to_fed else _flow_frames(video, one, spec))
    sized, fed = (
        Clip(
            np.concatenate([clip.frames for clip in clips]),
            np.concatenate([clip.seconds for clip in clips]),
            video.info.fps,
            video.info.path,
        )
        for clips in found
    )
    return sized, fed


def fed_frames(video: Video, seconds: np.ndarray, spec: ClipSpec) -> Clip:
    """Frames of the size that `spec` says."""
    return video.frames_at(seconds, short_px=spec.short_px, squash=spec.squash, resample=spec.resample)


def _fields(
    clip: Clip, asked: np.ndarray, begins: np.ndarray, step_s: float, source: FlowSource
) -> UInt8[np.ndarray, "t h w 2"]:
    """Flow from the frames at `begins` to those a step later, of a clip at the times `asked`."""
    first, second = (np.searchsorted(asked, times.clip(0)).tolist() for times in (begins, begins + step_s))
    fields: dict[tuple[int, int], np.ndarray] = {}
    for a, b in zip(first, second, strict=True):
        if (a, b) not in fields:
            still = clip.seconds[a] == clip.seconds[b]
            none = np.zeros((*clip.frames.shape[1:3], 2), np.float32)
            fields[a, b] = flow_to_bytes(none if still else flow_between(clip.frames[a], clip.frames[b], source))
    return np.stack([fields[pair] for pair in zip(first, second, strict=True)])
