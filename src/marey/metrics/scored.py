"""The figures of a set of scored clips, or of any part of it, each with its interval."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..results import Estimate
from .calibration import calibration_statistic
from .classification import top_k_correct
from .intervals import Statistic, bootstrap, class_mean_statistic, mean_statistic
from .ranking import Ranking, macro_statistics, rank

_RANKING_WORK = 200_000_000  # scores sorted through for one interval of a ranking figure: a few seconds
_FEWEST_RESAMPLES = 200

Estimates = dict[str, Estimate]


@dataclass(frozen=True)
class Scored:
    """Clips with their scores (n, classes), truth as in `evaluate_scores`, and how to resample them."""

    scores: np.ndarray
    truth: np.ndarray
    groups: tuple[str | None, ...] | None
    resamples: int
    seed: int

    @property
    def multi_label(self) -> bool:
        return self.truth.ndim == 2

    @cached_property
    def positive(self) -> np.ndarray:
        """bool (n, classes)"""
        return self.truth if self.multi_label else np.equal.outer(self.truth, np.arange(self.scores.shape[1]))

    @cached_property
    def rankings(self) -> list[Ranking]:
        return [rank(s, p) for s, p in zip(self.scores.T, self.positive.T, strict=True)]

    def part(self, mine: np.ndarray) -> "Scored":
        """The clips where `mine`, bool (n,), is true."""
        groups = tuple(self.groups[i] for i in np.flatnonzero(mine)) if self.groups else None
        return replace(self, scores=self.scores[mine], truth=self.truth[mine], groups=groups)

    def estimate(self, statistic: Statistic, *, most: int | None = None, centred: bool = False) -> Estimate:
        resamples = min(self.resamples, most or self.resamples)
        clips = len(self.scores)
        return bootstrap(statistic, clips, groups=self.groups, resamples=resamples, seed=self.seed, centred=centred)


def decision_metrics(scored: Scored) -> Estimates:
    """top1, top5 and mean_per_class, as far as the clips determine them."""
    scores, truth = scored.scores, scored.truth
    if scored.multi_label:
        having = np.asarray(truth.any(1))
        right = np.take_along_axis(truth, scores.argmax(1)[:, None], 1)[having, 0]
        return {"top1": scored.part(having).estimate(mean_statistic(right))} if having.any() else {}
    right = top_k_correct(scores, truth)
    found = {"top1": scored.estimate(mean_statistic(right))}
    if scores.shape[1] > 5:
        found["top5"] = scored.estimate(mean_statistic(top_k_correct(scores, truth, k=5)))
    return {**found, "mean_per_class": scored.estimate(class_mean_statistic(right, truth))}


def ranking_metrics(scored: Scored) -> Estimates:
    """map and roc_auc over the classes that determine them; absent where no class does."""
    most, ones = max(_FEWEST_RESAMPLES, _RANKING_WORK // scored.scores.size), np.ones((len(scored.scores), 1))
    statistics = dict(zip(("map", "roc_auc"), macro_statistics(scored.rankings), strict=True))
    return {
        name: scored.estimate(s, most=most, centred=True) for name, s in statistics.items() if np.isfinite(s(ones)[0])
    }


def calibration_metric(scored: Scored) -> Estimate:
    confidence, right = scored.scores, scored.positive
    if not scored.multi_label:
        best = confidence.argmax(1)[:, None]
        confidence, right = np.take_along_axis(confidence, best, 1), np.take_along_axis(right, best, 1)
    return scored.estimate(calibration_statistic(confidence, right), centred=True)
