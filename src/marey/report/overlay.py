"""A copy of a video with its timeline drawn in: what is seen now, how sure the model is, and where one is.

The picture stays free but for a label in its corner; the timeline with its legend is a band below it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike

import cv2
import numpy as np

from ..errors import VideoError
from ..results import Segment, Timeline
from ..video import VideoWriter, open_video, read_audio
from .lettering import blend, fit, lettering

Colour = tuple[int, int, int]

COLOURS: tuple[Colour, ...] = (  # legible on the dark band and apart for colour-blind eyes, most apart first
    (229, 138, 95),
    (111, 182, 200),
    (205, 187, 87),
    (183, 154, 214),
    (125, 191, 141),
    (207, 156, 174),
    (150, 170, 240),
    (216, 216, 208),
)
BAND: Colour = (23, 22, 20)
TRACK: Colour = (58, 55, 50)
TEXT: Colour = (240, 237, 230)
SMALLEST_PX = 360  # shorter sides are enlarged to this, so that the lettering is legible
MOST_LANES, MOST_SHOWN = 4, 3
AUDIO_BLOCK_S = 10.0
AUDIO_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # that AAC in MP4 takes everywhere


@dataclass(frozen=True)
class _Look:
    """Sizes in pixels of one overlay, and the colour of every label."""

    width: int
    height: int
    text: int
    pad: int
    colours: dict[str, Colour]

    @property
    def lane(self) -> int:
        return max(8, self.text * 2 // 3)


def write_overlay(
    video_path: str | PathLike[str],
    timeline: Timeline,
    out: str | PathLike[str],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write `out`, an MP4 of the video with its timeline, at the video's frame rate and with its sound (mono).

    Small videos are enlarged to a short side of 360 pixels. A frame at a time is in memory. Labels may be in any
    script that a font of this machine has; sound that cannot be decoded becomes silence. Raises VideoError where the
    video cannot be read; then no file is left.
    """
    with open_video(video_path) as video:
        info = video.info
        scale = max(1.0, SMALLEST_PX / min(info.width, info.height))
        look = _look(round(info.width * scale), round(info.height * scale), timeline)
        band = _band(look, timeline)
        total = info.frame_count or max(1, round(info.duration_s * info.fps))
        rate = _aac_rate(info.audio_rate) if info.audio_rate else None
        frames = video.stream(fps=float(info.fps) if info.variable_rate else None)
        size = (look.width, look.height + band.shape[0])
        sound = _sound(video_path, info.duration_s, rate) if rate else iter(())
        heard_s = 0.0
        with VideoWriter(out, fps=info.fps, size=size, audio_rate=rate) as writer:
            now = _active(timeline.events)
            for done, (second, frame) in enumerate(frames, 1):
                while heard_s <= second and (samples := next(sound, None)) is not None:
                    writer.write_audio(samples)
                    heard_s += AUDIO_BLOCK_S
                writer.write(_compose(look, timeline, band, frame, second, now(second)))
                if progress:
                    progress(min(done, total), total)


def _sound(path: str | PathLike[str], duration_s: float, rate: int) -> Iterator[np.ndarray]:
    """The sound in blocks float32 (n,); what cannot be decoded of it is silence."""
    for start_s in np.arange(0.0, duration_s, AUDIO_BLOCK_S).tolist():
        end_s = min(duration_s, start_s + AUDIO_BLOCK_S)
        try:
            yield read_audio(path, start_s=start_s, end_s=end_s, rate=rate)
        except VideoError:
            yield np.zeros(round((end_s - start_s) * rate), np.float32)


def _aac_rate(rate: int) -> int:
    """The nearest rate that AAC takes, higher before lower."""
    return min(AUDIO_RATES, key=lambda r: (r < rate, abs(r - rate)))


def draw_overlay(frame: np.ndarray, timeline: Timeline, second: float | int) -> np.ndarray:
    """One frame of the overlay, uint8 (h + band, w, 3), for a frame uint8 (h, w, 3) shown at `second`."""
    look = _look(frame.shape[1], frame.shape[0], timeline)
    return _compose(look, timeline, _band(look, timeline), frame, second, _active(timeline.events)(second))


