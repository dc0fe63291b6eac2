"""Whether one model is right more often than another on the same clips, or chance explains it.

Fisher, The Design of Experiments (1935), section 21: a difference is weighed against all that turning signs gives.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from .intervals import group_codes

Key = TypeVar("Key", bound=Hashable)
Paired = tuple[np.ndarray, np.ndarray, Sequence[str | None] | None]
SIGNIFICANT = 0.05  # a difference is called beyond chance where its corrected p is smaller


def sign_flip_test(a_right: np.ndarray, b_right: np.ndarray, *, groups: Sequence[str | None] | None = None) -> float:
    """Exact two-sided p that two models are right equally often: right (1) or wrong (0), one a clip, of the same clips.

    groups  one a clip: clips of one source are no independent evidence, so that they change sides together

    If neither model is better, the answers of the two to a group might as well have been exchanged. p is the share of
    all ways to exchange some in which the difference is as great as it was, or greater. They are counted, not drawn, as
    sums of whole numbers are few. Where every clip is a group by itself this is McNemar's exact test. Groups in which
    both are right equally often tell nothing; n others give no p below 2 ** (1 - n).
    """
    a, b = np.asarray(a_right), np.asarray(b_right)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"a is of shape {a.shape}, b of shape {b.shape}; both must be (clips,) over the same clips")
    if not np.isin((a, b), (0, 1)).all():
        raise ValueError("the sign-flip test takes right (1) or wrong (0) for every clip; there are other values")
    sums = np.bincount(group_codes(groups, len(a)), a.astype(float) - b.astype(float)).astype(int)
    total = int(np.abs(sums).sum())
    ways = np.zeros(total + 1)  # share of all in which the sums of the groups that speak for a come to 0, 1, ... total
    ways[0] = 1.0
    for size in np.abs(sums[sums != 0]):
        ways[size:] += ways[:-size].copy()
        ways /= 2
    as_great = np.abs(2 * np.arange(total + 1) - total) >= abs(int(sums.sum()))
    return min(1.0, float(ways[as_great].sum()))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p values corrected for their number (Holm, Scandinavian Journal of Statistics 1979), in the order given.

    Whoever calls those below 0.05 real is wrong about any of them with a chance of 5 % at most, however they depend on
    each other.
    """
    given = np.asarray(p_values, np.float64)
    order = np.argsort(given, kind="stable")
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(1, np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1)))
    return corrected


def sign_flip_tests(pairs: Mapping[Key, Paired]) -> dict[Key, float]:
    """p of the sign-flip test of each pair, (a_right, b_right, groups), corrected for how many pairs there are."""
    found = [sign_flip_test(a, b, groups=groups) for a, b, groups in pairs.values()]
    return dict(zip(pairs, holm(found).tolist(), strict=True))


def too_few_to_tell(units: int, tests: int) -> bool:
    """Whether so many clips, or groups of them, leave no p below 0.05 once it is corrected for so many tests."""
    return tests * 2.0 ** (1 - units) >= SIGNIFICANT
