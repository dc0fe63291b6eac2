"""Whether a confidence of 80 % is right 80 % of the time."""

from typing import NamedTuple

import numpy as np

from .intervals import Statistic

BINS = 15


class Reliability(NamedTuple):
    """Bins of equal width over confidence; float64 (bins,), nan in the mean of an empty bin."""

    confidence: np.ndarray
    accuracy: np.ndarray
    clips: np.ndarray


def bin_index(confidence: np.ndarray, *, bins: int = BINS) -> np.ndarray:
    """int: the bin of every confidence in 0..1; bin i is (i / bins, (i + 1) / bins], the first one with its 0."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def reliability(confidence: np.ndarray, correct: np.ndarray, *, bins: int = BINS) -> Reliability:
    """Mean confidence and accuracy of each bin: the points of a reliability diagram. Both arrays are (n,)."""
    index = bin_index(confidence, bins=bins)
    count = np.bincount(index, minlength=bins).astype(np.float64)
    means = [
        np.divide(np.bincount(index, weights=w, minlength=bins), count, out=np.full(bins, np.nan), where=count > 0)
        for w in (confidence, np.asarray(correct, np.float64))
    ]
    return Reliability(means[0], means[1], count)


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, *, bins: int = BINS) -> float:
    """Mean distance of confidence and accuracy, over bins weighted by their clips (Guo et al., ICML 2017)."""
    return float(calibration_statistic(confidence[:, None], correct[:, None], bins=bins)(np.ones((len(correct), 1)))[0])


def calibration_statistic(confidence: np.ndarray, correct: np.ndarray, *, bins: int = BINS) -> Statistic:
    """Expected calibration error as a function of clip weights; both arrays (n, decisions a clip).

    One decision a clip is the top class; multi-label data have one for every class.
    """
    index = bin_index(confidence, bins=bins)
    gap = np.zeros((len(index), bins))  # what a clip adds to each bin's confidence less accuracy
    np.add.at(gap, (np.arange(len(index))[:, None], index), confidence - correct)
    decisions = confidence.shape[1]
    return lambda weights: np.abs(gap.T @ weights).sum(0) / (weights.sum(0) * decisions)
