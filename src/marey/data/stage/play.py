"""Playing a class: its pose path under a clock, in time windows that say nothing about which of two twins it is.

A transition is seen within holds of chance length before and after, which are equally distributed, so the frames of
"sit down" in a shuffled bag are distributed like those of "stand up". A cycle starts at a chance phase, so at any
instant its slow and its fast class show the same distribution of poses. Of two phrases each comes first equally often.
"""

from dataclasses import dataclass

import numpy as np

from .body import CONTROLS, HAND_L, HAND_R, LEAN, NOD, PELVIS, SIDE, STAND, TURN
from .classes import StageClass
from .moves import CYCLES, PHRASES, TRANSITIONS


@dataclass(frozen=True)
class Performance:
    """What the figure does at each of t instants: `controls` (t, CONTROLS) and the phase (t,) of its prop.

    beats  (move, start_s, end_s, phase at the start, phase at the end): when which path is played, for the sounds
    start_s, end_s  when the action is under way
    """

    controls: np.ndarray
    phase: np.ndarray
    beats: tuple[tuple[str, float, float, float, float], ...]
    start_s: float
    end_s: float


def _eased(u: np.ndarray) -> np.ndarray:
    u = np.clip(u, 0, 1)
    return 0.35 * u + 0.65 * u * u * (3 - 2 * u)


def perform(
    entry: StageClass, seconds: np.ndarray, duration_s: float, tempo: float, rng: np.random.Generator
) -> Performance:
    """Play `entry` at the instants `seconds` (t,) of a clip of `duration_s`; `tempo` is the actor's own, about 1."""
    if entry.play in ("forward", "backward"):
        length = min(rng.uniform(1.15, 1.75) / tempo, duration_s * rng.uniform(0.60, 0.85))
        start = rng.uniform(-0.12 * length, duration_s - 0.88 * length)
        phase = _eased((seconds - start) / length)
        ends = (0.0, 1.0)
        if entry.play == "backward":
            phase, ends = 1 - phase, (1.0, 0.0)
        rows = TRANSITIONS[entry.moves[0]](phase)
        beats = ((entry.moves[0], start, start + length, *ends),)
    elif entry.play == "in order":
        length = min(rng.uniform(0.95, 1.25) / tempo, duration_s * rng.uniform(0.40, 0.46))
        gap = rng.uniform(0, 0.06) * duration_s
        start = rng.uniform(-0.06 * length, duration_s - 1.94 * length - gap)
        rows, phase, played = np.repeat(STAND[None], len(seconds), 0), np.zeros(len(seconds)), []
        for move, begin in zip(entry.moves, (start, start + length + gap), strict=True):
            part = (seconds - begin) / length
            on = (part >= 0) & (part <= 1)
            rows[on] = PHRASES[move](part[on])
            played.append((move, begin, begin + length, 0.0, 1.0))
        beats = tuple(played)
    else:
        rate = entry.rate * tempo * rng.uniform(0.88, 1.14)
        first = rng.random()
        phase = first + rate * seconds
        rows = CYCLES[entry.moves[0]](phase)
        beats = ((entry.moves[0], 0.0, duration_s, first, first + rate * duration_s),)
        if entry.travel:
            _carry(rows, entry.travel * rate * (seconds - duration_s * rng.uniform(0.3, 0.7)))
    return Performance(rows, phase, beats, max(0.0, beats[0][1]), min(duration_s, beats[-1][2]))


def _carry(rows: np.ndarray, distance: np.ndarray) -> None:
    """Move pelvis, hands and feet along x."""
    for column in (PELVIS.start, HAND_L.start, HAND_R.start, 15, 18):
        rows[:, column] += distance


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
    assert rows.shape[1] == CONTROLS
    if entry.travel:
        _carry(rows, entry.travel * np.linspace(-0.5, 0.5, 9))
    return rows, s
