"""How accuracy grows with the number of labelled clips, and what twice as many are likely to bring.

The error is taken to fall as a power of the clips, error = scale * clips ** -exponent: the middle region of the curves
of Hestness et al. 2017 (arXiv:1712.00409). They, and Cortes et al. (NIPS 1993), also fit the error that no number of
clips removes. Three to five sizes do not determine it, so here it is 0: a prediction near it is too hopeful. Nor is the
region of very few clips modelled, where the error is still that of guessing.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..results import Estimate
from .intervals import bootstrap

FEWEST_SIZES = 3  # two sizes fit any curve of two numbers: nothing would speak for or against it
STEEPEST = 16.0  # exponents above it are not told apart: errors that twice the clips divide by 65,536
_HALVINGS = 40  # of the range of exponents, to eleven digits


def fit_label_curve(
    clips: Sequence[int],
    right: Float[ndarray, "sizes n"],
    *,
    groups: Sequence[str | None] | None = None,
    seed: int = 0,
) -> tuple[float, float, Estimate | None]:
    """(scale, exponent, accuracy to expect with twice the most clips) from answers on the same n test clips.

    clips   labelled clips that each model was trained on, ascending
    right   a row for each: 1 for every test clip that it got right, 0 for wrong, or the share of several trainings
    groups  of the test clips, drawn whole for the 95 % interval, as in `bootstrap`

    The exponent is 0 or more: labels are taken not to harm. The accuracy is None for fewer than three sizes and where
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
        scale, exponent = _fit(sizes, wrong @ weights / weights.sum(0))
        return 1 - scale * (2 * sizes[-1]) ** -exponent

    scale, exponent = _fit(sizes, wrong.mean(1, keepdims=True))
    told = len(sizes) >= FEWEST_SIZES and wrong[-1].any()
    estimate = bootstrap(doubled, right.shape[1], groups=groups, seed=seed) if told else None
    return float(scale[0]), float(exponent[0]), estimate


def _fit(sizes: ndarray, errors: ndarray) -> tuple[ndarray, ndarray]:
    """Scale and exponent, each (draws,), of the errors (sizes, draws).

    Least squares in log space, each size weighted by the errors that the curve expects there (the inverse variance of
    the logarithm of a count): the maximum of the Poisson likelihood. Counts of 0 need no exception, and unlike with
    the binomial's weights, the smallest sizes, whose errors near 1 bend away from the law, do not decide alone.
    At the maximum, the mean logarithm of the sizes is the same under observed and fitted errors. The latter falls with
    the exponent, so that halving finds it.
    """
    logs = np.log(sizes / sizes[-1])  # of the largest one: powers of it stay in range
    total = errors.sum(0)
    wanted = np.divide(logs @ errors, total, out=np.full_like(total, logs.mean()), where=total > 0)
    low, high = np.zeros_like(total), np.full_like(total, STEEPEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        fitted = np.exp(-middle * logs[:, None])
        too_flat = logs @ fitted / fitted.sum(0) > wanted
        low, high = np.where(too_flat, middle, low), np.where(too_flat, high, middle)
    exponent = np.where(wanted < logs.mean(), (low + high) / 2, 0.0)
    at_most = total / np.exp(-exponent * logs[:, None]).sum(0)  # the error at the largest size
    return at_most * sizes[-1] ** exponent, exponent
