"""Figures with 95 % intervals, by resampling clips, or whole groups where clips share a source.

A statistic here is a function of clip weights, (clips, resamples) -> (resamples,): weights of one give the figure,
the weights of a resample (how often each clip was drawn) give one draw of it. Percentile and cluster bootstrap after
Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ..results import Estimate

Statistic = Callable[[np.ndarray], np.ndarray]
Z_95 = 1.959963984540054  # 97.5 % point of the normal distribution
_CHUNK_WEIGHTS = 500_000  # weights held at a time: 4 MB, which stays in a processor's cache


def group_codes(groups: Sequence[str | None] | None, clips: int) -> np.ndarray:
    """int (clips,): equal numbers for clips that are drawn together; a clip without a group is one by itself."""
    if groups is None:
        return np.arange(clips)
    if len(groups) != clips:
        raise ValueError(f"{len(groups)} groups for {clips} clips; give one for each clip, None where it has none")
    known: dict[object, int] = {}
    return np.array([known.setdefault(i if g is None else (g,), len(known)) for i, g in enumerate(groups)], np.int64)


def bootstrap(
    statistic: Statistic,
    clips: int,
    *,
    groups: Sequence[str | None] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    bounds: tuple[float, float] = (0.0, 1.0),
    centred: bool = False,
) -> Estimate:
    """`statistic` over `clips` clips with its 95 % percentile interval; `n` counts what was resampled.

    groups   one a clip: whole groups are drawn (cluster bootstrap), as clips of one source are no independent evidence
    bounds   least and greatest value that the statistic can take
    centred  move the draws so that their mean is the figure: for statistics that resampling itself inflates, as a clip
             drawn twice makes average precision and calibration error larger

    Draws that the statistic leaves undefined (nan) are left out. Where all draws agree (every clip right, say) the
    bootstrap is blind: the interval then reaches z^2 / (n + z^2) of the way to each bound, which for 0 or n right of
    n is Wilson's interval. Raises ValueError for no clips and for a statistic that is undefined on all of them.
    """
    if clips < 1:
        raise ValueError("there are no clips to score")
    value = float(statistic(np.ones((clips, 1)))[0])
    if not np.isfinite(value):
        raise ValueError(f"the statistic is {value} on the {clips} clips themselves; there is nothing to resample")
    draws, count = resampled(statistic, clips, groups=groups, resamples=resamples, seed=seed)
    draws = draws[np.isfinite(draws)]
    if centred and len(draws):
        draws = draws - draws.mean() + value
    low, high = np.quantile(draws, (0.025, 0.975)) if len(draws) else (value, value)
    if high - low < 1e-12:
        reach = Z_95**2 / (count + Z_95**2)
        low, high = value - reach * (value - bounds[0]), value + reach * (bounds[1] - value)
    return Estimate(value, float(np.clip(min(low, value), *bounds)), float(np.clip(max(high, value), *bounds)), count)


def resampled(
    statistic: Statistic,
    clips: int,
    *,
    groups: Sequence[str | None] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[np.ndarray, int]:
    """(the statistic of each resample, of how many clips or groups each is drawn), as in `bootstrap`."""
    codes = group_codes(groups, clips)
    count, rng = int(codes.max()) + 1, np.random.default_rng(seed)
    width = max(1, _CHUNK_WEIGHTS // clips)
    starts = range(0, resamples, width)
    parts = [statistic(_weights(rng, codes, count, min(width, resamples - s))) for s in starts]
    return np.concatenate(parts), count


def _weights(rng: np.random.Generator, codes: np.ndarray, count: int, width: int) -> np.ndarray:
    """float64 (clips, width): how often each clip is in each resample of `count` groups with replacement."""
    times = np.empty((count, width))
    for column in times.T:
        column[:] = np.bincount(rng.integers(count, size=count), minlength=count)
    return times[codes]


def mean_statistic(values: np.ndarray) -> Statistic:
    """The mean of one value a clip: accuracy where the values say right or wrong."""
    values = np.asarray(values, np.float64)
    return lambda weights: values @ weights / weights.sum(0)


def round_mean_statistic(values: np.ndarray, classes: np.ndarray | None = None) -> Statistic:
    """The mean over rounds of the mean over the clips that each asked about, or of the mean over their classes.

    values  (rounds, clips), nan where a round did not ask; a clip is drawn for all rounds at once, as they share it
    """
    asked = np.isfinite(values)
    parts = [
        mean_statistic(row[mine]) if classes is None else class_mean_statistic(row[mine], classes[mine])
        for row, mine in zip(np.asarray(values, np.float64), asked, strict=True)
    ]

    def statistic(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # a round none of whose clips is drawn
            return np.mean([part(weights[mine]) for part, mine in zip(parts, asked, strict=True)], axis=0)

    return statistic


def class_mean_statistic(values: np.ndarray, classes: np.ndarray) -> Statistic:
    """The mean over classes of the mean over each class's clips; classes that a resample lacks are left out of it."""
    order = np.argsort(classes, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(np.asarray(classes)[order]) != 0])
    ordered = np.asarray(values, np.float64)[order, None]

    def statistic(weights: np.ndarray) -> np.ndarray:
        weights = weights[order]
        drawn = np.add.reduceat(weights, starts)
        sums = np.add.reduceat(weights * ordered, starts)
        present = drawn > 0
        return np.divide(sums, drawn, out=np.zeros_like(sums), where=present).sum(0) / present.sum(0)

    return statistic


