"""The whole Evaluation from scores: what it holds, what it leaves out and says so, and that it survives JSON."""

import json

import numpy as np
import pytest

from marey.metrics import evaluate_scores, mean_average_precision
from marey.results import Evaluation

LABELS = ("sit", "stand", "walk", "run", "wave", "clap", "never shown")


def single(clips: int = 120, **options) -> Evaluation:
    draw = np.random.default_rng(0)
    truth = draw.integers(6, size=clips)
    scores = draw.random((clips, 7))
    scores[np.arange(clips), truth] += 0.7
    scores /= scores.sum(1, keepdims=True)
    paths = [f"clip {i}.mp4" for i in range(clips)]
    defaults = {"paths": paths, "protocol": {"views": "1x1"}, "resamples": 200}
    return evaluate_scores(scores, truth, LABELS, **(defaults | options))


def several(**options) -> Evaluation:
    draw = np.random.default_rng(1)
    truth = draw.random((80, 4)) < (0.5, 0.3, 0.2, 0.0)
    truth[:10] = False
    scores = np.clip(draw.random((80, 4)) * 0.6 + 0.4 * truth, 0, 1)
    paths = [f"{i}.mp4" for i in range(80)]
    return evaluate_scores(scores, truth, "abcd", paths=paths, protocol={}, resamples=200, **options)


def test_a_single_label_evaluation_agrees_with_itself() -> None:
    found = single()
    matrix = np.array(found.confusion)
    assert found.metrics["top1"].value == pytest.approx(np.trace(matrix) / 120)
    assert found.metrics["top1"].value == pytest.approx(np.mean([clip.right for clip in found.clips]))
    assert found.metrics["top5"].value >= found.metrics["top1"].value
    recalls = [c.recall for c in found.per_class if c.recall is not None]
    assert found.metrics["mean_per_class"].value == pytest.approx(np.mean(recalls))
    precisions = [c.average_precision for c in found.per_class if c.average_precision is not None]
    assert found.metrics["map"].value == pytest.approx(np.mean(precisions))
    areas = [c.roc_auc for c in found.per_class if c.roc_auc is not None]
    assert found.metrics["roc_auc"].value == pytest.approx(np.mean(areas))
    for estimate in found.metrics.values():
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1 and estimate.n == 120


def test_a_class_without_clips_is_left_out_and_said() -> None:
    found = single()
    assert found.protocol["classes_without_clips"] == ["never shown"]
    assert found.per_class[-1].recall is None and found.per_class[-1].average_precision is None
    assert "never shown" not in found.curves and len(found.curves) == 6


def test_the_stamp_keeps_the_protocol_and_says_how_the_intervals_came_about() -> None:
    found = single(groups=[f"source {i % 20}" for i in range(120)])
    assert found.protocol["views"] == "1x1"
    assert found.protocol["interval"] == "95 %, bootstrap over 20 groups"
    assert found.protocol["resamples"] == 200 and found.protocol["calibration_bins"] == 15
    assert found.metrics["top1"].n == 20 and found.clips[3].group == "source 3"
    assert single().protocol["interval"] == "95 %, bootstrap over 120 clips"


def test_perfect_scores_give_ones() -> None:
    truth = np.arange(12) % 3
    found = evaluate_scores(np.eye(3)[truth], truth, "abc", paths=["x.mp4"] * 12, protocol={})
    for name in ("top1", "mean_per_class", "map", "roc_auc"):
        assert found.metrics[name].value == found.metrics[name].high == 1
        assert found.metrics[name].low < 1, "twelve clips prove no perfection"
    assert found.metrics["calibration_error"].value == 0
    assert "top5" not in found.metrics, "five of three classes are always right"


def test_breakdowns_by_class_group_and_by_part() -> None:
    kinds = {"sit": "reversed", "stand": "reversed", "walk": "tempo", "run": "tempo", "never shown": "empty"}
    found = single(class_groups=kinds, parts={"seen": ["seen", "unseen", None] * 40})
    assert list(found.breakdowns["class group"]) == ["reversed", "tempo"]
    mine = [clip.right for clip in found.clips if clip.truth[0] in ("sit", "stand")]
    figure = found.breakdowns["class group"]["reversed"]["top1"]
    assert figure.value == pytest.approx(np.mean(mine)) and figure.n == len(mine)
    assert list(found.breakdowns["seen"]) == ["seen", "unseen"]
    assert found.breakdowns["seen"]["seen"]["top1"].n == 40


