"""Thresholds keep what they promise: on their own clips exactly, on new ones with the stated confidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.metrics import (
    Threshold,
    Unreachable,
    confidence_at_once,
    false_alarms_allowed,
    halfway,
    rate_at_most,
    share_at_least,
    supportable_rate,
    threshold_for_false_alarms,
    threshold_for_precision,
    threshold_for_recall,
)

CLIPS = st.lists(st.tuples(st.integers(-1, 10), st.booleans()), min_size=1, max_size=60)


def arrays(clips: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([c[0] / 10 for c in clips]), np.array([c[1] for c in clips])


def test_the_bounds_are_those_of_the_tables() -> None:
    assert share_at_least(10, 10) == pytest.approx(0.05**0.1)  # all of n right: alpha ** (1 / n)
    assert share_at_least(0, 10) == 0
    assert share_at_least(8, 10) == pytest.approx(0.4931, abs=1e-4)  # lower end of the two-sided 90 % interval
    assert rate_at_most(0, 2.0) == pytest.approx(-np.log(0.05) / 2)  # the rule of three
    assert rate_at_most(3, 1.0) == pytest.approx(7.7537, abs=1e-4)
    assert supportable_rate(3.0) == pytest.approx(0.9986, abs=1e-4)


@given(st.integers(0, 40), st.integers(1, 40), st.floats(0.5, 0.99))
def test_the_bound_of_a_share_is_the_share_that_leaves_so_many_as_likely_as_the_doubt(
    successes: int, n: int, confidence: float
) -> None:
    successes = min(successes, n)
    low = float(share_at_least(successes, n, confidence=confidence))
    assert 0 <= low <= successes / n
    draws = np.random.default_rng(0).binomial(n, low, 20_000)
    assert (draws >= successes).mean() == pytest.approx(1 - confidence if successes else 1, abs=0.02)


@given(CLIPS, st.floats(0.05, 0.95), st.sampled_from([0.5, 0.9, 0.95]))
def test_precision_and_recall_are_kept_and_no_better_threshold_was_passed_over(
    clips: list[tuple[int, bool]], wanted: float, confidence: float
) -> None:
    scores, positive = arrays(clips)
    if not positive.any():
        return
    for find, of_recall in ((threshold_for_precision, False), (threshold_for_recall, True)):
        found = find(scores, positive, wanted, confidence=confidence)
        sure = confidence if of_recall else confidence_at_once(len(scores), wanted, confidence=confidence)
        bounds = {}
        for step in np.unique(scores[scores >= 0]):
            on = scores >= step
            over = positive.sum() if of_recall else on.sum()
            bounds[step] = float(share_at_least(int((on & positive).sum()), int(over), confidence=sure))
        enough = [step for step, bound in bounds.items() if bound >= wanted]
        if isinstance(found, Unreachable):
            assert not enough and found.best <= max(bounds.values(), default=0.0)
            if found.best:
                assert isinstance(find(scores, positive, found.best, confidence=confidence), Threshold)
            continue
        on = scores >= found.value
        assert (int(on.sum()), int((on & positive).sum())) == (found.alarms, found.right)
        assert found.bound >= wanted
        assert scores[on].min() == (max(enough) if of_recall else min(enough))


def test_a_threshold_lies_halfway_to_the_next_score_below() -> None:
    scores, positive = np.array([0.9, 0.8, 0.3, 0.1]), np.array([True, True, False, False])
    found = threshold_for_precision(scores, positive, 0.15)
    assert isinstance(found, Threshold) and found.value == pytest.approx(0.55)
    doubt = 1 - confidence_at_once(4, 0.15)
    assert found.bound == pytest.approx(doubt**0.5) and (found.alarms, found.right) == (2, 2)
    found = threshold_for_recall(scores, positive, 0.2)
    assert isinstance(found, Threshold) and found.value == pytest.approx(0.55)
    assert halfway([0.5], 0.5) == 0.5 and halfway([-1.0], 0.5) == 0.5


@pytest.mark.parametrize("clips, wanted", [(60, 0.5), (150, 0.9)])
def test_scores_that_say_nothing_are_granted_a_precision_no_oftener_than_was_asked(clips: int, wanted: float) -> None:
    """Every threshold falls short by next to nothing; the bound for one would grant it two to four times too often."""
    draw, granted, naive, trials = np.random.default_rng(0), 0, 0, 400
    for _ in range(trials):
        scores, positive = draw.random(clips), draw.random(clips) < wanted - 1e-9
        granted += isinstance(threshold_for_precision(scores, positive, wanted), Threshold)
        right = positive[np.argsort(-scores)].cumsum()
        naive += bool((share_at_least(right, np.arange(1, clips + 1)) >= wanted).any())
    assert granted <= 0.075 * trials < 0.1 * trials < naive, (granted, naive)
    assert granted > 0.02 * trials, "more careful than was asked"


def test_recall_holds_on_new_clips_as_often_as_was_asked() -> None:
    draw, kept = np.random.default_rng(0), 0
    for _ in range(300):
        found = threshold_for_recall(draw.normal(0.5, 0.1, 60).clip(0, 1), np.ones(60, bool), 0.8, confidence=0.9)
        assert isinstance(found, Threshold)
        kept += (draw.normal(0.5, 0.1, 2000).clip(0, 1) >= found.value).mean() >= 0.8
    assert kept >= 0.87 * 300


@given(CLIPS, st.integers(0, 5))
def test_false_alarms_stay_within_what_is_allowed_at_the_lowest_threshold(
    clips: list[tuple[int, bool]], allowed: int
) -> None:
    scores, positive = arrays(clips)
    negative = scores[~positive]

    def alarms_at(threshold: float) -> int:
        return int((negative >= threshold).sum())

    found = threshold_for_false_alarms(negative, scores[positive], alarms_at, allowed)
    if found is None:
        assert (negative >= 1).sum() > allowed
        return
    assert alarms_at(found) <= allowed
    below = negative[(negative < found) & (negative >= 0)]
    assert not len(below) or alarms_at(below.max()) > allowed


@given(st.floats(0.1, 200.0), st.floats(0.1, 100.0))
def test_what_hours_can_show_is_allowed_and_one_more_alarm_is_not(hours: float, wanted: float) -> None:
    allowed = false_alarms_allowed(wanted, hours)
    if allowed is None:
        assert supportable_rate(hours) > wanted
        return
    assert rate_at_most(allowed, hours) <= wanted < rate_at_most(allowed + 1, hours)


def test_a_rate_holds_on_new_video_as_often_as_was_asked() -> None:
    draw, kept, hours = np.random.default_rng(0), 0, 10.0
    allowed = false_alarms_allowed(2.0, hours, confidence=0.9)
    assert allowed is not None
    for _ in range(300):
        negative = draw.random(1000)  # 100 clips an hour

        def alarms_at(threshold: float, negative: np.ndarray = negative) -> int:
            return int((negative >= threshold).sum())

        found = threshold_for_false_alarms(negative, np.array([]), alarms_at, allowed)
        assert found is not None
        kept += 100 * (1 - found) <= 2.0
    assert kept >= 0.87 * 300


def test_clips_that_decide_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="no clip shows the class"):
        threshold_for_recall(np.array([0.5]), np.array([False]), 0.5)
    with pytest.raises(ValueError, match=r"scores are of shape \(1,\), truth of \(2,\)"):
        threshold_for_precision(np.array([0.5]), np.array([True, False]), 0.5)
