"""Scores become decisions in one place: class thresholds, the background and the unknown."""

import json

import numpy as np
import pytest
import torch

from marey.metrics import ClassMeans
from marey.tasks import (
    UNKNOWN,
    Calibration,
    EventRule,
    Outputs,
    Recognition,
    UnknownRule,
    cells_of,
    class_thresholds,
    decide,
    rule_stamp,
)

TASK = Recognition(heads={"label": ("fall", "walk", "nothing")})
HEADS = Recognition(heads={"verb": ("cut", "nothing"), "noun": ("pan", "knife")})
LIMITS = {"label": {"fall": 0.2, "walk": 0.6}}
RULE = UnknownRule(by="energy", accept=0.5, known=(0.0, 1.0, 2.0, 3.0))
SCORES = np.array([[0.3, 0.6, 0.1], [0.3, 0.5, 0.2], [0.1, 0.1, 0.8]])  # of three windows of a second


def found(
    calibration: Calibration | None, *, novelty: list[float] | None = None, rule: EventRule | None = None
) -> list[tuple[float, float, str]]:
    strange = None if novelty is None else np.array(novelty)
    cells = cells_of(calibration, starts_s=np.arange(3.0), window_s=1.0, duration_s=3.0, scores=SCORES, novelty=strange)
    events = decide(TASK, calibration, rule or EventRule(merge_gap_s=0.0), cells)
    return [(e.start_s, e.end_s, e.label) for e in events]


def calibration(**parts: object) -> Calibration:
    return Calibration("0" * 12, **{"temperature": {"label": 1.0}, **parts})  # type: ignore[arg-type]


def test_without_thresholds_the_leader_is_on_from_a_half() -> None:
    assert found(None) == found(calibration()) == [(0, 2, "walk"), (2, 3, "nothing")]


def test_calibrated_classes_are_on_from_their_own_scores_whoever_leads() -> None:
    own = calibration(thresholds=LIMITS, background="nothing")
    assert found(own) == [(0, 1, "walk"), (0, 2, "fall")]
    limits = class_thresholds(TASK, "label", own)
    assert limits is not None and limits.tolist() == [0.2, 0.6, np.inf]
    assert found(own, rule=EventRule(threshold=0.4, merge_gap_s=0.0)) == [(0, 2, "walk")]


def test_the_background_makes_no_event_of_any_head() -> None:
    assert found(calibration(background="nothing")) == [(0, 2, "walk")]
    of_heads = calibration(temperature={"verb": 1.0, "noun": 1.0}, background="nothing")
    scores = np.array([[0.1, 0.9, 0.8, 0.2]])
    cells = cells_of(of_heads, starts_s=np.zeros(1), window_s=1.0, duration_s=1.0, scores=scores)
    assert [e.label for e in decide(HEADS, of_heads, EventRule(), cells)] == ["noun: pan"]


def test_nothing_is_on_where_the_scene_is_unknown() -> None:
    own = calibration(unknown=RULE)
    assert RULE.level == 0.75  # three of four known clips, so that the next is accepted with a chance of a half
    assert found(own, novelty=[0.0, 2.0, 9.0]) == [(0, 2, "walk"), (2, 3, UNKNOWN)]
    assert found(own, novelty=[2.5, 2.5, 0.0]) == [(0, 2, UNKNOWN), (2, 3, "nothing")]
    cells = cells_of(
        own, starts_s=np.zeros(1), window_s=1.0, duration_s=1.0, scores=SCORES[:1], novelty=np.array([2.5])
    )
    (event,) = decide(TASK, own, EventRule(), cells)
    assert event.score == 0.75  # the share of the known that are less strange
    with pytest.raises(ValueError, match=r"1 known clips are too few to accept 0\.9 of the next"):
        _ = UnknownRule(by="energy", accept=0.9, known=(1.0,)).level


def test_the_stamp_says_how_events_were_made() -> None:
    rule = EventRule()
    assert rule_stamp(TASK, None, rule)["threshold"] == 0.5
    assert rule_stamp(TASK, calibration(thresholds=LIMITS), rule)["threshold"] == LIMITS["label"]
    assert rule_stamp(TASK, calibration(thresholds=LIMITS), EventRule(threshold=0.3))["threshold"] == 0.3
    assert rule_stamp(HEADS, None, rule)["threshold"] == {"verb": 0.5, "noun": 0.5}


def test_heads_have_temperatures_of_their_own() -> None:
    own = calibration(temperature={"verb": 2.0, "noun": 0.5})
    logits = torch.randn(3, 4)
    expected = torch.cat([(logits[:, :2] / 2).softmax(1), (logits[:, 2:] * 2).softmax(1)], dim=1)
    torch.testing.assert_close(own.probabilities(HEADS, logits), expected)


def test_a_calibration_survives_json_to_the_bit() -> None:
    draw = np.random.default_rng(0)
    means = ClassMeans.of(draw.normal(size=(6, 5)), np.eye(3, dtype=bool)[[0, 1, 2, 0, 1, 2]])
    known = tuple(sorted(draw.random(20).tolist()))
    own = calibration(
        temperature={"label": 1 / 3},
        thresholds=LIMITS,
        unknown=UnknownRule(by="distance", accept=0.9, known=known, means=means),
        protocol={"clips": 20, "split": "val", "wanted": "recall 0.9"},
    )
    back = Calibration.from_dict(json.loads(json.dumps(own.to_dict())))
    assert back.to_dict() == own.to_dict() and back.summary() == own.summary()
    outputs = Outputs(torch.randn(4, 3), torch.randn(4, 5))
    novelty = back.novelty(TASK, outputs)
    assert novelty is not None and own.reads_features
    np.testing.assert_array_equal(novelty, own.novelty(TASK, outputs))  # type: ignore[arg-type]
    assert "temperature 0.333 on 20 val clips; thresholds for recall 0.9; unknown by distance, 90 %" in own.summary()
