"""From what a model said of labelled clips to the score from which a class is on, for what a person asks for.

Each wish must be met with confidence: its exact one-sided bound is what counts, not the figure on the clips at hand
(Clopper and Pearson, Biometrika 1934, for shares; Garwood, Biometrika 1936, for rates). Clips count as independent; a
score below 0 is of a clip for which nothing is ever on. A threshold lies halfway between the lowest score that is on
and the next below, so it sorts the clips as that score would. Recall and false alarms fall as the threshold rises, so a
bound for one threshold holds for the one that is chosen. Precision does neither, and of many thresholds one shows it by
luck: its bound is for all of them at once (`confidence_at_once`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import bdtr, bdtrik, betaincinv, gammaincinv

_HALVINGS = 10  # of the doubt's logarithm: to a part in a hundred


@dataclass(frozen=True)
class Threshold:
    """A score from which a class is on, and how that fares on the clips that it was chosen on.

    bound   at least this precision or recall, with the confidence that was asked for
    alarms  clips that it is on for, right: those of them that show the class
    """

    value: float
    bound: float
    alarms: int
    right: int


@dataclass(frozen=True)
class Unreachable:
    """That no threshold does what was asked for, and the best that one does: a bound, 0 where there is nothing."""

    best: float


def share_at_least(successes: np.ndarray | int, n: np.ndarray | int, *, confidence: float = 0.95) -> np.ndarray:
    """The share that `successes` of `n` show with this confidence: Clopper and Pearson's one-sided lower bound."""
    successes, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(n, np.float64))
    some = successes > 0
    return np.where(some, betaincinv(np.where(some, successes, 1), n - successes + 1, 1 - confidence), 0.0)


def rate_at_most(count: int, hours: float, *, confidence: float = 0.95) -> float:
    """The rate an hour that `count` events in so many hours leave possible with this confidence: Garwood's bound.

    No event in h hours leaves 3 / h, the rule of three.
    """
    return float(gammaincinv(count + 1, confidence)) / hours


def threshold_for_precision(
    scores: np.ndarray, positive: np.ndarray, wanted: float, *, confidence: float = 0.95
) -> Threshold | Unreachable:
    """The lowest threshold (so the most recall) of which at least `wanted` of the alarms are right.

    The `best` of what is unreachable is in thousandths, and can be asked for.
    """
    steps, alarms, right = _steps(scores, positive)

    def bounds_for(share: float) -> np.ndarray:
        at_once = confidence_at_once(len(scores), share, confidence=confidence)
        return share_at_least(right, alarms, confidence=at_once)

    bounds = bounds_for(wanted)
    reached = np.flatnonzero(bounds >= wanted)
    if len(reached):
        return _chosen(steps, bounds, alarms, right, reached, -1)
    best = wanted
    while best > 0 and bounds.max(initial=0.0) < best:  # to ask for less may take more confidence
        best = np.floor(1000 * bounds.max(initial=0.0)) / 1000
        bounds = bounds_for(best) if best > 0 else bounds
    return Unreachable(float(best))


@lru_cache(maxsize=1000)
def confidence_at_once(clips: int, wanted: float, *, confidence: float = 0.95) -> float:
    """The confidence of each of the `clips` thresholds that there can be with which all at once have `confidence`.

    It is exact for scores that say nothing of clips of which a share of `wanted` shows the class, where every threshold
    is as good, and all of them fall short by next to nothing: the chance that a bound shows more anywhere is the doubt.
    It depends on nothing but the number of clips, so what they are cannot bend it.
    """
    doubt = 1 - confidence
    low, high = np.log(doubt / clips), np.log(doubt)  # Bonferroni's, which is enough, and that of a single threshold
    if _shown_by_luck(clips, 1 - wanted, doubt, most=doubt):
        return confidence
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = _shown_by_luck(clips, 1 - wanted, float(np.exp(middle)), most=doubt)
        low, high = (middle, high) if enough else (low, middle)
    return 1 - float(np.exp(low))


