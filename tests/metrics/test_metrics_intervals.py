"""Intervals: that they cover as often as they say, that groups widen them, and that a seed fixes them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.metrics import bootstrap, estimate_class_mean, estimate_mean, paired_difference, wilson
from marey.metrics.intervals import class_mean_statistic, group_codes


def test_the_value_is_that_of_the_clips_themselves() -> None:
    assert estimate_mean(np.array([1, 0, 1, 1])).value == 0.75
    assert estimate_class_mean(np.array([1, 0, 1, 1]), np.array([0, 0, 0, 1])).value == pytest.approx((2 / 3 + 1) / 2)


def test_an_interval_is_near_that_of_the_normal_distribution() -> None:
    right = np.arange(1000) < 700
    estimate = estimate_mean(right)
    half = 1.96 * (0.7 * 0.3 / 1000) ** 0.5
    assert (estimate.low, estimate.high) == pytest.approx((0.7 - half, 0.7 + half), abs=0.003)
    assert estimate.n == 1000


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    right = np.arange(100) < 60
    assert estimate_mean(right, seed=3) == estimate_mean(right, seed=3)
    assert estimate_mean(right, seed=3) != estimate_mean(right, seed=4)


def test_intervals_cover_as_often_as_they_say_if_groups_are_drawn_whole() -> None:
    """30 sources of 8 clips whose accuracies differ: ignoring the sources claims far too much."""
    draw, covered = np.random.default_rng(0), {"groups": 0, "clips": 0}
    groups = [f"source {i // 8}" for i in range(240)]
    for trial in range(200):
        right = draw.random(240) < np.repeat(draw.beta(1.5, 1, 30), 8)
        for name, given_groups in (("groups", groups), ("clips", None)):
            estimate = estimate_mean(right, groups=given_groups, resamples=400, seed=trial)
            covered[name] += estimate.low <= 0.6 <= estimate.high
    assert 0.88 <= covered["groups"] / 200 <= 0.99
    assert covered["clips"] / 200 < 0.8


def test_clips_of_one_group_are_drawn_together() -> None:
    codes = group_codes(["a", None, "a", None, "b"], 5)
    assert codes.tolist() == [0, 1, 0, 2, 3]
    seen = []
    bootstrap(lambda w: seen.append(w) or w[0], 5, groups=["a", None, "a", None, "b"], resamples=50)
    weights = np.concatenate(seen[1:], axis=1)
    assert (weights[0] == weights[2]).all()
    assert (weights[0] + weights[1] + weights[3] + weights[4] == 4).all()


def test_a_group_for_each_clip_changes_nothing() -> None:
    right = np.arange(50) < 20
    assert estimate_mean(right, groups=[str(i) for i in range(50)]) == estimate_mean(right)


@pytest.mark.parametrize("right", [0.0, 1.0])
@pytest.mark.parametrize("clips", [1, 5, 200])
def test_where_all_clips_agree_the_interval_is_wilsons(right: float, clips: int) -> None:
    estimate, expected = estimate_mean(np.full(clips, right)), wilson(right * clips, clips)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))


def test_one_group_leaves_nearly_everything_open() -> None:
    estimate = estimate_mean(np.arange(40) < 30, groups=["one camera"] * 40)
    assert estimate.n == 1 and estimate.low < 0.2 and estimate.high > 0.9


def test_classes_that_a_resample_lacks_are_left_out_of_it() -> None:
    statistic = class_mean_statistic(np.array([1.0, 0.0, 1.0]), np.array([5, 2, 5]))
    assert statistic(np.array([[1.0, 2.0], [1.0, 0.0], [1.0, 1.0]])).tolist() == [0.5, 1.0]


def test_draws_that_the_statistic_leaves_open_are_left_out() -> None:
    estimate = bootstrap(lambda w: np.where(w[0] > 0, 0.5, np.nan), 3)
    assert estimate.value == 0.5 and np.isfinite([estimate.low, estimate.high]).all()


def test_centred_draws_have_the_figure_as_their_mean() -> None:
    def inflated(weights: np.ndarray) -> np.ndarray:
        return 0.2 + 0.3 * (weights.max(0) > 1) + 0.001 * weights[0]

    assert bootstrap(inflated, 30).high > 0.4
    centred = bootstrap(inflated, 30, centred=True)
    assert centred.low <= centred.value <= centred.high < 0.3


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 8))
def test_intervals_hold_their_figure_and_stay_in_bounds(seed: int, clips: int, sources: int) -> None:
    draw = np.random.default_rng(seed)
    right, classes = draw.random(clips) < draw.random(), draw.integers(4, size=clips)
    groups = [str(g) for g in draw.integers(sources, size=clips)]
    for estimate in (
        estimate_mean(right, groups=groups, resamples=60),
        estimate_class_mean(right, classes, groups=groups, resamples=60),
    ):
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
        assert estimate.n == len(set(groups))


def test_pairing_narrows_a_difference() -> None:
    draw = np.random.default_rng(0)
    a = draw.random(300) < 0.7
    b = a & (draw.random(300) < 0.93)
    paired = paired_difference(a, b)
    assert paired.value == pytest.approx(a.mean() - b.mean())
    assert paired.low > 0
    apart = estimate_mean(a).low - estimate_mean(b).high
    assert apart < 0, "the two intervals overlap, although every clip that differs speaks for a"
    assert paired_difference(b, a).high < 0


def test_models_that_agree_on_every_clip_differ_by_nothing_but_not_for_certain() -> None:
    same = paired_difference(np.ones(20), np.ones(20))
    assert same.value == 0 and -0.2 < same.low < 0 < same.high < 0.2


def test_wilson_by_hand() -> None:
    estimate = wilson(8, 10)
    assert (estimate.low, estimate.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: estimate_mean(np.zeros(0)), "there are no clips to score"),
        (lambda: estimate_mean(np.ones(3), groups=["a"]), "1 groups for 3 clips; give one for each clip"),
        (lambda: estimate_class_mean(np.ones(3), np.zeros(2, int)), "3 values for 2 classes"),
        (lambda: paired_difference(np.ones(3), np.ones(2)), r"a is of shape \(3,\), b of shape \(2,\)"),
        (lambda: wilson(3, 2), "3 successes of 2; n must be 1 or more"),
        (lambda: estimate_mean(np.array([np.nan, 1.0])), "the statistic is nan on the 2 clips themselves"),
    ],
)
def test_misuse_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
