"""Scores of decisions: right or wrong, and which class was taken for which."""

from typing import NamedTuple

import numpy as np


class ClassFigures(NamedTuple):
    """Per class, float64 (classes,); nan where the clips do not determine a figure."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def ranks(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """int (n,): how many classes are ranked above the true one; of equal scores the class listed first ranks higher.

    scores (n, classes), truth int (n,).
    """
    own = np.take_along_axis(scores, truth[:, None], 1)
    earlier = np.arange(scores.shape[1]) < truth[:, None]
    return ((scores > own) | ((scores == own) & earlier)).sum(1)


def top_k_correct(scores: np.ndarray, truth: np.ndarray, *, k: int = 1) -> np.ndarray:
    """bool (n,): whether the true class is among the k best; of equal scores the class listed first ranks higher."""
    if k < 1:
        raise ValueError(f"k is {k}; it must be 1 or more")
    return ranks(scores, truth) < k


def top_k_accuracy(scores: np.ndarray, truth: np.ndarray, *, k: int = 1) -> float:
    """Fraction of the clips whose true class is among the k best; ties as in `top_k_correct`."""
    return float(top_k_correct(scores, truth, k=k).mean())


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """int64 (classes, classes): clips with truth in the row and prediction in the column."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


def mean_per_class_accuracy(confusion: np.ndarray) -> float:
    """Mean recall over the classes that have clips (balanced accuracy); nan where none has."""
    clips = confusion.sum(1)
    return float((np.diag(confusion)[clips > 0] / clips[clips > 0]).mean()) if clips.any() else float("nan")


def class_figures(decided: np.ndarray, truth: np.ndarray) -> ClassFigures:
    """Precision, recall and F1 of every class, from what was said of each clip and what is true: bool (n, classes)."""
    right, said, true = (decided & truth).sum(0), decided.sum(0), truth.sum(0)

    def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
        return np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)

    f1 = np.where(true > 0, ratio(2 * right, said + true), np.nan)
    return ClassFigures(ratio(right, said), ratio(right, true), f1)
