"""When to look: the sampling times of clips, views and sliding windows, in seconds."""

from fractions import Fraction

import numpy as np

from .clip import ClipSpec


def clip_seconds(spec: ClipSpec, fps: Fraction, start_s: float, end_s: float, offset: float) -> np.ndarray:
    """Sampling times float64 (frames,) of one clip of the span from `start_s` to `end_s`, sorted and inside it.

    dense    `frames` times, stride / rate apart; `offset` in 0..1 places the window between the first and the last
             start that fit. Where the span is shorter than the window, times stop at the span's last frame.
    uniform  the centres of `frames` equal parts; `offset` is not used.
    """
    if not 0 <= offset <= 1:
        raise ValueError(f"offset is {offset}; it must lie in 0..1")
    if not start_s < end_s:
        raise ValueError(f"span runs from {start_s} s to {end_s} s; it must end after it starts")
    if spec.sampling == "uniform":
        return start_s + (end_s - start_s) * (np.arange(spec.frames) + 0.5) / spec.frames
    last = max(start_s, end_s - 1 / float(fps))  # the last frame of the span appears here
    times = np.arange(spec.frames) * (spec.stride / float(spec.fps or fps))
    room = max(0.0, last - start_s - times[-1])
    return np.minimum(start_s + offset * room + times, last)


def view_seconds(spec: ClipSpec, fps: Fraction, start_s: float, end_s: float, views: int) -> np.ndarray:
    """Sampling times float64 (views, frames) of clips spread evenly over a span; one view is the middle one."""
    if views < 1:
        raise ValueError(f"views is {views}; it must be 1 or more")
    offsets = [0.5] if views == 1 else np.linspace(0, 1, views)
    return np.stack([clip_seconds(spec, fps, start_s, end_s, float(offset)) for offset in offsets])


def window_starts(duration_s: float, window_s: float, hop_s: float) -> np.ndarray:
    """Starts float64 (n,) of windows every `hop_s` that cover a video; the last one is moved back to end with it."""
    if min(duration_s, window_s, hop_s) <= 0:
        raise ValueError(f"duration {duration_s}, window {window_s} and hop {hop_s} must be positive seconds")
    last = duration_s - window_s
    if last <= 0:
        return np.zeros(1)
    count = int(np.ceil(last / hop_s - 1e-9))
    return np.append(np.arange(count) * hop_s, last)
