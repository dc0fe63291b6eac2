"""How accuracy grows with the number of labelled clips, and what twice as many are likely to bring.

The error is taken to fall as a power of the clips towards one that no number of them removes, error = floor + scale *
clips ** -exponent: Cortes et al. (NIPS 1993), and the middle and last regions of the curves of Hestness et al. 2017
(arXiv:1712.00409). The region of very few clips, where the error is still that of guessing, is not modelled: a curve
that gets steeper as clips come is noticed and not foretold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..results import Estimate
from .intervals import bootstrap, estimate_mean, resampled

FEWEST_SIZES = 3  # fewer tell nothing of a curve of three numbers; its floor is then 0, and nothing is foretold
# What three to six sizes leave open, these bounds settle. Twice the clips at most halve what is above the floor: rates
# of learning theory end at 1 / clips, and a steeper start is one that ends in a plateau.
EXPONENTS = np.arange(65) / 64
FLOORS = 1 - np.geomspace(1, 1 / 1000, 128)  # as shares of the error with the most clips
DOUBT, LEAST_GAP = 0.1, 0.01  # of the test that the curve fits, and the least gap in accuracy that it asks about
_CHUNK = 32  # draws that are fitted at a time: 2 MB of likelihoods, which stay in a processor's cache


@dataclass(frozen=True)
class LabelFit:
    """The curve through the accuracies at several numbers of labelled clips, and where it leads.

    floor, scale, exponent  of the error, floor + scale * clips ** -exponent; the exponent lies in 0..1
    doubled   accuracy to expect with twice the most clips, with a 95 % interval; None where that cannot be told: for
              fewer than three sizes, where the most clips left no error (a scale of 0: none of the sizes did), and
              where learning is still starting
    starting  with the most clips the model does better than any such curve through the other sizes leads to: it has
              just begun to learn, and how that goes on is in none of the sizes
    """

    floor: float
    scale: float
    exponent: float
    doubled: Estimate | None
    starting: bool


def fit_label_curve(
    clips: Sequence[int],
    right: Float[ndarray, "sizes n"],
    *,
    groups: Sequence[str | None] | None = None,
    seed: int = 0,
) -> LabelFit:
    """The curve through answers on the same n test clips, and the accuracy to expect with twice the most clips.

    clips   labelled clips that each model was trained on, ascending
    right   a row for each: 1 for every test clip that it got right, 0 for wrong, or the share of several trainings
    groups  of the test clips, drawn whole for the 95 % interval, as in `bootstrap`

    Labels are taken not to harm: what is foretold is never below the accuracy with the most clips. Its interval is no
    narrower than that of this accuracy, and reaches as far up as the slope between the last two sizes leads. Raises
    ValueError for sizes that do not ascend from 1 or more, and for answers outside 0..1 or of another number of sizes.
    """
    sizes = np.asarray(clips, np.float64)
    if not len(sizes) or sizes[0] < 1 or (np.diff(sizes) <= 0).any():
        raise ValueError(f"the sizes are {list(clips)}; they must ascend from 1 or more")
    if len(right) != len(sizes):
        raise ValueError(f"answers at {len(right)} sizes for {len(sizes)} sizes; give a row for each")
    if not ((right >= 0) & (right <= 1)).all():
        raise ValueError("answers must lie in 0..1: the share of trainings that got the clip right")
    wrong = 1 - right
    floor, scale, exponent = (float(found[0]) for found in _fit(sizes, wrong.mean(1, keepdims=True)))
    told = len(sizes) >= FEWEST_SIZES and bool(wrong[-1].any())
    starting = told and _is_starting(sizes, wrong, groups=groups, seed=seed)
    doubled = _foretold(sizes, wrong, groups=groups, seed=seed) if told and not starting else None
    return LabelFit(floor, scale, exponent, doubled, starting)


def _is_starting(sizes: ndarray, wrong: ndarray, *, groups: Sequence[str | None] | None, seed: int) -> bool:
    """Is the error with the most clips farther below the fitted curve than chance puts it where the curve is true?

    Chance is that of the test clips: resamples of them, moved so that their mean lies on the curve, are fitted anew.
    """
    errors = wrong.mean(1, keepdims=True)
    curve = _errors_at(sizes, _fit(sizes, errors))
    gap = float(curve[-1, 0] - errors[-1, 0])
    if gap < LEAST_GAP:
        return False

    def by_chance(weights: ndarray) -> ndarray:
        drawn = np.clip(wrong @ weights / weights.sum(0) - errors + curve, 0, 1)
        return _errors_at(sizes, _fit(sizes, drawn))[-1] - drawn[-1]

    draws, _ = resampled(by_chance, wrong.shape[1], groups=groups, resamples=500, seed=seed)
    return bool(np.mean(draws >= gap) < DOUBT)


def _foretold(sizes: ndarray, wrong: ndarray, *, groups: Sequence[str | None] | None, seed: int) -> Estimate:
    """The accuracy to expect with twice the most clips."""
    n, step = wrong.shape[1], np.log(2) / np.log(sizes[-1] / sizes[-2])

    def doubled(weights: ndarray) -> ndarray:
        errors = wrong @ weights / weights.sum(0)
        return 1 - np.minimum(_errors_at(2 * sizes[-1:], _fit(sizes, errors))[0], errors[-1])

    def as_of_late(weights: ndarray) -> ndarray:
        before, last = (wrong[-2:] @ weights) / weights.sum(0)
        return 1 - last * np.minimum(1, last / np.maximum(before, 1e-12)) ** step

    found = bootstrap(doubled, n, groups=groups, seed=seed)
    now = estimate_mean(1 - wrong[-1], groups=groups, seed=seed)
    steep = bootstrap(as_of_late, n, groups=groups, seed=seed)
    high = min(1.0, max(found.high, found.value + now.high - now.value, steep.high))
    low = max(0.0, min(found.low, found.value - (now.value - now.low), high - (now.high - now.low)))
    return Estimate(found.value, low, high, found.n)


def _errors_at(sizes: ndarray, fitted: tuple[ndarray, ndarray, ndarray]) -> ndarray:
    """The errors (sizes, draws) of fitted curves."""
    floor, scale, exponent = fitted
    return floor + scale * sizes[:, None] ** -exponent


def _fit(sizes: ndarray, errors: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Floor, scale and exponent, each (draws,), of the errors (sizes, draws).

    The most likely curve for counts of errors (Poisson), among all pairs of EXPONENTS and FLOORS; the height of each
    follows from the sum of the errors. Counts of 0 need no exception, and unlike with the binomial's weights, the
    smallest sizes, whose errors near 1 bend away from the law, do not decide alone. Errors that do not fall give the
    first pair: an exponent of 0, with which a floor has no meaning.
    """
    floors = FLOORS if len(sizes) >= FEWEST_SIZES else FLOORS[:1]
    exponent, share = (pair.ravel() for pair in np.meshgrid(EXPONENTS, floors, indexing="ij"))
    powers = (sizes / sizes[-1]) ** -exponent[:, None]  # of the largest one: they stay in range
    curves = share[:, None] + (1 - share[:, None]) * powers  # 1 at the most clips
    heights = curves.sum(1)
    logs = np.log(curves / heights[:, None]).T
    draws = range(0, errors.shape[1], _CHUNK)
    best = np.concatenate([(errors[:, first : first + _CHUNK].T @ logs).argmax(1) for first in draws])
    last = errors.sum(0) / heights[best]
    exponent, share = exponent[best], share[best]
    return share * last, (1 - share) * last * sizes[-1] ** exponent, exponent
