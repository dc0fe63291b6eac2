"""Playing a class: its pose path under a clock, in time windows that say nothing about which of two twins it is.

A transition is seen within holds of chance length before and after, which are equally distributed, so the frames of
"sit down" in a shuffled bag are distributed like those of "stand up". A cycle starts at a chance phase, so at any
instant its slow and its fast class show the same distribution of poses. Of two phrases each comes first equally often.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .body import FOOT_L, FOOT_R, HAND_L, HAND_R, LEAN, NOD, PELVIS, SIDE, STAND, TURN
from .classes import CLASSES, StageClass
from .moves import CYCLES, PHRASES, RING_RADIUS, TRANSITIONS


@dataclass(frozen=True)
class Beat:
    """A move played from `start_s` to `end_s`, its phase going from `first` to `last`; part of an action `label`."""

    label: str
    move: str
    start_s: float
    end_s: float
    first: float
    last: float

    def phase(self, seconds: np.ndarray) -> np.ndarray:
        """Phase (t,) of the move; before and after it stays at `first` and `last` if the move is a transition."""
        u = (seconds - self.start_s) / (self.end_s - self.start_s)
        if self.move in TRANSITIONS:
            u = _eased(u)
        return self.first + (self.last - self.first) * u

    def controls(self, seconds: np.ndarray) -> np.ndarray:
        """Controls (t, CONTROLS) at the instants `seconds` (t,)."""
        s = self.phase(seconds)
        if self.move in PHRASES:
            return PHRASES[self.move](np.clip(s, 0, 1))
        return (TRANSITIONS[self.move] if self.move in TRANSITIONS else CYCLES[self.move])(s)

    def when(self, phase: float) -> float:
        """The instant, in seconds, at which a phase is reached."""
        u = (phase - self.first) / (self.last - self.first)
        if self.move in TRANSITIONS:
            u = float(np.interp(u, _EASED, _LINEAR))
        return self.start_s + u * (self.end_s - self.start_s)


@dataclass(frozen=True)
class Performance:
    """What a figure does at each of t instants: `controls` (t, CONTROLS), and the phase (t,) of the prop, if any."""

    controls: np.ndarray
    phase: np.ndarray
    beats: tuple[Beat, ...]
    prop: str | None

    def segments(self, duration_s: float) -> list[tuple[str, float, float]]:
        """(label, start_s, end_s) of every action, cut to the clip."""
        found: list[tuple[str, float, float]] = []
        for beat in self.beats:
            start, end = max(0.0, beat.start_s), min(duration_s, beat.end_s)
            if (
                found
                and found[-1][0] == beat.label
                and CLASSES[beat.label].play == "in order"
                and beat.move == CLASSES[beat.label].moves[1]
            ):
                start = found.pop()[1]
            found.append((beat.label, start, end))
        return found


def _eased(u: np.ndarray) -> np.ndarray:
    u = np.clip(u, 0, 1)
    return 0.35 * u + 0.65 * u * u * (3 - 2 * u)


_LINEAR = np.linspace(0, 1, 129)
_EASED = _eased(_LINEAR)


def perform(
    entry: StageClass, seconds: np.ndarray, duration_s: float, tempo: float, rng: np.random.Generator
) -> Performance:
    """Play `entry` at the instants `seconds` (t,) of a clip of `duration_s`; `tempo` is the actor's own, about 1."""
    if entry.play in ("forward", "backward"):
        length = min(rng.uniform(1.15, 1.75) / tempo, duration_s * rng.uniform(0.60, 0.85))
        start = rng.uniform(-0.12 * length, duration_s - 0.88 * length)
        ends = (0.0, 1.0) if entry.play == "forward" else (1.0, 0.0)
        beat = Beat(entry.name, entry.moves[0], start, start + length, *ends)
        return Performance(beat.controls(seconds), beat.phase(seconds), (beat,), entry.prop)
    if entry.play == "in order":
        length = min(rng.uniform(0.95, 1.25) / tempo, duration_s * rng.uniform(0.40, 0.46))
        gap = rng.uniform(0, 0.06) * duration_s
        start = rng.uniform(-0.06 * length, duration_s - 1.94 * length - gap)
        first = Beat(entry.name, entry.moves[0], start, start + length, 0.0, 1.0)
        second = Beat(entry.name, entry.moves[1], start + length + gap, start + 2 * length + gap, 0.0, 1.0)
        later = (seconds > second.start_s)[:, None]
        rows = np.where(later, second.controls(seconds), first.controls(seconds))
        return Performance(rows, np.zeros(len(seconds)), (first, second), entry.prop)
    rate, first_phase = entry.rate * tempo * rng.uniform(0.88, 1.14), rng.random()
    beat = Beat(entry.name, entry.moves[0], 0.0, duration_s, first_phase, first_phase + rate * duration_s)
    rows = beat.controls(seconds)
    if entry.travel:
        _carry(rows, entry.travel * rate * (seconds - duration_s * rng.uniform(0.3, 0.7)))
    return Performance(rows, beat.phase(seconds), (beat,), entry.prop)


def _carry(rows: np.ndarray, distance: np.ndarray, *, axis: int = 0) -> None:
    """Move pelvis, hands and feet along x or y."""
    for part in (PELVIS, HAND_L, HAND_R, FOOT_L, FOOT_R):
        rows[:, part.start + axis] += distance


_THERE_AND_BACK = ("chair", "parcel", "door", "box", "hat")  # props whose moves begin and end where the figure stands


