"""Label curves: exact where there is no noise, honest where there is, and never falling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.metrics import fit_label_curve

SIZES = (20, 40, 100, 200)


def answers(errors: np.ndarray, clips: int = 40) -> np.ndarray:
    """Shares of right answers whose mean error is exactly as wanted, the same on all clips."""
    return np.repeat(1 - np.asarray(errors, np.float64)[:, None], clips, axis=1)


@settings(max_examples=40)
@given(st.floats(0.01, 2.0), st.floats(0.02, 1.0), st.lists(st.integers(1, 5000), min_size=2, max_size=6, unique=True))
def test_a_power_law_without_noise_is_found_exactly(exponent: float, first: float, sizes: list[int]) -> None:
    sizes = sorted(sizes)
    scale = first * sizes[0] ** exponent
    found_scale, found, doubled = fit_label_curve(sizes, answers(scale * np.array(sizes, float) ** -exponent, 3))
    assert found == pytest.approx(exponent, rel=1e-6, abs=1e-9)
    assert found_scale == pytest.approx(scale, rel=1e-5)
    if len(sizes) < 3:
        assert doubled is None
    else:
        assert doubled is not None
        assert 1 - doubled.value == pytest.approx(scale * (2 * sizes[-1]) ** -exponent, rel=1e-5)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.integers(3, 6))
def test_predictions_stay_in_bounds_and_never_fall(seed: int, clips: int, sizes: int) -> None:
    draw = np.random.default_rng(seed)
    right = (draw.random((sizes, clips)) < draw.random((sizes, 1))).astype(float)
    right[-1, 0] = 0
    at = sorted(draw.choice(np.arange(1, 400), sizes, replace=False).tolist())
    scale, exponent, doubled = fit_label_curve(at, right, seed=seed)
    assert exponent >= 0 and doubled is not None
    assert 0 <= doubled.low <= doubled.value <= doubled.high <= 1
    assert doubled.value >= 1 - scale * at[-1] ** -exponent - 1e-9, "twice the clips are never worse"
    assert doubled.value >= right.mean(1).min() - 1e-9


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_more_right_at_the_most_clips_never_predicts_less(seed: int) -> None:
    draw = np.random.default_rng(seed)
    right = (draw.random((4, 30)) < np.sort(draw.random(4))[:, None]).astype(float)
    right[-1, :2] = 0
    better = right.copy()
    better[-1, 0] = 1
    before, after = fit_label_curve(SIZES, right)[2], fit_label_curve(SIZES, better)[2]
    assert before is not None and after is not None and after.value >= before.value - 1e-9


def test_intervals_hold_what_twice_the_clips_bring_as_often_as_they_say() -> None:
    """Sources that are easy or hard alike at every size, as the same test clips are for every model."""
    draw, covered, trials = np.random.default_rng(0), 0, 60
    errors = 1.6 * np.array(SIZES, float) ** -0.35
    truth = 1 - 1.6 * 400**-0.35
    groups = [f"source {i // 5}" for i in range(150)]
    for trial in range(trials):
        hard = np.clip(draw.normal(1, 0.3, 30), 0.4, 1.6).repeat(5)
        right = (draw.random((4, 150)) >= errors[:, None] * hard).astype(float)
        doubled = fit_label_curve(SIZES, right, groups=groups, seed=trial)[2]
        assert doubled is not None and doubled.n == 30
        covered += doubled.low <= truth <= doubled.high
    assert 0.88 <= covered / trials <= 0.99


def test_scores_that_fall_with_more_labels_are_taken_as_flat() -> None:
    scale, exponent, doubled = fit_label_curve(SIZES, answers(np.array([0.2, 0.3, 0.3, 0.4])))
    assert exponent == 0 and scale == pytest.approx(0.3)
    assert doubled is not None and doubled.value == pytest.approx(0.7)


def test_what_cannot_be_told_is_none() -> None:
    assert fit_label_curve((10, 20), answers(np.array([0.5, 0.25])))[1:] == (pytest.approx(1), None)
    assert fit_label_curve((10,), answers(np.array([0.5]))) == (0.5, 0, None)
    assert fit_label_curve(SIZES, answers(np.zeros(4))) == (0, 0, None)
    scale, exponent, doubled = fit_label_curve(SIZES, answers(np.array([0.5, 0.3, 0.1, 0.0])))
    assert doubled is None and scale > 0 and exponent > 0.5


def test_the_seed_and_the_groups_fix_the_interval() -> None:
    right = (np.random.default_rng(1).random((4, 60)) < np.array([[0.4], [0.5], [0.6], [0.7]])).astype(float)
    assert fit_label_curve(SIZES, right, seed=3) == fit_label_curve(SIZES, right, seed=3)
    alone, together = fit_label_curve(SIZES, right)[2], fit_label_curve(SIZES, right, groups=["a", "b"] * 30)[2]
    assert alone is not None and together is not None and (alone.n, together.n) == (60, 2)


@pytest.mark.parametrize(
    "sizes, right, message",
    [
        ((), np.ones((0, 3)), "the sizes are \\[\\]; they must ascend from 1 or more"),
        ((4, 4), np.ones((2, 3)), "the sizes are \\[4, 4\\]; they must ascend"),
        ((0, 4), np.ones((2, 3)), "must ascend from 1 or more"),
        ((2, 4), np.ones((3, 3)), "answers at 3 sizes for 2 sizes; give a row for each"),
        ((2,), np.full((1, 3), np.nan), "answers must lie in 0..1"),
        ((2, 3, 4), np.zeros((3, 2)) + 0.5, "1 groups for 2 clips"),
    ],
)
def test_misuse_is_refused(sizes: tuple[int, ...], right: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_label_curve(sizes, right, groups=["a"])