def estimate_mean(
    values: np.ndarray, *, groups: Sequence[str | None] | None = None, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Mean of values in 0..1, one a clip, with its interval: top-k accuracy from right (1) and wrong (0)."""
    return bootstrap(mean_statistic(values), len(values), groups=groups, resamples=resamples, seed=seed)


def estimate_class_mean(
    values: np.ndarray,
    classes: np.ndarray,
    *,
    groups: Sequence[str | None] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Mean over classes (int, one a clip) of the mean of values in 0..1: mean per class (balanced) accuracy."""
    if len(values) != len(classes):
        raise ValueError(f"{len(values)} values for {len(classes)} classes; give one class for each clip")
    statistic = class_mean_statistic(values, classes)
    return bootstrap(statistic, len(values), groups=groups, resamples=resamples, seed=seed)


def estimate_rounds(
    values: np.ndarray,
    *,
    classes: np.ndarray | None = None,
    groups: Sequence[str | None] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Estimate:
    """Mean over rounds of accuracy, or with `classes` of mean per class accuracy; see `round_mean_statistic`."""
    statistic = round_mean_statistic(values, classes)
    return bootstrap(statistic, values.shape[1], groups=groups, resamples=resamples, seed=seed, bounds=bounds)


def paired_difference(
    a_correct: np.ndarray,
    b_correct: np.ndarray,
    *,
    classes: np.ndarray | None = None,
    groups: Sequence[str | None] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Accuracy of a less that of b on the same clips in the same order, in -1..1, with its interval.

    classes  int, one a clip: the difference of mean per class accuracies instead

    The clips that both get right, or both wrong, cancel, so the interval is narrower than two intervals side by side
    suggest. One better than the other beyond chance: the interval leaves out 0.
    """
    a, b = np.asarray(a_correct, np.float64), np.asarray(b_correct, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"a is of shape {a.shape}, b of shape {b.shape}; both must be (clips,) over the same clips")
    statistic = mean_statistic(a - b) if classes is None else class_mean_statistic(a - b, classes)
    return bootstrap(statistic, len(a), groups=groups, resamples=resamples, seed=seed, bounds=(-1.0, 1.0))


def wilson(successes: float | int, n: int) -> Estimate:
    """A proportion with Wilson's score interval (1927), for a few independent clips."""
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}; n must be 1 or more and successes in 0..n")
    share, z2 = successes / n, Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * (share * (1 - share) / n + z2 / (4 * n * n)) ** 0.5
    return Estimate(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)), n)
