"""The band below an overlaid picture: what holds when, as a strip of coloured segments with its legend."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..results import Segment, Timeline
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
MOST_LANES = 4


@dataclass(frozen=True)
class Look:
    """Sizes in pixels of one overlay, and the colour of every label."""

    width: int
    height: int
    text: int
    pad: int
    colours: dict[str, Colour]

    @property
    def lane(self) -> int:
        return max(8, self.text * 2 // 3)


def text_of(width: int, height: int) -> int:
    """The height of the lettering of a film, in pixels."""
    return int(np.clip(round(min(width, height) / 22), 14, 72))


def look_of(width: int, height: int, timeline: Timeline) -> Look:
    text = text_of(width, height)
    seconds: dict[str, float] = {}
    for event in timeline.events:
        seconds[event.label] = seconds.get(event.label, 0.0) + event.end_s - event.start_s
    ordered = sorted(seconds, key=lambda label: (-seconds[label], label))  # the longest seen have the clearest colours
    colours = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(ordered)}
    return Look(width + width % 2, height + height % 2, text, max(6, text // 2), colours)


def lanes(events: Sequence[Segment]) -> Iterator[tuple[int, Segment]]:
    """(lane, event): events that overlap get lanes of their own, up to MOST_LANES; then they share the last."""
    free_from: list[float] = []
    for event in events:
        lane = next((i for i, end in enumerate(free_from) if end <= event.start_s), len(free_from))
        if lane == len(free_from) and lane < MOST_LANES:
            free_from.append(0.0)
        lane = min(lane, MOST_LANES - 1)
        free_from[lane] = max(free_from[lane], event.end_s)
        yield lane, event


def draw_band(look: Look, timeline: Timeline) -> np.ndarray:
    """The band below the picture without its playhead: legend, then the strip of segments."""
    placed = list(lanes(timeline.events))
    lane_count = 1 + max((lane for lane, _ in placed), default=0)
    line = lettering("Ag", look.text).shape[0]
    height = 3 * look.pad + line + lane_count * look.lane
    band = np.full((height + height % 2, look.width, 3), BAND, np.uint8)
    strip = band[2 * look.pad + line :][: lane_count * look.lane]
    left, right = look.pad, look.width - look.pad
    strip[:, left:right] = TRACK
    for lane, event in placed:
        start, end = (place(look, timeline, s) for s in (event.start_s, event.end_s))
        part = strip[lane * look.lane : (lane + 1) * look.lane - 1, start : max(start + 1, end)]
        strength = 0.35 + 0.65 * event.score  # the surer, the stronger
        part[:] = np.rint(np.array(TRACK) + strength * (np.array(look.colours[event.label]) - TRACK)).astype(np.uint8)
    _legend(look, band)
    return band


def _legend(look: Look, band: np.ndarray) -> None:
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


def place(look: Look, timeline: Timeline, second: float) -> int:
    """Column of a time on the strip."""
    share = min(1.0, max(0.0, second / timeline.duration_s)) if timeline.duration_s else 0.0
    return look.pad + round(share * (look.width - 2 * look.pad))


def clock(second: float, duration_s: float) -> str:
    """Where one is in the video: "0.7 / 2.0 s", and from a minute on "0:42 / 12:05"."""
    if duration_s < 60:
        return f"{second:.1f} / {duration_s:.1f} s"
    return f"{_minutes(int(second))} / {_minutes(round(duration_s))}"


def _minutes(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
