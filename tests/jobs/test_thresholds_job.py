"""Thresholds from hours of video: false alarms are events, and what hours cannot show is said."""

import numpy as np
import pytest

from marey.errors import UsageError
from marey.jobs import Silent
from marey.jobs.calibration_fit import fit_temperatures
from marey.jobs.thresholds import Clips, Wanted, choose_thresholds
from marey.tasks import Cells, EventRule, Recognition, events


def hour(alarms: dict[int, float], *, unknown: tuple[int, ...] = ()) -> Cells:
    """An hour in cells of half a second, with a score of the one class at some seconds and 0.1 elsewhere."""
    scores = np.full((7200, 1), 0.1)
    for second, score in alarms.items():
        scores[2 * second : 2 * second + 2] = score
    known = np.ones(7200, bool)
    for second in unknown:
        known[2 * second : 2 * second + 2] = False
    return Cells(np.arange(7201) / 2, scores, None, known)


def clips(*negative: Cells) -> Clips:
    """Hours without the class, and a clip of it that scores 0.95."""
    shown = Cells(np.array([0.0, 2.0]), np.array([[0.95]]), None, np.ones(1, bool))
    truth = np.array([[False]] * len(negative) + [[True]])
    return Clips(("fall",), np.zeros(truth.shape), truth, (*negative, shown), "these clips")


def test_four_hours_allow_one_alarm_below_two_an_hour() -> None:
    loud = {100: 0.9, 200: 0.8, 201: 0.8, 300: 0.7}  # three alarms: two seconds in a row are one
    found = choose_thresholds(
        clips(hour(loud), hour({}), hour({}), hour({})), Wanted(false_alarms="1.2/hour"), background=None
    )["fall"]
    assert found["hours"] == pytest.approx(4) and found["false_alarms"] == 1 and found["recall"] == 1
    assert found["threshold"] == pytest.approx((0.8 + 0.9) / 2)
    assert found["false_alarms_per_hour"] == 0.25 and found["false_alarms_per_hour_at_most"] == pytest.approx(
        1.186, abs=1e-3
    )
    more = choose_thresholds(
        clips(hour(loud), hour({}), hour({}), hour({})), Wanted(false_alarms="1.6/hour"), background=None
    )["fall"]
    assert more["false_alarms"] == 2 and more["threshold"] == pytest.approx((0.7 + 0.8) / 2)
    predicted = events(
        np.arange(7201) / 2, hour(loud).scores, ["fall"], EventRule(threshold=more["threshold"]), leading_only=False
    )
    assert [(e.start_s, e.end_s) for e in predicted] == [(100, 101), (200, 202)]


def test_what_is_unknown_raises_no_false_alarm() -> None:
    quiet = clips(hour({100: 0.9}, unknown=(100,)), hour({}), hour({}))
    found = choose_thresholds(quiet, Wanted(false_alarms="1/hour"), background=None)["fall"]
    assert found["false_alarms"] == 0 and found["threshold"] == pytest.approx((0.1 + 0.95) / 2)


def test_hours_that_are_too_few_name_the_lowest_rate_that_they_can_show() -> None:
    two = clips(hour({}), hour({}))
    with pytest.raises(UsageError, match=r"these clips have 120 minutes without 'fall', .* --false-alarms 1\.5/hour"):
        choose_thresholds(two, Wanted(false_alarms="1/hour"), background=None)
    assert choose_thresholds(two, Wanted(false_alarms="1.5/hour"), background=None)
    assert choose_thresholds(two, Wanted(false_alarms="1/hour", confidence=0.8), background=None)
    with pytest.raises(UsageError, match=r"which takes 71\.9 hours without a false alarm"):
        choose_thresholds(two, Wanted(false_alarms="1/day"), background=None)


def test_a_score_of_one_where_the_class_is_not_cannot_be_kept_quiet() -> None:
    with pytest.raises(UsageError, match="'fall' has a score of 1 on clips that do not show it, so no threshold keeps"):
        choose_thresholds(clips(hour({5: 1.0}), hour({}), hour({})), Wanted(false_alarms="1/hour"), background=None)


def test_all_clips_of_one_class_tell_nothing_of_when_it_is_wrong() -> None:
    only = Clips(("fall", "walk"), np.ones((2, 2)), np.array([[True, False]] * 2), (), "the 2 clips")
    with pytest.raises(UsageError, match="all of the 2 clips show 'fall', so nothing tells when it is wrongly seen"):
        choose_thresholds(only, Wanted(recall=0.5), background="walk")


def test_each_head_has_its_temperature_from_the_clips_that_have_it() -> None:
    task = Recognition(heads={"verb": ("cut", "wash"), "noun": ("pan", "knife", "onion"), "place": ("kitchen",)})
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 2, (60, 6)).astype(np.float32)
    truth = np.zeros((60, 6), bool)
    truth[np.arange(60), logits[:, :2].argmax(1)] = True
    truth[np.arange(30), 2 + draw.integers(0, 3, 30)] = True  # half of the clips, at random
    truth[:, 5] = True
    said: list[str] = []

    class Told(Silent):
        def say(self, sentence: str) -> None:
            said.append(sentence)

    found, protocol = fit_temperatures(task, logits, truth, Told())
    assert found["verb"] < 1 < found["noun"] and found["place"] == 1
    assert set(protocol["calibration_error"]) == {"verb", "noun"}
    assert protocol["negative_log_likelihood"]["verb"]["after"] < protocol["negative_log_likelihood"]["verb"]["before"]
    said.clear()
    logits[:, 2:5] = np.where(truth[:, 2:5], -5, 5)
    fit_temperatures(task, logits, truth, Told())
    assert said == ["warning: on these clips the scores of noun say no more than chance"]
    truth[:, 2:5] = False
    with pytest.raises(UsageError, match="no clip has a noun, so its scores cannot be judged; give clips that do"):
        fit_temperatures(task, logits, truth, Silent())
