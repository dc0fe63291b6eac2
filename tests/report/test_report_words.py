"""How figures and comparisons are said, and the rows that tables hold."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from marey.metrics import evaluate_scores
from marey.report import (
    axes_table,
    breakdown_tables,
    confusions_table,
    difference,
    duration_text,
    metrics_table,
    number_text,
    p_text,
    render_card,
    verdict,
    worst_clips,
)
from marey.report.tables import cell_text, facts
from marey.report.words import count_text, counted, estimate_text, majority, percent, points, prevalence, span_text
from marey.results import Estimate, Report

MakeReport = Callable[..., Report]


def test_figures_in_words() -> None:
    assert percent(0.8337) == "83.4 %" and percent(None) == "–"
    assert points(0.182) == "+18.2" and points(-0.05) == "−5.0"
    assert estimate_text(Estimate(0.5, 0.4, 0.61, 10)) == "50.0 % (40.0 to 61.0)" and estimate_text(None) == "–"
    assert [count_text(n) for n in (512, 33_166, 78_409_573, 2.5e9)] == ["512", "33.2 k", "78.4 M", "2.5 G"]
    assert [p_text(p) for p in (0, 0.0009, 0.02831, 0.5)] == ["< 0.001", "< 0.001", "0.0283", "0.5"]
    times = [duration_text(seconds) for seconds in (0.12, 1, 9.5, 17.6, 119, 120, 1704, 18_000)]
    assert times[:5] == ["0.12 seconds", "1 second", "9.5 seconds", "18 seconds", "119 seconds"]
    assert times[5:] == ["2 minutes", "28.4 minutes", "300 minutes"]
    assert cell_text(1234567, "count") == "1,234,567" and cell_text(38.512, "number") == "38.51"


def test_verdict_against_guessing_and_baselines(make_report: MakeReport) -> None:
    good, bad = make_report(skill=0.6), make_report(skill=0.0)
    assert "which this model beats" in verdict(good)[0]
    assert "which this model does not clearly beat" in verdict(bad)[0]
    assert "points better than" in verdict(good)[1]
    turned = replace(good, evaluation=good.baselines["single <frame>"], baselines={"ours": good.evaluation})
    assert "points worse than ours, more than chance explains" in verdict(turned)[1]


def test_models_on_other_clips_are_compared_by_their_intervals(make_report: MakeReport) -> None:
    report, other = make_report(), make_report(clips=80)
    assert difference(report.evaluation, other.evaluation) is None
    said = verdict(replace(report, baselines={"other": other.evaluation}))[1]
    assert said.startswith("For other it is") and said.endswith("the two intervals overlap.")
    lacking = replace(other.evaluation, metrics={})
    assert verdict(replace(report, baselines={"x": lacking}))[1] == "x has no top-1 accuracy to compare with."


def test_one_is_one() -> None:
    assert counted(1, "clip") == "1 clip" and counted(0, "clip") == "0 clips" and counted(1234, "clip") == "1,234 clips"
    assert counted(1, "class") == "1 class" and counted(2, "class") == "2 classes"


def test_difference_pairs_the_same_clips_in_any_order(make_report: MakeReport) -> None:
    report = make_report()
    other = report.baselines["single <frame>"]
    gap = difference(report.evaluation, replace(other, clips=other.clips[::-1]))
    assert gap is not None and gap.n == 23
    assert gap.value == pytest.approx(report.evaluation.metrics["top1"].value - other.metrics["top1"].value)


def test_worst_clips_are_the_surest_wrong_ones() -> None:
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]])
    found = evaluate_scores(scores, np.array([0, 1, 1, 1]), ["a", "b"], paths=list("wxyz"), protocol={})
    assert [clip.path for clip in worst_clips(found)] == ["y", "x"]
    assert [clip.path for clip in worst_clips(found, most=1)] == ["y"]
    assert majority(found) == ("b", 0.75)
    assert prevalence(found) == pytest.approx(0.5)
    assert span_text(found.clips[0]) == ""
    assert span_text(replace(found.clips[0], start_s=1.0, end_s=2.5)) == "1.0 to 2.5 s"
    assert span_text(replace(found.clips[0], end_s=2.5)) == "0.0 to 2.5 s"
    assert span_text(replace(found.clips[0], start_s=1.0)) == "1.0 to end"


def test_tables_leave_out_what_nobody_measured(make_report: MakeReport) -> None:
    names = [name for name, _ in axes_table(make_report()).columns]
    assert names[:4] == ["Model", "Top-1 accuracy", "Seen groups", "Unseen groups"]
    assert "GMACs" in names and "Training min" not in names
    bare = axes_table(make_report(bare=True))
    assert "GMACs" not in [name for name, _ in bare.columns]
    ours, theirs = axes_table(make_report()).texts()
    assert ours[4] == "78.4 M" and theirs[4] == "1,000" and theirs[5] == "–"


def test_gmacs_that_leave_something_out_have_a_star_with_its_meaning(make_report: MakeReport) -> None:
    report = make_report()
    assert not axes_table(report).note and "ms per clip holds everything" not in render_card(report)
    part = replace(report, efficiency={**report.efficiency, "gmacs": 4.8e-8, "gmacs_in_part": True})
    assert axes_table(part).texts()[0][5] == "< 0.001 *" and axes_table(part).texts()[1][5] == "–"
    assert r"\* Counts what multiplies weights." in render_card(part) and r"\< 0.001 \*" in render_card(part)
    assert [number_text(value) for value in (0, 4.8e-8, 38.54713, 12345.6)] == ["0", "< 0.001", "38.55", "12,346"]


def test_breakdowns_stand_side_by_side(make_report: MakeReport) -> None:
    table = breakdown_tables(make_report())[0]
    assert [name for name, _ in table.columns] == ["Part", "Groups", "This model", "single <frame>", "Gap"]
    assert [row[0] for row in table.rows] == ["odd", "even"]
    best = breakdown_tables(make_report(skill=0.9))[0]
    assert all(str(row[-1]).endswith("points, intervals do not overlap") for row in best.rows)
    assert [name for name, _ in breakdown_tables(make_report(bare=True))[0].columns] == ["Part", "Clips", "This model"]


def test_metrics_table_names_its_figures(make_report: MakeReport) -> None:
    rows = dict(metrics_table(make_report().evaluation).texts())
    assert {"Top-1 accuracy", "Mean per class accuracy", "Calibration error"} <= set(rows)


def test_confusions_are_sorted_and_single_ones_come_only_alone() -> None:
    scores = np.eye(3)[[1, 1, 2, 0, 1]]
    truth = np.array([0, 0, 0, 0, 1])
    found = evaluate_scores(scores, truth, ["a", "b", "c"], paths=list("vwxyz"), protocol={})
    assert confusions_table(found).rows == (("a", "b", 2, 0.5),)
    alone = evaluate_scores(scores[1:], truth[1:], ["a", "b", "c"], paths=list("wxyz"), protocol={})
    assert [row[:3] for row in confusions_table(alone).rows] == [("a", "b", 1), ("a", "c", 1)]


def test_facts_flatten_and_cut_long_lists() -> None:
    found = facts({"a_b": {"c": [1, 2], "d": None}, "e": True, "f": "", "g": list(range(20))})
    assert found[:2] == (("a b: c", "1, 2"), ("e", "yes"))
    assert found[2][1].endswith("11 and 8 more") and len(found) == 3