def _look(width: int, height: int, timeline: Timeline) -> _Look:
    text = int(np.clip(round(min(width, height) / 22), 14, 72))
    seconds: dict[str, float] = {}
    for event in timeline.events:
        seconds[event.label] = seconds.get(event.label, 0.0) + event.end_s - event.start_s
    ordered = sorted(seconds, key=lambda label: (-seconds[label], label))  # the longest seen have the clearest colours
    colours = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(ordered)}
    return _Look(width + width % 2, height + height % 2, text, max(6, text // 2), colours)


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


def _lanes(events: Sequence[Segment]) -> Iterator[tuple[int, Segment]]:
    """(lane, event): events that overlap get lanes of their own, up to MOST_LANES; then they share the last."""
    free_from: list[float] = []
    for event in events:
        lane = next((i for i, end in enumerate(free_from) if end <= event.start_s), len(free_from))
        if lane == len(free_from) and lane < MOST_LANES:
            free_from.append(0.0)
        lane = min(lane, MOST_LANES - 1)
        free_from[lane] = max(free_from[lane], event.end_s)
        yield lane, event


def _band(look: _Look, timeline: Timeline) -> np.ndarray:
    """The band below the picture without its playhead: legend, then the strip of segments."""
    placed = list(_lanes(timeline.events))
    lanes = 1 + max((lane for lane, _ in placed), default=0)
    line = lettering("Ag", look.text).shape[0]
    height = 3 * look.pad + line + lanes * look.lane
    band = np.full((height + height % 2, look.width, 3), BAND, np.uint8)
    strip = band[2 * look.pad + line :][: lanes * look.lane]
    left, right = look.pad, look.width - look.pad
    strip[:, left:right] = TRACK
    for lane, event in placed:
        start, end = (_place(look, timeline, s) for s in (event.start_s, event.end_s))
        part = strip[lane * look.lane : (lane + 1) * look.lane - 1, start : max(start + 1, end)]
        strength = 0.35 + 0.65 * event.score  # the surer, the stronger
        part[:] = np.rint(np.array(TRACK) + strength * (np.array(look.colours[event.label]) - TRACK)).astype(np.uint8)
    _legend(look, band)
    return band


def _legend(look: _Look, band: np.ndarray) -> None:
    """Swatches with names on one line, left of the clock, as many as fit; then how many more there are."""
    small = look.text * 4 // 5
    x, end = look.pad, look.width - 2 * look.pad - lettering("0:00:00 / 0:00:00", small).shape[1]
    for i, (label, colour) in enumerate(look.colours.items()):
        more = f"+{len(look.colours) - i}"
        cover = lettering(fit(label, small, look.width // 3), small)
        room = 0 if i == len(look.colours) - 1 else lettering(more, small).shape[1]
        if x + small + cover.shape[1] + room > end:
            blend(band, lettering(more, small), (x, look.pad), TEXT)
            return
        y = look.pad + cover.shape[0] // 2 - small // 3
        band[y : y + small * 2 // 3, x : x + small * 2 // 3] = colour
        blend(band, cover, (x + small, look.pad), TEXT)
        x += small + cover.shape[1] + look.pad


def _place(look: _Look, timeline: Timeline, second: float) -> int:
    """Column of a time on the strip."""
    share = min(1.0, max(0.0, second / timeline.duration_s)) if timeline.duration_s else 0.0
    return look.pad + round(share * (look.width - 2 * look.pad))


def _compose(
    look: _Look, timeline: Timeline, band: np.ndarray, frame: np.ndarray, second: float, events: list[Segment]
) -> np.ndarray:
    picture = np.empty((look.height + band.shape[0], look.width, 3), np.uint8)
    enlarged = frame.shape[:2] != (look.height, look.width)
    how = cv2.INTER_CUBIC if frame.shape[0] < look.height else cv2.INTER_AREA
    picture[: look.height] = cv2.resize(frame, (look.width, look.height), interpolation=how) if enlarged else frame
    below = picture[look.height :]
    below[:] = band
    x = _place(look, timeline, second)
    half = max(1, look.text // 12)
    line = lettering("Ag", look.text).shape[0]
    below[2 * look.pad + line - half : band.shape[0] - look.pad + half, max(0, x - half) : x + half] = TEXT
    clock = lettering(_clock(second, timeline.duration_s), look.text * 4 // 5)
    blend(below, clock, (look.width - look.pad - clock.shape[1], look.pad), TEXT)
    _labels(look, picture[: look.height], timeline, events)
    return picture


def _labels(look: _Look, picture: np.ndarray, timeline: Timeline, events: list[Segment]) -> None:
    """A dark panel in the corner: each label that holds now, with a bar and its score in percent."""
    shown = [(e.label, e.score, look.colours[e.label]) for e in events[:MOST_SHOWN]]
    if not timeline.events and timeline.video_scores:  # a short clip: one answer for all of it
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


def _clock(second: float, duration_s: float) -> str:
    """Where one is in the video: "0.7 / 2.0 s", and from a minute on "0:42 / 12:05"."""
    if duration_s < 60:
        return f"{second:.1f} / {duration_s:.1f} s"
    return f"{_minutes(int(second))} / {_minutes(round(duration_s))}"


def _minutes(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
