"""From a sample to the frames that a network wants of it: training canvases and test views.

Every frame that is needed is decoded once, however many views share it. Axes: t frames, h rows, w columns, c channels
of the modality that the specification names.
"""

from collections.abc import Iterator
from math import ceil

import numpy as np
from jaxtyping import UInt8

from ..errors import VideoError
from ..video import ClipSpec, DecoderName, Footage, crops, open_input, read_input, view_seconds
from .manifest import Sample

SPEED_RANGE = 1.25  # a training canvas holds this many times the frames of a clip, so that time can be jittered
_FRAME_ROUNDING = 1e-3  # of a frame: times that are whole frames but for rounding


def span(sample: Sample, video: Footage) -> tuple[float, float]:
    """(start_s, end_s) of the sample in its video; VideoError where the video ends before the span starts."""
    start_s = sample.start_s or 0.0
    end_s = video.info.duration_s if sample.end_s is None else min(sample.end_s, video.info.duration_s)
    if end_s <= start_s:
        raise VideoError(
            sample.path, f"the span starts at {start_s:g} s but the video lasts {video.info.duration_s:g} s"
        )
    return start_s, end_s


def canvas_frames(spec: ClipSpec) -> int:
    """How many frames a training canvas holds: more than the clip, the same for every sample."""
    if spec.frames == 1:
        return 1
    return 2 * spec.frames if spec.sampling == "uniform" else ceil(SPEED_RANGE * spec.frames)


def grid_seconds(spec: ClipSpec, video: Footage, start_s: float, end_s: float) -> np.ndarray:
    """(n,) the times from which canvases are cut: the clip's own steps (dense), or equal parts (uniform)."""
    if spec.sampling == "uniform":
        parts = canvas_frames(spec)
        return start_s + (np.arange(parts) + 0.5) * (end_s - start_s) / parts
    step_s = spec.stride / float(spec.fps or video.info.fps)
    return start_s + step_s * np.arange(max(1, ceil((end_s - start_s) / step_s - 1e-6)))


def cut(count: int, length: int, offset: float) -> np.ndarray:
    """(length,) indices into `count` grid steps: a run placed by `offset`; a short grid repeats its last step."""
    first = int(offset * (max(0, count - length) + 1 - 1e-9))
    return np.minimum(first + np.arange(length), count - 1)


def read_grid(sample: Sample, spec: ClipSpec, *, decoder: DecoderName = "pyav") -> np.ndarray:
    """uint8 (n, h, w, c): the whole span on its grid, resized as the specification says."""
    with open_input(sample.path, spec, decoder=decoder) as video:
        seconds = grid_seconds(spec, video, *span(sample, video))
        return read_input(video, seconds, spec)


def read_canvas(sample: Sample, spec: ClipSpec, *, offset: float, decoder: DecoderName = "pyav") -> np.ndarray:
    """uint8 (canvas_frames, h, w, c): one stretch of the span, placed by `offset` in 0..1."""
    with open_input(sample.path, spec, decoder=decoder) as video:
        grid = grid_seconds(spec, video, *span(sample, video))
        seconds = grid[cut(len(grid), canvas_frames(spec), offset)]
        return read_input(video, seconds, spec)


def square(frames: np.ndarray, offset: float) -> np.ndarray:
    """The largest square of (t, h, w, c), placed along the long side by `offset` in 0..1; a view, not a copy."""
    height, width = frames.shape[1:3]
    side = min(height, width)
    top, left = round(offset * (height - side)), round(offset * (width - side))
    return frames[:, top : top + side, left : left + side]


def read_views(
    sample: Sample, spec: ClipSpec, *, views: int = 1, crop_count: int = 1, decoder: DecoderName = "pyav"
) -> np.ndarray:
    """uint8 (views * crop_count, t, side, side, c): the test clips of a sample, crops of one view side by side."""
    with open_input(sample.path, spec, decoder=decoder) as video:
        seconds = view_seconds(spec, video.info.fps, *span(sample, video), views)
        return cut_views(video, seconds, spec, crop_count=crop_count)


def cut_views(video: Footage, seconds: np.ndarray, spec: ClipSpec, *, crop_count: int = 1) -> np.ndarray:
    """uint8 (views * crop_count, t, side, side, c) of the clips at `seconds` (views, t), each frame decoded once.

    Of a specification that takes whole frames: (views, t, h, w, c), for there is but one crop.
    """
    views = Views(seconds, spec, crop_count=crop_count)
    views.show(views.times, read_input(video, views.times, spec))
    return views.clips


class Views:
    """The test clips at `seconds` (views, t), made up as their frames are shown.

    times  sorted, when a frame is wanted
    """

    def __init__(self, seconds: np.ndarray, spec: ClipSpec, *, crop_count: int = 1) -> None:
        self.times = np.unique(seconds)
        self._seconds, self._spec, self._crop_count = seconds, spec, crop_count
        self._clips: np.ndarray | None = None

    def show(self, times: np.ndarray, frames: np.ndarray) -> None:
        """Frames (n, h, w, c) at n sorted times, wanted or not."""
        seen = [frames] if self._spec.whole else crops(frames, self._spec.side_px, self._crop_count)
        if self._clips is None:
            views, length = self._seconds.shape
            self._clips = np.empty((views, len(seen), length, *seen[0].shape[1:]), frames.dtype)
        place = np.searchsorted(times, self._seconds).clip(max=len(times) - 1)
        view, step = np.nonzero(times[place] == self._seconds)
        for number, crop in enumerate(seen):
            self._clips[view, number, step] = crop[place[view, step]]

    @property
    def clips(self) -> UInt8[np.ndarray, "n t h w c"]:
        """(views * crops, t, side, side, c), once all frames were shown; crops of one view side by side."""
        assert self._clips is not None
        return self._clips.reshape(-1, *self._clips.shape[2:])


def sliding_views(
    video: Footage, seconds: np.ndarray, spec: ClipSpec, *, at_once: int, aside: Views | None = None
) -> Iterator[UInt8[np.ndarray, "n t h w c"]]:
    """The test clips at `seconds` (windows, t), whose windows start one after the other, `at_once` of them at a time.

    Frames that windows share are read once and held until no later window wants them, so that the file is read from
    start to end and memory does not grow with it. What `aside` wants is read on the way and shown to it.
    """
    if not video.info.variable_rate:  # times that show one frame become one, and no window asks for what is behind it
        fps = float(video.info.fps)
        seconds = np.floor(seconds * fps + _FRAME_ROUNDING) / fps
    times = np.unique(seconds if aside is None else np.append(seconds, aside.times))
    held_s, held, done = times[:0], None, 0
    for first in range(0, len(seconds), at_once):
        some = seconds[first : first + at_once]
        last = first + at_once >= len(seconds)
        until = len(times) if last else int(np.searchsorted(times, some.max(), side="right"))
        kept = int(np.searchsorted(held_s, seconds[first:].min()))
        parts = [] if held is None else [held[kept:]]
        if until > done:
            parts.append(read_input(video, times[done:until], spec))
            if aside is not None:
                aside.show(times[done:until], parts[-1])
        held_s, held = np.concatenate([held_s[kept:], times[done:until]]), np.concatenate(parts)
        done = max(done, until)
        shown = held if spec.whole else crops(held, spec.side_px, 1)[0]
        yield shown[np.searchsorted(held_s, some)]
