"""Label curves: found where there is no noise, honest where there is, with a floor and without, and never falling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.metrics import fit_label_curve

SIZES = (20, 40, 100, 200)
SHARES = (8, 16, 40, 81, 162)  # 5, 10, 25, 50 and 100 % of the labels
TRIALS = 20


def answers(errors: np.ndarray, clips: int = 40) -> np.ndarray:
    """Shares of right answers whose mean error is exactly as wanted, the same on all clips."""
    return np.repeat(1 - np.asarray(errors, np.float64)[:, None], clips, axis=1)


@settings(max_examples=40)
@given(
    st.floats(0.02, 1.0),
    st.floats(0.0, 1.0),
    st.floats(0.02, 1.0),
    st.integers(1, 50),
    st.lists(st.floats(1.5, 4.0), min_size=2, max_size=5),
)
def test_a_power_law_without_noise_is_continued(
    exponent: float, flat: float, first: float, fewest: int, steps: list[float]
) -> None:
    """To a point; `flat` is the floor's part of the error at the first size."""
    sizes = np.ceil(fewest * np.cumprod([1, *steps]))
    *errors, truth = first * (flat + (1 - flat) * (np.append(sizes, 2 * sizes[-1]) / sizes[0]) ** -exponent)
    floor, scale, found, doubled = fit_label_curve(sizes.astype(int).tolist(), answers(np.array(errors), 3))
    assert doubled is not None and 1 - doubled.value == pytest.approx(truth, abs=0.01)
    assert floor + scale * sizes**-found == pytest.approx(np.array(errors), abs=0.01)


def test_floor_scale_and_exponent_are_found() -> None:
    for real in ((0.2, 0.9, 0.5), (0.0, 1.5, 0.25), (0.4, 0.5, 0.8)):
        errors = real[0] + real[1] * np.array(SIZES, float) ** -real[2]
        assert fit_label_curve(SIZES, answers(errors))[:3] == pytest.approx(real, rel=0.05, abs=0.005)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.integers(3, 6))
def test_predictions_stay_in_bounds_and_never_fall(seed: int, clips: int, sizes: int) -> None:
    draw = np.random.default_rng(seed)
    right = (draw.random((sizes, clips)) < draw.random((sizes, 1))).astype(float)
    right[-1, 0] = 0
    at = sorted(draw.choice(np.arange(1, 400), sizes, replace=False).tolist())
    floor, scale, exponent, doubled = fit_label_curve(at, right, seed=seed)
    assert 0 <= floor <= 1 and scale >= 0 and 0 <= exponent <= 1 and doubled is not None
    assert 0 <= doubled.low <= doubled.value <= doubled.high <= 1
    assert doubled.value >= 1 - floor - scale * at[-1] ** -exponent - 1e-9, "twice the clips are never worse"
    assert doubled.value >= right.mean(1).min() - 1e-9


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_more_right_at_the_most_clips_never_predicts_less(seed: int) -> None:
    draw = np.random.default_rng(seed)
    right = (draw.random((4, 30)) < np.sort(draw.random(4))[:, None]).astype(float)
    right[-1, :2] = 0
    better = right.copy()
    better[-1, 0] = 1
    before, after = fit_label_curve(SIZES, right)[-1], fit_label_curve(SIZES, better)[-1]
    assert before is not None and after is not None and after.value >= before.value - 1e-9


@pytest.mark.parametrize(
    "floor, exponent, last, most_bias",
    [
        (0.0, 0.35, 0.27, 0.02),
        (0.0, 0.15, 0.40, 0.02),
        (0.2, 0.50, 0.30, 0.02),
        (0.3, 0.80, 0.35, 0.03),  # without a floor: 7 points too hopeful, the truth in 3 intervals of 10
    ],
)
def test_what_twice_the_clips_bring_is_foretold_with_a_floor_and_without(
    floor: float, exponent: float, last: float, most_bias: float
) -> None:
    """Sources that are easy or hard alike at every size, as the same test clips are for every model. `last` is the
    error with the most clips."""
    scale = (last - floor) * SHARES[-1] ** exponent
    errors = np.array([floor + scale * size**-exponent for size in SHARES])
    truth = 1 - floor - scale * (2 * SHARES[-1]) ** -exponent
    groups, off, held = [f"source {i // 5}" for i in range(200)], [], 0
    for trial in range(TRIALS):
        draw = np.random.default_rng(trial)
        hard = np.clip(draw.normal(1, 0.3, 40), 0.4, 1.6).repeat(5)
        right = (draw.random((5, 200)) >= errors[:, None] * hard).astype(float)
        doubled = fit_label_curve(SHARES, right, groups=groups, seed=trial)[-1]
        assert doubled is not None and doubled.n == 40
        off.append(doubled.value - truth)
        held += doubled.low <= truth <= doubled.high
    assert abs(np.mean(off)) < most_bias
    assert held >= 0.8 * TRIALS


def test_scores_that_fall_with_more_labels_are_taken_as_flat() -> None:
    floor, scale, exponent, doubled = fit_label_curve(SIZES, answers(np.array([0.2, 0.3, 0.3, 0.4])))
    assert (floor, exponent) == (0, 0) and scale == pytest.approx(0.3)
    assert doubled is not None and doubled.value == pytest.approx(0.7)


def test_what_cannot_be_told_is_none() -> None:
    floor, scale, exponent, doubled = fit_label_curve((10, 20), answers(np.array([0.5, 0.25])))
    assert (floor, scale, exponent, doubled) == (0, pytest.approx(5), 1, None)
    assert fit_label_curve((10,), answers(np.array([0.5]))) == (0, 0.5, 0, None)
    assert fit_label_curve(SIZES, answers(np.zeros(4))) == (0, 0, 0, None)
    floor, scale, exponent, doubled = fit_label_curve(SIZES, answers(np.array([0.5, 0.3, 0.1, 0.0])))
    assert doubled is None and floor == 0 and scale > 0 and exponent == 1


def test_the_seed_and_the_groups_fix_the_interval() -> None:
    right = (np.random.default_rng(1).random((4, 60)) < np.array([[0.4], [0.5], [0.6], [0.7]])).astype(float)
    assert fit_label_curve(SIZES, right, seed=3) == fit_label_curve(SIZES, right, seed=3)
    alone, together = fit_label_curve(SIZES, right)[-1], fit_label_curve(SIZES, right, groups=["a", "b"] * 30)[-1]
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
