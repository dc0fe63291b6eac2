"""Rankings: hand-worked cases, invariants, and scikit-learn as an independent implementation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from marey.metrics import average_precision, mean_average_precision, precision_recall_curve, rank, roc_auc, roc_curve
from marey.metrics.ranking import areas_statistic, macro_statistics, thin


@st.composite
def ranked(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and at least one clip of either kind."""
    clips = draw(st.integers(2, 40))
    scores = np.array(draw(st.lists(st.integers(0, 12), min_size=clips, max_size=clips))) / 12
    positive = np.array(draw(st.lists(st.booleans(), min_size=clips, max_size=clips)))
    positive[0], positive[1] = True, False
    return scores, positive


def test_average_precision_by_hand() -> None:
    scores, positive = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])
    assert average_precision(scores, positive) == pytest.approx((1 + 2 / 3) / 2)
    assert roc_auc(scores, positive) == pytest.approx(3 / 4)


def test_equal_scores_count_together() -> None:
    scores, positive = np.array([0.5, 0.5]), np.array([True, False])
    assert average_precision(scores, positive) == 0.5
    assert roc_auc(scores, positive) == 0.5


def test_what_the_clips_do_not_determine_is_nan() -> None:
    scores = np.array([0.1, 0.2])
    assert np.isnan(average_precision(scores, np.zeros(2, bool)))
    assert np.isnan(roc_auc(scores, np.zeros(2, bool)))
    assert np.isnan(roc_auc(scores, np.ones(2, bool)))
    assert average_precision(scores, np.ones(2, bool)) == 1.0


def test_map_leaves_out_classes_without_positives_and_says_which() -> None:
    scores = np.array([[0.9, 0.1, 0.3], [0.2, 0.8, 0.3]])
    truth = np.array([[True, False, False], [False, True, False]])
    assert mean_average_precision(scores, truth) == (1.0, (2,))
    assert np.isnan(mean_average_precision(scores, np.zeros((2, 3), bool))[0])


@given(ranked())
def test_areas_agree_with_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = case
    assert average_precision(scores, positive) == pytest.approx(sk.average_precision_score(positive, scores))
    assert roc_auc(scores, positive) == pytest.approx(sk.roc_auc_score(positive, scores))


@given(ranked(), st.integers(0, 2**32 - 1))
def test_weighted_areas_are_those_of_repeated_clips(case: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    scores, positive = case
    times = np.random.default_rng(seed).integers(3, size=len(scores))
    found = areas_statistic(rank(scores, positive))(times[:, None].astype(float))[:, 0]
    again = np.repeat(scores, times), np.repeat(positive, times)
    expected = (average_precision(*again), roc_auc(*again)) if times.any() else (np.nan, np.nan)
    assert found == pytest.approx(expected, nan_ok=True)


@given(ranked(), st.randoms(use_true_random=False))
def test_areas_do_not_depend_on_the_order_of_the_clips(case: tuple[np.ndarray, np.ndarray], shuffle) -> None:
    scores, positive = case
    order = list(range(len(scores)))
    shuffle.shuffle(order)
    assert average_precision(scores[order], positive[order]) == pytest.approx(average_precision(scores, positive))
    assert roc_auc(1 - scores, positive) == pytest.approx(1 - roc_auc(scores, positive))


@given(ranked())
def test_curves_run_from_end_to_end_and_hold_their_area(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = case
    fpr, tpr = roc_curve(rank(scores, positive))
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all() and (np.diff(tpr) >= 0).all()
    assert np.trapezoid(tpr, fpr) == pytest.approx(roc_auc(scores, positive))
    recall, precision = precision_recall_curve(rank(scores, positive))
    assert recall[0] == 0 and recall[-1] == 1 and (np.diff(recall) >= 0).all()
    assert ((precision >= 0) & (precision <= 1)).all()


def test_long_curves_are_thinned_but_keep_their_shape() -> None:
    draw = np.random.default_rng(0)
    positive = draw.random(20_000) < 0.3
    scores = draw.normal(size=20_000) + positive
    fpr, tpr = roc_curve(rank(scores, positive))
    assert 100 < len(fpr) <= 200
    assert np.trapezoid(tpr, fpr) == pytest.approx(roc_auc(scores, positive), abs=2e-3)
    recall, precision = precision_recall_curve(rank(scores, positive))
    assert len(recall) <= 200 and recall[-1] == 1
    assert np.trapezoid(precision, recall) == pytest.approx(average_precision(scores, positive), abs=1e-2)


def test_thinning_keeps_corners_and_drops_what_lies_between() -> None:
    x, y = thin(np.array([0.0, 0.0, 0.0, 0.5, 1.0]), np.array([0.0, 0.5, 1.0, 1.0, 1.0]))
    assert (x.tolist(), y.tolist()) == ([0.0, 0.0, 1.0], [0.0, 1.0, 1.0])


def test_macro_means_leave_out_what_a_draw_does_not_determine() -> None:
    scores, positive = np.array([0.9, 0.1]), np.array([True, False])
    rankings = [rank(scores, positive), rank(scores, ~positive)]
    precision, area = macro_statistics(rankings)
    weights = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    assert precision(weights) == pytest.approx([0.75, 1.0, np.nan], nan_ok=True)
    assert area(weights) == pytest.approx([0.5, np.nan, np.nan], nan_ok=True)
