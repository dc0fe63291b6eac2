"""What a film looks like, small enough to compare every film with every other: see duplicates.py for the rule."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..video import Video

CELLS, MOST_FRAMES, FINEST_STEP_S, READ_PX = 12, 40, 0.125, 36
LEAST_APPEARANCE, LEAST_PLACE, LEAST_MOTION = 0.85, 0.5, 0.8
STILL_LEVELS, LEAST_STILL_APPEARANCE = 1.0, 0.995  # grey levels of 255
BLOCK = 512  # rows of the pairwise tables held at a time: 35,000 columns of float32 take 72 MB


@dataclass(frozen=True)
class Signature:
    """What a film looks like, in 12 x 12 cells of grey levels; about 12 kB.

    mean    float32 (144,): the mean frame
    place   float32 (144,): the standard deviation over time
    motion  float16 (t, 144): the frames at multiples of step_s, less the mean frame
    """

    step_s: float
    mean: np.ndarray
    place: np.ndarray
    motion: np.ndarray

    @property
    def still(self) -> bool:
        """Whether next to nothing moves."""
        return bool((self.place**2).mean() < STILL_LEVELS**2)


@dataclass(frozen=True)
class Likeness:
    """Signatures number `first` and `second` look alike, the second one `shift_s` later and perhaps mirrored."""

    first: int
    second: int
    shift_s: float
    mirrored: bool
    still: bool


def cells(planes: np.ndarray, count: int) -> np.ndarray:
    """float32 (..., count, count): the mean of each cell of pictures (..., h, w), by exact areas."""
    return _areas(planes.shape[-2], count) @ planes.astype(np.float32) @ _areas(planes.shape[-1], count).T


def _areas(pixels: int, count: int) -> np.ndarray:
    """float32 (count, pixels): the share of each pixel in each of equal cells; rows add up to 1."""
    edges, pixel = np.linspace(0, pixels, count + 1), np.arange(pixels)
    covered = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.maximum(0, covered) * count / pixels).astype(np.float32)


def signature(video: Video) -> Signature:
    """Read the frames of the grid."""
    step_s = FINEST_STEP_S
    while video.info.duration_s > MOST_FRAMES * step_s:
        step_s *= 2
    count = max(1, int(np.ceil(video.info.duration_s / step_s - 1e-6)))
    frames = video.frames_at(step_s * np.arange(count), short_px=READ_PX).frames
    grey = frames @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return describe(cells(grey, CELLS).reshape(count, -1), step_s)


def describe(grey: np.ndarray, step_s: float) -> Signature:
    """The signature of grey levels (t, 144)."""
    mean = grey.mean(axis=0, dtype=np.float32)
    motion = grey - mean
    return Signature(step_s, mean, np.sqrt((motion**2).mean(axis=0)), motion.astype(np.float16))


def alike(signatures: Sequence[Signature]) -> list[Likeness]:
    """Pairs of signatures that look alike as they are or mirrored, `first` < `second`.

    Tables of all pairs are made a block of rows at a time from two vectors a film; only pairs that pass both are
    compared frame by frame.
    """
    if not signatures:
        return []
    still = np.array([s.still for s in signatures])
    means, places = (
        _standardized(np.stack(rows)) for rows in zip(*((s.mean, s.place) for s in signatures), strict=True)
    )
    found: list[Likeness] = []
    for mirrored in (False, True):
        other_means, other_places = (_mirror(means), _mirror(places)) if mirrored else (means, places)
        for top in range(0, len(signatures), BLOCK):
            rows = slice(top, top + BLOCK)
            appearance = means[rows] @ other_means[top:].T
            later = ~np.tri(*appearance.shape, dtype=bool)  # each pair once, and none with itself
            both_still = still[rows, None] & still[top:] & later
            for a, b in np.argwhere((appearance >= LEAST_STILL_APPEARANCE) & both_still).tolist():
                found.append(Likeness(top + a, top + b, 0.0, mirrored, still=True))
            likely = (appearance >= LEAST_APPEARANCE) & ~still[rows, None] & ~still[top:] & later
            likely &= places[rows] @ other_places[top:].T >= LEAST_PLACE
            for a in np.flatnonzero(likely.any(axis=1)).tolist():
                others = (top + np.flatnonzero(likely[a])).tolist()
                motion, shift_s = motion_likeness(
                    signatures[top + a], [signatures[b] for b in others], mirrored=mirrored
                )
                for i in np.flatnonzero(motion >= LEAST_MOTION).tolist():
                    found.append(Likeness(top + a, others[i], float(shift_s[i]), mirrored, still=False))
    return sorted(found, key=lambda like: (like.first, like.second, like.mirrored))


def motion_likeness(
    one: Signature, others: Sequence[Signature], *, mirrored: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """float (k,): the correlation of the frames less the mean frame at the best shift that leaves half; and that shift.

    The shift in seconds is when the other film starts, on the clock of `one`.
    """
    likeness, shift_s = np.full(len(others), -1.0), np.zeros(len(others))
    for step_s in {max(one.step_s, other.step_s) for other in others}:
        mine = one.motion[:: round(step_s / one.step_s)].astype(np.float32)
        mine = _mirror(mine) if mirrored else mine
        index = [i for i, other in enumerate(others) if max(one.step_s, other.step_s) == step_s]
        for part in (index[i : i + BLOCK] for i in range(0, len(index), BLOCK)):
            motions = [others[i].motion[:: round(step_s / others[i].step_s)] for i in part]
            likeness[part], shift = _best_shift(mine, motions)
            shift_s[part] = step_s * shift
    return likeness, shift_s


def _best_shift(mine: np.ndarray, motions: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """float (k,), int (k,): the largest correlation of `mine` (n, 144) with each of k motions (m, 144), and its shift.

    Shift s puts frame i of `mine` beside frame i - s of the other; at least half of the shorter one must be covered.
    """
    n, lengths = len(mine), np.array([[len(motion)] for motion in motions])
    longest = int(lengths.max())
    padded = np.zeros((len(motions), longest, mine.shape[1]), dtype=np.float32)
    for i, motion in enumerate(motions):
        padded[i, : len(motion)] = motion
    products = (mine @ padded.reshape(-1, mine.shape[1]).T).reshape(n, len(motions), longest)
    dots = np.zeros((len(motions), n + longest - 1), dtype=np.float32)
    for i in range(n):
        dots[:, n - 1 - i : n - 1 - i + longest] += products[i]
    shifts = n - 1 - np.arange(n + longest - 1)
    start, stop = np.maximum(0, shifts), np.maximum(0, np.minimum(n, lengths + shifts))  # of the part of mine covered
    energy = np.concatenate([[0.0], np.cumsum((mine**2).sum(axis=1))])
    energies = np.pad(np.cumsum((padded**2).sum(axis=2), axis=1), ((0, 0), (1, 0)))
    others_share = np.take_along_axis(energies, np.maximum(0, stop - shifts), axis=1) - energies[:, start - shifts]
    size = np.sqrt(np.maximum((energy[stop] - energy[start]) * others_share, 1e-6))
    enough = 2 * (stop - start) >= np.minimum(n, lengths)
    correlation = np.where(enough, dots / size, -1.0)
    best = correlation.argmax(axis=1)
    return correlation.max(axis=1), shifts[best]


def _standardized(rows: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and length 1, so that products are correlations; flat rows become 0."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _mirror(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(len(rows), CELLS, CELLS)[:, :, ::-1].reshape(len(rows), -1)
