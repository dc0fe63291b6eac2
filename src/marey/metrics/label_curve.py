"""How accuracy grows with the number of labelled clips, and what twice as many are likely to bring.

The error is taken to fall as a power of the clips towards one that no number of them removes, error = floor + scale *
clips ** -exponent: Cortes et al. (NIPS 1993), and the middle and last regions of the curves of Hestness et al. 2017
(arXiv:1712.00409). The region of very few clips, where the error is still that of guessing, is not modelled.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..results import Estimate
from .intervals import bootstrap

FEWEST_SIZES = 3  # fewer tell nothing of a curve of three numbers; its floor is then 0, and nothing is foretold
# What three to six sizes leave open, these bounds settle. Twice the clips at most halve what is above the floor: rates
# of learning theory end at 1 / clips, and a steeper start is one that ends in a plateau.
EXPONENTS = np.arange(65) / 64
FLOORS = 1 - np.geomspace(1, 1 / 1000, 128)  # as shares of the error with the most clips
_CHUNK = 32  # draws that are fitted at a time: 2 MB of likelihoods, which stay in a processor's cache


def fit_label_curve(
    clips: Sequence[int],
    right: Float[ndarray, "sizes n"],
    *,
    groups: Sequence[str | None] | None = None,
    seed: int = 0,
) -> tuple[float, float, float, Estimate | None]:
    """(floor, scale, exponent, accuracy to expect with twice the most clips) from answers on the same n test clips.

    clips   labelled clips that each model was trained on, ascending
    right   a row for each: 1 for every test clip that it got right, 0 for wrong, or the share of several trainings
    groups  of the test clips, drawn whole for the 95 % interval, as in `bootstrap`

    The exponent lies in 0..1: labels are taken not to harm. The accuracy is None for fewer than three sizes and where
    the most clips left no error; a scale of 0 says that none of the sizes did. Raises ValueError for sizes that do not
    ascend from 1 or more, and for answers outside 0..1 or of another number of sizes.
    """
    sizes = np.asarray(clips, np.float64)
    if not len(sizes) or sizes[0] < 1 or (np.diff(sizes) <= 0).any():
        raise ValueError(f"the sizes are {list(clips)}; they must ascend from 1 or more")
    if len(right) != len(sizes):
        raise ValueError(f"answers at {len(right)} sizes for {len(sizes)} sizes; give a row for each")
    if not ((right >= 0) & (right <= 1)).all():
        raise ValueError("answers must lie in 0..1: the share of trainings that got the clip right")
    wrong = 1 - right

    def doubled(weights: ndarray) -> ndarray:
        floor, scale, exponent = _fit(sizes, wrong @ weights / weights.sum(0))
        return 1 - floor - scale * (2 * sizes[-1]) ** -exponent

    floor, scale, exponent = (float(found[0]) for found in _fit(sizes, wrong.mean(1, keepdims=True)))
    told = len(sizes) >= FEWEST_SIZES and wrong[-1].any()
    return floor, scale, exponent, bootstrap(doubled, right.shape[1], groups=groups, seed=seed) if told else None


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