def _shown_by_luck(clips: int, wrong: float, doubt: float, *, most: float) -> bool:
    """Is the chance at most `most` that among the first 1, 2, ... of so many clips, each wrong with this chance, there
    are ever so few wrong ones that fewer yet have a chance of `doubt`?"""
    counts = np.arange(1, clips + 1)
    few = np.maximum(np.floor(np.nan_to_num(bdtrik(doubt, counts, wrong), nan=-1.0)).astype(int) + 1, 0)
    few = few - (bdtr(few, counts, wrong) > doubt)
    few = few - ((few >= 0) & (bdtr(np.maximum(few, 0), counts, wrong) > doubt))
    chance = np.zeros(max(int(few.max()), 0) + 3)  # of so many wrong clips, none of the counts before having too few
    chance[0], lucky = 1.0, 0.0
    for limit in few.tolist():
        chance[1:] = chance[1:] * (1 - wrong) + chance[:-1] * wrong  # the last leads nowhere that counts
        chance[0] *= 1 - wrong
        if limit >= 0:
            lucky += float(chance[: limit + 1].sum())
            chance[: limit + 1] = 0
            if lucky > most:
                return False
    return True


def threshold_for_recall(
    scores: np.ndarray, positive: np.ndarray, wanted: float, *, confidence: float = 0.95
) -> Threshold | Unreachable:
    """The highest threshold that finds at least `wanted` of the clips of the class."""
    steps, alarms, right = _steps(scores, positive)
    bounds = share_at_least(right, int(np.sum(positive)), confidence=confidence)
    reached = np.flatnonzero(bounds >= wanted)
    return _chosen(steps, bounds, alarms, right, reached, 0)


def false_alarms_allowed(wanted: float, hours: float, *, confidence: float = 0.95) -> int | None:
    """The most false alarms in so many hours that still show a rate of at most `wanted`; None where not even 0 do."""
    low, high = -1, int(wanted * hours) + 1  # the bound of a rate is above it, for any confidence from a half on
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if rate_at_most(middle, hours, confidence=confidence) <= wanted else (low, middle)
    return None if low < 0 else low


def supportable_rate(hours: float, *, confidence: float = 0.95) -> float:
    """The lowest rate an hour that so many hours without any false alarm can show."""
    return rate_at_most(0, hours, confidence=confidence)


def threshold_for_false_alarms(
    negative: np.ndarray, positive: np.ndarray, alarms_at: Callable[[float], int], allowed: int
) -> float | None:
    """The lowest threshold at which no more than `allowed` false alarms are raised; None where none does that.

    negative   every score on video that does not show the class, positive: of clips that do
    alarms_at  threshold -> false alarms

    Where the alarms allowed are more than there ever are, it is 0.
    """
    steps = np.unique(negative)
    steps = steps[steps >= 0]
    low, high = -1, len(steps)  # the steps from `high` on are quiet enough, that at `low` is not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if alarms_at(float(steps[middle])) <= allowed else (middle, high)
    if low < 0:
        return 0.0
    loudest, top = float(steps[low]), 1.0
    if loudest >= top:
        return None
    above = np.concatenate((steps[high:], positive, [top]))
    return halfway([loudest], float(above[above > loudest].min()))


def halfway(scores: Sequence[float] | np.ndarray, lowest_on: float) -> float:
    """Between the lowest score that is on and the highest below it; that score itself where there is none below."""
    below = np.asarray(scores, np.float64)
    below = below[(below < lowest_on) & (below >= 0)]
    return float((lowest_on + below.max()) / 2) if len(below) else float(lowest_on)


def _steps(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(falling distinct scores, clips with at least that score, how many of them show the class); none below 0."""
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if scores.shape != positive.shape or scores.ndim != 1:
        raise ValueError(f"scores are of shape {scores.shape}, truth of {positive.shape}; both must be (clips,)")
    if not positive.any():
        raise ValueError("no clip shows the class, so no threshold can be chosen")
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(scores[order]) != 0, True])
    ends = ends[scores[order][ends] >= 0]
    return scores[order][ends], ends + 1, np.cumsum(positive[order])[ends]


def _chosen(
    steps: np.ndarray, bounds: np.ndarray, alarms: np.ndarray, right: np.ndarray, reached: np.ndarray, which: int
) -> Threshold | Unreachable:
    """The threshold at the first or last (`which`) of the steps that are reached."""
    if not len(reached):
        return Unreachable(float(bounds.max(initial=0.0)))
    place = int(reached[which])
    value = halfway(steps, float(steps[place]))
    return Threshold(value, float(bounds[place]), int(alarms[place]), int(right[place]))
