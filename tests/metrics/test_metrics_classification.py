"""Decisions: hand-worked cases, and scikit-learn as an independent implementation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from marey.metrics import (
    class_figures,
    confusion_matrix,
    mean_per_class_accuracy,
    top_k_accuracy,
    top_k_correct,
)

SCORES = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
TRUTH = np.array([0, 1, 2, 2])


def test_top_k_by_hand() -> None:
    assert top_k_correct(SCORES, TRUTH).tolist() == [True, False, True, False]
    assert top_k_correct(SCORES, TRUTH, k=2).tolist() == [True, True, True, False]
    assert top_k_accuracy(SCORES, TRUTH) == 0.5
    assert top_k_accuracy(SCORES, TRUTH, k=3) == 1.0


def test_of_equal_scores_the_class_listed_first_ranks_higher() -> None:
    level = np.full((3, 3), 1 / 3)
    truth = np.array([0, 1, 2])
    assert top_k_correct(level, truth).tolist() == [True, False, False]
    assert top_k_correct(level, truth, k=2).tolist() == [True, True, False]


def test_top_k_refuses_k_of_zero() -> None:
    with pytest.raises(ValueError, match="k is 0; it must be 1 or more"):
        top_k_correct(SCORES, TRUTH, k=0)


def test_confusion_has_truth_in_the_row() -> None:
    assert confusion_matrix(TRUTH, SCORES.argmax(1), 3).tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 1]]


def test_mean_per_class_leaves_out_classes_without_clips() -> None:
    assert mean_per_class_accuracy(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])) == pytest.approx((3 / 4 + 1) / 2)
    assert np.isnan(mean_per_class_accuracy(np.zeros((2, 2), int)))


def test_class_figures_by_hand() -> None:
    truth = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]], bool)
    said = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]], bool)
    figures = class_figures(said, truth)
    assert figures.precision.tolist()[:2] == [1.0, 0.5]
    assert figures.recall.tolist()[:2] == [0.5, 1.0]
    assert figures.f1[:2] == pytest.approx([2 / 3, 2 / 3])
    assert np.isnan([f[2] for f in figures]).all(), "a class that is neither true nor said has no figures"


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(5, 60))
def test_agrees_with_scikit_learn(seed: int, classes: int, clips: int) -> None:
    draw = np.random.default_rng(seed)
    truth, scores = draw.integers(classes, size=clips), draw.random((clips, classes))
    said = scores.argmax(1)
    matrix = confusion_matrix(truth, said, classes)
    assert (matrix == sk.confusion_matrix(truth, said, labels=range(classes))).all()
    present = np.unique(truth)
    expected = sk.recall_score(truth, said, labels=present, average="macro", zero_division=0)
    assert mean_per_class_accuracy(matrix) == pytest.approx(expected)
    figures = class_figures(np.eye(classes, dtype=bool)[said], np.eye(classes, dtype=bool)[truth])
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truth, said, labels=present, zero_division=0)
    assert np.nan_to_num(figures.precision[present]) == pytest.approx(precision)
    assert figures.recall[present] == pytest.approx(recall)
    assert figures.f1[present] == pytest.approx(f1)
    for k in range(1, classes):
        expected = np.mean([t in np.argsort(-s)[:k] for t, s in zip(truth, scores, strict=True)])
        assert top_k_accuracy(scores, truth, k=k) == pytest.approx(expected)