def test_multi_label_scores_every_class() -> None:
    found = several(class_groups={"a": "one", "b": "one", "c": "two"}, parts={"seen": ["seen", "unseen"] * 40})
    assert found.multi_label and found.confusion == ()
    truth = np.array([[label in clip.truth for label in "abcd"] for clip in found.clips])
    scores = np.array([clip.scores for clip in found.clips])
    expected, left_out = mean_average_precision(scores, truth)
    assert found.metrics["map"].value == pytest.approx(expected)
    assert left_out == (3,) and found.protocol["classes_without_clips"] == ["d"]
    having = [clip.right for clip in found.clips if clip.truth]
    assert found.metrics["top1"].value == pytest.approx(np.mean(having)) and found.metrics["top1"].n == len(having)
    assert "mean_per_class" not in found.metrics
    said, true = scores[:, 0] >= 0.5, truth[:, 0]
    assert found.per_class[0].precision == pytest.approx((said & true).sum() / said.sum())
    pair, _ = mean_average_precision(scores[:, :2], truth[:, :2])
    assert found.breakdowns["class group"]["one"]["map"].value == pytest.approx(pair)
    half, _ = mean_average_precision(scores[::2], truth[::2])
    assert found.breakdowns["seen"]["seen"]["map"].value == pytest.approx(half)


def test_multi_label_clips_without_any_class_have_no_top1() -> None:
    found = evaluate_scores(
        np.full((3, 2), 0.2), np.zeros((3, 2), bool), "ab", paths=["1", "2", "3"], protocol={}, resamples=50
    )
    assert set(found.metrics) == {"calibration_error"}
    assert found.metrics["calibration_error"].value == pytest.approx(0.2)


def test_what_the_clips_do_not_determine_is_absent() -> None:
    found = evaluate_scores(np.array([[0.9, 0.1]]), np.array([0]), "ab", paths=["a.mp4"], protocol={})
    assert "roc_auc" not in found.metrics and found.curves == {}
    assert found.metrics["top1"].low < 0.3, "one clip says little"


@pytest.mark.parametrize("make", [single, several])
def test_an_evaluation_survives_json(make) -> None:
    found = make(parts={"seen": ["seen"] * len(make().clips)}, quarantined={"bad.mp4": "is empty"})
    assert Evaluation.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found


def test_the_order_of_the_clips_does_not_matter() -> None:
    draw = np.random.default_rng(2)
    scores, truth = draw.dirichlet(np.ones(3), 50), draw.integers(3, size=50)
    order = draw.permutation(50)
    paths = [str(i) for i in range(50)]
    first = evaluate_scores(scores, truth, "abc", paths=paths, protocol={}, resamples=50)
    second = evaluate_scores(scores[order], truth[order], "abc", paths=paths, protocol={}, resamples=50)
    assert {k: e.value for k, e in first.metrics.items()} == pytest.approx(
        {k: e.value for k, e in second.metrics.items()}
    )
    assert first.confusion == second.confusion


@pytest.mark.parametrize(
    "change, message",
    [
        ({"labels": "ab"}, r"scores are of shape \(4, 3\); they must be \(clips, 2\)"),
        ({"paths": ["a"]}, "4 rows of scores, 4 of truth, 1 paths; give one for each clip"),
        ({"scores": np.full((4, 3), np.nan)}, "scores run from nan to nan; they must be probabilities in 0..1"),
        ({"scores": np.full((4, 3), 1.5)}, "scores run from 1.5 to 1.5"),
        ({"truth": np.array([0, 1, 2, 3])}, "truth runs from 0 to 3; it must be indices of the 3 labels"),
        ({"truth": np.ones((4, 2), bool)}, r"truth is of shape \(4, 2\), scores of shape \(4, 3\)"),
        ({"truth": np.zeros((4, 3, 1), bool)}, "truth has 3 dimensions"),
        ({"scores": np.zeros((0, 3)), "truth": np.zeros(0, int), "paths": []}, "there are no clips to score"),
        ({"parts": {"seen": ["seen"]}}, "breakdown 'seen' has 1 parts for 4 clips"),
        ({"groups": ["a"]}, "1 groups for 4 clips"),
    ],
)
def test_misuse_of_the_whole_is_refused(change: dict, message: str) -> None:
    given = {"scores": np.full((4, 3), 1 / 3), "truth": np.zeros(4, int), "labels": "abc", "paths": list("wxyz")}
    with pytest.raises(ValueError, match=message):
        evaluate_scores(**(given | {"protocol": {}} | change))
