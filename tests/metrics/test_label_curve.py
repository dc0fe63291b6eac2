"""Label curves: found where there is no noise, honest where there is, with a floor and without, and never falling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.metrics import LabelFit, estimate_mean, fit_label_curve
from marey.results import Estimate

SIZES = (20, 40, 100, 200)
SHARES = (8, 16, 40, 81, 162)  # 5, 10, 25, 50 and 100 % of the labels
TRIALS = 16


def answers(errors: np.ndarray, clips: int = 40) -> np.ndarray:
    """Shares of right answers whose mean error is exactly as wanted, the same on all clips."""
    return np.repeat(1 - np.asarray(errors, np.float64)[:, None], clips, axis=1)


@settings(max_examples=20, deadline=None)
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
    fit = fit_label_curve(sizes.astype(int).tolist(), answers(np.array(errors), 3))
    assert fit.doubled is not None and 1 - fit.doubled.value == pytest.approx(truth, abs=0.01)
    assert fit.floor + fit.scale * sizes**-fit.exponent == pytest.approx(np.array(errors), abs=0.01)


def test_floor_scale_and_exponent_are_found() -> None:
    for real in ((0.2, 0.9, 0.5), (0.0, 1.5, 0.25), (0.4, 0.5, 0.8)):
        errors = real[0] + real[1] * np.array(SIZES, float) ** -real[2]
        fit = fit_label_curve(SIZES, answers(errors))
        assert (fit.floor, fit.scale, fit.exponent) == pytest.approx(real, rel=0.05, abs=0.005)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.integers(3, 6))
def test_predictions_stay_in_bounds_and_never_fall(seed: int, clips: int, sizes: int) -> None:
    draw = np.random.default_rng(seed)
    right = (draw.random((sizes, clips)) < draw.random((sizes, 1))).astype(float)
    right[-1, 0] = 0
    at = sorted(draw.choice(np.arange(1, 400), sizes, replace=False).tolist())
    fit = fit_label_curve(at, right, seed=seed)
    assert 0 <= fit.floor <= 1 and fit.scale >= 0 and 0 <= fit.exponent <= 1
    assert (fit.doubled is None) == fit.starting
    if fit.doubled is not None:
        assert 0 <= fit.doubled.low <= fit.doubled.value <= fit.doubled.high <= 1
        now = estimate_mean(right[-1], seed=seed)
        assert fit.doubled.value >= now.value - 1e-9, "twice the clips are never worse"
        assert fit.doubled.high - fit.doubled.low >= now.high - now.low - 1e-9, "nor surer than what was measured"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_more_right_at_the_most_clips_never_predicts_less(seed: int) -> None:
    draw = np.random.default_rng(seed)
    right = (draw.random((4, 30)) < np.sort(draw.random(4))[:, None]).astype(float)
    right[-1, :2] = 0
    better = right.copy()
    better[-1, 0] = 1
    before, after = fit_label_curve(SIZES, right).doubled, fit_label_curve(SIZES, better).doubled
    assert before is None or after is None or after.value >= before.value - 1e-9


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
    told = foretold([floor + scale * size**-exponent for size in SHARES])
    truth = 1 - floor - scale * (2 * SHARES[-1]) ** -exponent
    assert len(told) >= 0.8 * TRIALS
    assert abs(np.mean([estimate.value for estimate in told]) - truth) < most_bias
    assert sum(estimate.low <= truth <= estimate.high for estimate in told) >= 0.8 * len(told)


def foretold(errors: list[float]) -> list[Estimate]:
    """What is, of draws of answers with such errors at SHARES, from sources that are easy or hard at all sizes."""
    groups, found = [f"source {i // 5}" for i in range(200)], []
    for trial in range(TRIALS):
        draw = np.random.default_rng(trial)
        hard = np.clip(draw.normal(1, 0.3, 40), 0.4, 1.6).repeat(5)
        right = (draw.random((5, 200)) >= np.array(errors)[:, None] * hard).astype(float)
        fit = fit_label_curve(SHARES, right, groups=groups, seed=trial)
        assert (fit.doubled is None) == fit.starting
        if fit.doubled is not None:
            assert fit.doubled.n == 40 and fit.doubled.value >= right[-1].mean() - 1e-9
            found.append(fit.doubled)
    return found


@pytest.mark.parametrize(
    "errors, truth, most_told",
    [
        ([0.95, 0.93, 0.85, 0.60, 0.40], 0.72, 0.1),
        ([0.90, 0.80, 0.60, 0.40, 0.25], 0.85, 0.25),
        ([0.50, 0.50, 0.48, 0.40, 0.30], 0.77, 0.5),
        ([0.50, 0.50, 0.48, 0.45, 0.38], 0.68, 0.7),  # what 200 clips hardly show
    ],
)
def test_of_a_curve_that_only_begins_to_fall_nothing_is_foretold_or_what_holds(
    errors: list[float], truth: float, most_told: float
) -> None:
    told = foretold(errors)
    assert len(told) <= most_told * TRIALS
    assert sum(estimate.low <= truth <= estimate.high for estimate in told) >= 0.75 * len(told)


def test_the_stage_learned_from_scratch_is_still_starting() -> None:
    """Its accuracy after 61, 152 and 304 clips (`single_frame_stage`, 60 epochs), where 608 brought 41.6 %."""
    draw = np.random.default_rng(0)
    hard = draw.random(208)
    right = (hard < np.array([0.067, 0.144, 0.279])[:, None]).astype(float)
    fit = fit_label_curve((61, 152, 304), right, groups=[f"actor {i // 7}" for i in range(208)])
    assert fit.starting and fit.doubled is None


def test_scores_that_fall_with_more_labels_are_taken_as_flat() -> None:
    fit = fit_label_curve(SIZES, answers(np.array([0.2, 0.3, 0.3, 0.4])))
    assert (fit.floor, fit.exponent) == (0, 0) and fit.scale == pytest.approx(0.3)
    assert fit.doubled is not None and fit.doubled.value == pytest.approx(0.7)


def test_what_cannot_be_told_is_none() -> None:
    fit = fit_label_curve((10, 20), answers(np.array([0.5, 0.25])))
    assert fit == LabelFit(0, fit.scale, 1, None, False) and fit.scale == pytest.approx(5)
    assert fit_label_curve((10,), answers(np.array([0.5]))) == LabelFit(0, 0.5, 0, None, False)
    assert fit_label_curve(SIZES, answers(np.zeros(4))) == LabelFit(0, 0, 0, None, False)
    fit = fit_label_curve(SIZES, answers(np.array([0.5, 0.3, 0.1, 0.0])))
    assert fit.doubled is None and not fit.starting and fit.floor == 0 and fit.scale > 0 and fit.exponent == 1
    fit = fit_label_curve(SIZES, answers(np.array([0.9, 0.85, 0.7, 0.4])))
    assert fit.doubled is None and fit.starting


def test_the_seed_and_the_groups_fix_the_interval() -> None:
    right = (np.random.default_rng(1).random((4, 60)) < np.array([[0.4], [0.5], [0.6], [0.7]])).astype(float)
    assert fit_label_curve(SIZES, right, seed=3) == fit_label_curve(SIZES, right, seed=3)
    alone = fit_label_curve(SIZES, right).doubled
    together = fit_label_curve(SIZES, right, groups=["a", "b"] * 30).doubled
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
