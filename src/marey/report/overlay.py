"""A copy of a video with its timeline drawn in: what is seen now, how sure the model is, and where one is.

The picture stays free but for a label in its corner; the timeline with its legend is a band below it.
"""

from collections.abc import Callable, Sequence
from os import PathLike

import cv2
import numpy as np

from ..results import Segment, Timeline
from ..video import Soundtrack, VideoWriter, open_video
from .arrows import Motion, draw_motion, with_motion
from .lettering import blend, fit, lettering
from .strip import COLOURS, TEXT, TRACK, Look, clock, draw_band, look_of, place

SMALLEST_PX = 360  # shorter sides are enlarged to this, so that the lettering is legible
MOST_SHOWN = 3  # labels in the corner at a time
CLIP_S = 30.0  # a video no longer than this, without events, shows its best class throughout


def write_overlay(
    video_path: str | PathLike[str],
    timeline: Timeline,
    out: str | PathLike[str],
    *,
    arrows: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write `out`, an MP4 of the video with its timeline, at the video's frame rate and with its sound (mono).

    With `arrows` the picture shows where things go, as `draw_motion` draws it; the flow is computed on the way.
    Small videos are enlarged to a short side of 360 pixels. A frame at a time is in memory, a few with `arrows`. Labels
    may be in any script that a font of this machine has; sound that cannot be decoded becomes silence. Raises
    VideoError where the video cannot be read; then no file is left.
    """
    with open_video(video_path) as video:
        info = video.info
        scale = max(1.0, SMALLEST_PX / min(info.width, info.height))
        look = look_of(round(info.width * scale), round(info.height * scale), timeline)
        band = draw_band(look, timeline)
        total = info.frame_count or max(1, round(info.duration_s * info.fps))
        frames = video.stream(fps=float(info.fps) if info.variable_rate else None)
        size = (look.width, look.height + band.shape[0])
        sound = Soundtrack(video_path, info)
        with VideoWriter(out, fps=info.fps, size=size, audio_rate=sound.rate) as writer:
            now = _active(timeline.events)
            shown = with_motion(frames) if arrows else ((second, frame, None) for second, frame in frames)
            for done, (second, frame, motion) in enumerate(shown, 1):
                sound.write_until(second, writer)
                writer.write(_compose(look, timeline, band, frame, second, now(second), motion))
                if progress:
                    progress(min(done, total), total)


def draw_overlay(frame: np.ndarray, timeline: Timeline, second: float | int) -> np.ndarray:
    """One frame of the overlay, uint8 (h + band, w, 3), for a frame uint8 (h, w, 3) shown at `second`."""
    look = look_of(frame.shape[1], frame.shape[0], timeline)
    return _compose(look, timeline, draw_band(look, timeline), frame, second, _active(timeline.events)(second))


def enlarged(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A frame at the `size` (width, height) of a film."""
    if frame.shape[1::-1] == size:
        return frame
    return cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC if frame.shape[0] < size[1] else cv2.INTER_AREA)


def _active(events: Sequence[Segment]) -> Callable[[float], list[Segment]]:
    """second -> the events that hold then, surest first; the seconds must not fall."""
    ahead, current = iter(events), []
    upcoming = next(ahead, None)

    def at(second: float) -> list[Segment]:
        nonlocal upcoming, current
        while upcoming is not None and upcoming.start_s <= second:
            current.append(upcoming)
            upcoming = next(ahead, None)
        current = [event for event in current if event.end_s > second]
        return sorted(current, key=lambda e: (-e.score, e.label))

    return at


def _compose(
    look: Look,
    timeline: Timeline,
    band: np.ndarray,
    frame: np.ndarray,
    second: float,
    events: list[Segment],
    motion: Motion | None = None,
) -> np.ndarray:
    picture = np.empty((look.height + band.shape[0], look.width, 3), np.uint8)
    picture[: look.height] = enlarged(frame, (look.width, look.height))
    if motion is not None:
        picture[: look.height] = draw_motion(picture[: look.height], motion, text_px=look.text)
    below = picture[look.height :]
    below[:] = band
    x = place(look, timeline, second)
    half = max(1, look.text // 12)
    line = lettering("Ag", look.text).shape[0]
    below[2 * look.pad + line - half : band.shape[0] - look.pad + half, max(0, x - half) : x + half] = TEXT
    time = lettering(clock(second, timeline.duration_s), look.text * 4 // 5)
    blend(below, time, (look.width - look.pad - time.shape[1], look.pad), TEXT)
    _labels(look, picture[: look.height], timeline, events)
    return picture


def _labels(look: Look, picture: np.ndarray, timeline: Timeline, events: list[Segment]) -> None:
    """A dark panel in the corner: each label that holds now, with a bar and its score in percent."""
    shown = [(e.label, e.score, look.colours[e.label]) for e in events[:MOST_SHOWN]]
    if not timeline.events and timeline.video_scores and timeline.duration_s <= CLIP_S:
        label = max(timeline.video_scores, key=lambda name: timeline.video_scores[name])
        shown = [(label, float(timeline.video_scores[label]), COLOURS[0])]
    if not shown:
        return
    bar = min(8 * look.text, look.width // 4)
    figures = lettering("100 %", look.text).shape[1]
    most = look.width - 5 * look.pad - bar - figures
    names = [lettering(fit(label, look.text, most), look.text) for label, _, _ in shown]
    line = max(name.shape[0] for name in names) + look.pad // 2
    wide = max(name.shape[1] for name in names)
    panel = picture[look.pad :, look.pad :][: line * len(shown) + look.pad, : wide + bar + figures + 4 * look.pad]
    panel[:] = np.rint(panel * 0.28).astype(np.uint8)
    for row, ((_, score, colour), name) in enumerate(zip(shown, names, strict=True)):
        y = look.pad // 2 + row * line
        blend(panel, name, (look.pad, y), TEXT)
        middle, thick = y + name.shape[0] // 2, max(2, look.text // 5)
        track = panel[middle - thick : middle + thick, wide + 2 * look.pad :][:, :bar]
        track[:] = TRACK
        track[:, : max(1, round(score * bar))] = colour
        percent = lettering(f"{100 * score:.0f} %", look.text)
        blend(panel, percent, (wide + bar + 3 * look.pad + figures - percent.shape[1], y), TEXT)
