"""Scores of rankings: average precision, ROC area and the curves that they are areas of.

Clips of equal score enter together, so no figure depends on the order of the clips. Average precision is the step sum
of precision over gains in recall, without interpolation; the ROC area equals the chance that a positive clip outscores
a negative one, ties counting one half.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .intervals import Statistic


@dataclass(frozen=True)
class Ranking:
    """One class's clips from the best score to the worst, cut into steps of equal score.

    order     int (n,): clips by falling score
    positive  bool (n,), in that order
    ends      int (steps,): last place of every step
    """

    order: np.ndarray
    positive: np.ndarray
    ends: np.ndarray

    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """True and false positives down to each step, float64 (steps,)."""
        true = np.cumsum(self.positive)[self.ends].astype(np.float64)
        return true, self.ends + 1.0 - true


def rank(scores: np.ndarray, positive: np.ndarray) -> Ranking:
    """Ranking of one class: scores float (n,), positive bool (n,)."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.flatnonzero(np.r_[falling[1:] != falling[:-1], True])
    return Ranking(order, np.asarray(positive, bool)[order], ends)


def areas_statistic(ranking: Ranking) -> Callable[[np.ndarray], np.ndarray]:
    """Clip weights (n, r) -> average precision and ROC area (2, r); nan without positives, or without either kind.

    Only steps that hold a positive clip add to either area.
    """
    places = np.flatnonzero(ranking.positive)
    if not len(places):
        return lambda weights: np.full((2, weights.shape[1]), np.nan)
    step_of = np.searchsorted(ranking.ends, places)
    firsts = np.flatnonzero(np.r_[True, np.diff(step_of) != 0])  # first positive of each step that has any
    steps = step_of[firsts]
    ends, before = ranking.ends[steps], np.where(steps > 0, ranking.ends[steps - 1] + 1, 0)

    def statistic(weights: np.ndarray) -> np.ndarray:
        ordered = weights[ranking.order]
        seen = np.zeros((len(ordered) + 1, ordered.shape[1]))  # seen[i]: weight of the first i clips
        np.cumsum(ordered, axis=0, out=seen[1:])
        gain = np.add.reduceat(ordered[places], firsts)
        true, down_to = np.cumsum(gain, axis=0), seen[ends + 1]
        precision = np.divide(true, down_to, out=np.zeros_like(true), where=down_to > 0)
        positives, negatives = true[-1], seen[-1] - true[-1]
        false_before = seen[before] - (true - gain)
        false_among = down_to - seen[before] - gain
        outscored = (gain * (negatives - false_before - false_among / 2)).sum(0)
        return np.stack([_ratio((gain * precision).sum(0), positives), _ratio(outscored, positives * negatives)])

    return statistic


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, nan where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def areas(ranking: Ranking) -> tuple[float, float]:
    """(average precision, ROC area) of one class; nan without positives, or without either kind."""
    precision, area = areas_statistic(ranking)(np.ones((len(ranking.order), 1)))[:, 0].tolist()
    return precision, area


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Average precision of one class, both (n,); nan where no clip is positive."""
    return areas(rank(scores, positive))[0]


def roc_auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve of one class, both (n,); nan where all clips are positive, or none."""
    return areas(rank(scores, positive))[1]


def mean_average_precision(scores: np.ndarray, truth: np.ndarray) -> tuple[float, tuple[int, ...]]:
    """(mAP, classes left out): the mean over classes with a positive clip; both arrays (n, classes), truth bool."""
    each = np.array([average_precision(s, t) for s, t in zip(scores.T, truth.T, strict=True)])
    scored = np.isfinite(each)
    mean = float(each[scored].mean()) if scored.any() else float("nan")
    return mean, tuple(np.flatnonzero(~scored).tolist())


def macro_statistics(rankings: Sequence[Ranking]) -> tuple[Statistic, Statistic]:
    """(mAP, macro ROC area) as functions of clip weights: means over the classes that a draw determines."""
    each = [areas_statistic(ranking) for ranking in rankings]

    def macro(which: int) -> Statistic:
        def statistic(weights: np.ndarray) -> np.ndarray:
            found = np.stack([areas(weights)[which] for areas in each])
            known = np.isfinite(found)
            return _ratio(np.where(known, found, 0.0).sum(0), known.sum(0).astype(np.float64))

        return statistic

    return macro(0), macro(1)


def thin(x: np.ndarray, y: np.ndarray, *, most: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` points of a curve, both ends kept: corners first, else points evenly spread along its length."""
    if len(x) > 2:  # points inside a straight run say nothing
        step = np.diff(x) + 1j * np.diff(y)
        bend = np.abs((step[:-1].conj() * step[1:]).imag) > 1e-9 * np.abs(step[:-1] * step[1:])
        keep = np.r_[True, bend, True]
        x, y = x[keep], y[keep]
    if len(x) > most:
        along = np.r_[0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))]
        keep = np.unique(np.searchsorted(along, np.linspace(0.0, along[-1], most)))
        keep[0], keep[-1] = 0, len(x) - 1
        x, y = x[keep], y[keep]
    return x, y


def roc_curve(ranking: Ranking, *, most: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """(false positive rate, true positive rate) from (0, 0) to (1, 1), thinned; needs a positive and a negative."""
    true, false = ranking.counts()
    return thin(np.r_[0.0, false / false[-1]], np.r_[0.0, true / true[-1]], most=most)


def precision_recall_curve(ranking: Ranking, *, most: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """(recall, precision) by rising recall from 0, where it has the first precision; thinned; needs a positive."""
    true, false = ranking.counts()
    precision = true / (true + false)
    return thin(np.r_[0.0, true / true[-1]], np.r_[precision[0], precision], most=most)