def perform_many(
    labels: Sequence[str], seconds: np.ndarray, duration_s: float, tempo: float, rng: np.random.Generator
) -> Performance:
    """A long recording: actions of `labels`, with pauses, one kind of prop, each back in a stand before the next.

    Transitions come as a pair, there and back. Left out are classes that end elsewhere than they began, and walks where
    something stands in the way.
    """
    known = [CLASSES[label] for label in labels]
    there = [e for e in known if e.play == "forward" and e.prop in _THERE_AND_BACK and e.twin in labels]
    pair = there[int(rng.integers(len(there)))] if there and rng.random() < 0.8 else None
    crowded = pair is not None and pair.prop != "hat"
    free = [e for e in known if e.group in ("tempo", "order") and not (crowded and "loop" in e.moves)]
    beats: list[Beat] = []
    clock = rng.uniform(0.5, 1.5)
    while True:
        choices = free + ([pair] * max(1, len(free) // 2) if pair else [])
        if not choices:
            break
        entry = choices[int(rng.integers(len(choices)))]
        planned = _beats(entry, clock, tempo, rng)
        if planned[-1].end_s > duration_s - 0.4:
            break
        beats += planned
        clock = planned[-1].end_s + rng.uniform(0.7, 2.0)
    rows, phase = _join(beats, seconds)
    return Performance(rows, phase, tuple(beats), pair.prop if pair else None)


def _beats(entry: StageClass, start: float, tempo: float, rng: np.random.Generator) -> list[Beat]:
    """The beats of one action from `start` on, or of a transition and its return."""
    length = rng.uniform(1.2, 1.8) / tempo
    if entry.play == "forward":
        back = start + length + rng.uniform(0.5, 2.0)
        return [
            Beat(entry.name, entry.moves[0], start, start + length, 0.0, 1.0),
            Beat(entry.twin or "", entry.moves[0], back, back + rng.uniform(1.2, 1.8) / tempo, 1.0, 0.0),
        ]
    if entry.play == "in order":
        again = start + length + rng.uniform(0, 0.15)
        return [
            Beat(entry.name, entry.moves[0], start, start + length, 0.0, 1.0),
            Beat(entry.name, entry.moves[1], again, again + length, 0.0, 1.0),
        ]
    rate = entry.rate * tempo * rng.uniform(0.88, 1.14)
    cycles = max(1, round(rng.uniform(2.5, 5.0) * rate))
    return [Beat(entry.name, entry.moves[0], start, start + cycles / rate, 0.0, float(cycles))]


def _join(beats: Sequence[Beat], seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Controls and prop phase of beats in sequence; the figure glides for a moment from each pose into the next."""
    rows, phase = np.repeat(STAND[None], len(seconds), 0), np.zeros(len(seconds))
    glide = 0.4
    for index, beat in enumerate(beats):
        span = (seconds >= beat.start_s) & (seconds <= beat.end_s)
        rows[span] = _at_home(beat, seconds[span])
        if beat.move in TRANSITIONS:
            after = seconds > beat.end_s
            phase[span], phase[after] = beat.phase(seconds[span]), beat.last
        end = np.array([beat.start_s, beat.end_s])
        into, out_of = _at_home(beat, end)
        follows = index + 1 < len(beats) and beat.last == 1.0 and beats[index + 1].first == 1.0
        previous = index > 0 and beat.first == 1.0
        if not previous:
            _blend(rows, seconds, beat.start_s - glide, beat.start_s, STAND, into)
        if follows:
            held = (seconds > beat.end_s) & (seconds < beats[index + 1].start_s)
            rows[held] = out_of
        else:
            _blend(rows, seconds, beat.end_s, beat.end_s + glide, out_of, STAND)
    return rows, phase


def _at_home(beat: Beat, seconds: np.ndarray) -> np.ndarray:
    """Controls of a beat that begins where the figure stands; a walk in a circle begins beside its middle."""
    rows = beat.controls(seconds)
    if beat.move == "loop":
        _carry(rows, np.full(len(rows), RING_RADIUS), axis=1)
    return rows


def _blend(rows: np.ndarray, seconds: np.ndarray, start: float, end: float, a: np.ndarray, b: np.ndarray) -> None:
    span = (seconds > start) & (seconds < end)
    u = ((seconds[span] - start) / (end - start))[:, None]
    rows[span] = a + u * u * (3 - 2 * u) * (b - a)


def loosen(rows: np.ndarray, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same controls with the small restlessness of a living body, which has no direction in time."""
    rows = rows.copy()
    for column, size in ((LEAN, 0.025), (SIDE, 0.02), (NOD, 0.06), (TURN, 0.12)):
        for rate in (0.35, 0.8):
            rows[:, column] += size * rng.uniform(0.3, 1.0) * np.sin(2 * np.pi * (rate * seconds + rng.random()))
    return rows


def extent(entry: StageClass) -> tuple[np.ndarray, np.ndarray]:
    """Controls and prop phase over everything that the class and its twin may show, whatever the timing."""
    s = np.linspace(0, 1, 9)
    if entry.play in ("forward", "backward"):
        return TRANSITIONS[entry.moves[0]](s), s
    if entry.play == "in order":
        rows = np.concatenate([PHRASES[move](s) for move in sorted(entry.moves)])
        return rows, np.zeros(len(rows))
    rows = CYCLES[entry.moves[0]](s)
    if entry.travel:
        _carry(rows, entry.travel * np.linspace(-0.5, 0.5, 9))
    return rows, s
