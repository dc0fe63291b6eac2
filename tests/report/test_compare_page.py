"""The page of a comparison: everything in it, nothing that is missing, and pictures whose names can be read."""

import json
import re
from dataclasses import asdict, replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from comparisons import EVIL, around, bare_comparison, make_comparison
from html_reader import Reader, check_stands_alone
from hypothesis import given
from hypothesis import strategies as st

from marey.report import (
    beyond_chance,
    costs_table,
    effort_table,
    labels_table,
    orders_table,
    render_comparison,
    scores_table,
)
from marey.report.compare_figures import (
    falls,
    labels_figure,
    orders_figure,
    pareto_figure,
    pareto_front,
    training_curves,
)
from marey.report.compare_tables import order_p_table
from marey.report.place_labels import overlap_px
from marey.results import Comparison, Guess

JPEG = b"\xff\xd8\xff\xe0 not much of a picture"
TITLES = ("Three axes", "What accuracy costs", "Does your data need motion?", "Clips that only motion tells")
TITLES += ("Would more labels help?", "Learning", "What was done")


@cache
def page() -> str:
    """Full of names that would break a careless page; made once."""
    comparison = make_comparison(evil=True)
    return render_comparison(comparison, thumbnails={c.path: JPEG for c in comparison.only_temporal[::2]})


def test_a_full_page_stands_alone_and_has_every_section() -> None:
    check_stands_alone(page())
    assert tuple(re.findall("<h2>(.*?)</h2>", page())) == TITLES


def test_what_is_missing_is_left_out() -> None:
    bare = render_comparison(bare_comparison(), thumbnails={})
    check_stands_alone(bare)
    assert re.findall("<h2>(.*?)</h2>", bare) == ["Three axes", "What was done"]
    assert "picked by these very scores" not in bare and 'class="notes"' not in bare
    assert "On known groups" not in bare and "GMACs" not in bare and "Stopped" not in bare


def test_names_labels_and_reasons_are_text_never_markup() -> None:
    reader = Reader(page())
    assert len(reader.all("script")) == 1 and "<script>alert" not in page()
    assert len(reader.all("b")) == 1 and not reader.all("i"), "the one <b> is the headline's"
    for text in (EVIL, "<b>fights</b>", "Mind the <gap>.", "hopeless after 1 of 5 folds <b>", "clips/<i>0</i>.mp4"):
        assert text in reader.text


def test_the_head_says_what_to_take_why_and_how() -> None:
    head = page()[: page().index("<main>")]
    text = Reader(head + "</body></html>").text
    assert "80.0 %" in text and "95 % interval 74.0 to 86.0 %" in text and "over 33 independent units" in text
    assert (
        "Take motion_appearance." in text and "It is 21 points better" in text and "28.4 minutes of 30 minutes" in text
    )
    assert "<pre><code>marey train &#x27;a &lt;b&gt;.csv&#x27; --preset motion_appearance</code></pre>" in head


def test_who_does_not_beat_guessing_is_not_recommended() -> None:
    comparison = make_comparison()
    best = comparison.candidates[0].score.value
    told = {}
    for name, share, p in (("beaten", 0.5, 0.01), ("unsure", 0.7, 0.2), ("worse", best + 0.1, 0.01)):
        page = render_comparison(replace(comparison, guess=Guess("kick", share, p)), thumbnails={})
        told[name] = re.findall(r"<p>([^<]*) <strong>motion_appearance</strong>\.", page)
    sorry = "Take none yet; right most often is"
    assert told == {"beaten": ["Take"], "unsure": [sorry], "worse": [sorry]}


def test_pictures_and_tables_can_be_read_without_seeing_them() -> None:
    reader = Reader(page())
    pictures = [*reader.all("img"), *[a for a in reader.all("svg") if "figure" in (a.get("class") or "")]]
    assert len(pictures) == 15 + 8, "pictures of clips, and figures"
    assert all(picture.get("alt") or picture.get("aria-label") for picture in pictures)
    assert all(head.get("scope") in ("col", "row") for head in reader.all("th"))


def test_scores_are_told_with_their_difference_and_whether_chance_explains_it() -> None:
    table = scores_table(make_comparison())
    rows = {row[0]: row for row in table.texts()}
    assert rows["single_frame"][1:] == (
        "59.0 % (53.0 to 65.0)",
        "58.0 % (51.0 to 65.0)",
        "67.0 % (60.0 to 74.0)",
        "−21.0 points (−26.0 to −16.0)",
        "< 0.001",
        "yes",
    )
    assert rows["motion_appearance"][-3:] == ("–", "–", "–")
    assert rows["efficientnet_lite0_frame"][-2:] == ("0.0213", "yes")
    assert "−21.0 <small>−26.0 to −16.0</small>" in page()


def test_p_decides_what_is_beyond_chance_and_the_page_says_so() -> None:
    comparison = make_comparison()
    apart = next(c for c in comparison.candidates if c.preset == "efficientnet_lite0_difference")
    assert apart.behind is not None and apart.behind.high < 0, "the interval leaves out 0"
    assert not beyond_chance(apart.p_value)
    row = next(row for row in scores_table(comparison).texts() if row[0] == apart.preset)
    assert row[-2:] == ("0.0833", "no")
    text = Reader(page()).text
    assert "called beyond chance where p is below 0.05" in text and "Then p decides." in text
    assert (
        "trained again, with another seed, they would answer otherwise" in text and "in one fold alone has no p" in text
    )
    assert "picked by these very scores" in text and "its interval is not corrected for that" in text


def test_costs_and_effort_are_told_and_why_one_was_stopped() -> None:
    costs, effort = costs_table(make_comparison()), effort_table(make_comparison())
    assert [name for name, _ in costs.columns][-3:] == ["Peak MB", "Training MB", "Training min"]
    assert costs.texts()[7] == ("i3d_stage", "1.2 M", "0.223", "31", "307", "807", "3.1")
    assert [name for name, _ in effort.columns] == ["Model", "Folds", "Epochs", "Stopped"]
    assert effort.texts()[7] == ("i3d_stage", "1", "23 of 100", "hopeless after 1 of 5 folds <b>")
    assert [name for name, _ in effort_table(bare_comparison()).columns] == ["Model", "Folds", "Epochs"]


@given(st.lists(st.tuples(st.integers(0, 9).map(float), st.integers(0, 9).map(float)), max_size=12))
def test_the_front_is_what_nothing_beats(points: list[tuple[float, float]]) -> None:
    front = [points[i] for i in pareto_front(points)]
    unbeaten = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in points)}
    assert set(front) == unbeaten and front == sorted(front) and len(front) == len(unbeaten)


@pytest.mark.parametrize("cost", ["gmacs", "ms_per_clip"])
def test_names_in_a_pareto_picture_lie_over_nothing(cost: str) -> None:
    candidates = make_comparison().candidates
    figure = pareto_figure(candidates, cost)
    (axes,) = figure.axes
    figure.draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert set(boxes) == {c.preset for c in candidates}
    assert not [pair for pair in combinations(boxes, 2) if overlap_px(boxes[pair[0]], boxes[pair[1]]) > 1]
    for c in candidates:
        x, y = axes.transData.transform((max(c.efficiency[cost], 1e-3), c.score.value))
        inside = [n for n, box in boxes.items() if box.x0 < x < box.x1 and box.y0 < y < box.y1]
        assert not inside, f"over the mark of {c.preset}"
    assert all(overlap_px(box, axes.get_window_extent()) > 0.98 * box.width * box.height for box in boxes.values())


def test_candidates_that_were_stopped_are_not_on_the_front() -> None:
    candidates = make_comparison().candidates
    lucky = tuple(replace(c, score=around(0.95)) if c.folds < 5 else c for c in candidates)
    (axes,) = pareto_figure(lucky, "ms_per_clip").axes
    line = next(line for line in axes.lines[::-1] if line.get_linewidth() == 2.5)
    assert np.max(np.asarray(line.get_ydata())) == candidates[0].score.value


def test_what_gmacs_leave_out_is_starred_and_kept_from_the_front() -> None:
    comparison = make_comparison()
    costs = costs_table(comparison)
    rows = {row[0]: row for row in costs.texts()}
    assert rows["motion"][2] == "< 0.001 *" and rows["motion_appearance"][2] == "3.839 *"
    assert rows["efficientnet_lite0_frame"][2] == "0.384"
    assert "ms per clip holds everything" in costs.note and not scores_table(comparison).note
    text = Reader(page()).text
    assert costs.note in text and 'data-value="4.8e-08">&lt; 0.001 *<' in page(), "numbers are what is sorted"
    assert "Triangles are counted in part (*) and not on the line: motion_appearance, motion." in text
    for cost, best in (("gmacs", 0.69), ("ms_per_clip", 0.80)):  # motion_appearance is best, and takes 61 ms
        (axes,) = pareto_figure(comparison.candidates, cost).axes
        assert sum(line.get_marker() == ">" for line in axes.lines) == (2 if cost == "gmacs" else 0)
        front = [line for line in axes.lines if line.get_linewidth() == 2.5]
        assert max(float(np.max(np.asarray(line.get_ydata()))) for line in front) == best
    before = replace(comparison.candidates[0], efficiency={"gmacs": 3.8})  # read from a comparison of before
    assert not costs_table(replace(comparison, candidates=(before,))).note


def test_nothing_to_pay_is_drawn_at_the_edge_and_said() -> None:
    assert "Below 0.001, drawn there: motion." in page()
    (axes,) = pareto_figure(make_comparison().candidates, "gmacs").axes
    assert axes.get_xscale() == "log" and axes.get_xlim()[0] > 0


def test_classes_that_need_motion_come_first() -> None:
    test = make_comparison(classes=40).orders[0]
    lost = falls(test)
    assert list(lost.values()) == sorted(lost.values(), reverse=True) and len(lost) == 40
    assert [row[0] for row in orders_table(test).rows] == list(lost)
    assert len(orders_figure(test).axes[0].get_yticklabels()) == 30
    some = test.per_class["class 0"]
    assert lost["class 0"] == some["as filmed"] - min(some["frozen"], some["shuffled"], some["reversed"])


def test_the_advice_and_the_orders_are_told() -> None:
    text = Reader(page()).text
    rows = order_p_table(make_comparison().orders).texts()
    assert rows == (("motion_appearance", "< 0.001", "0.011", "0.09"), ("single_frame", "–", "1", "1"))
    before = replace(make_comparison(), orders=tuple(replace(test, p_values={}) for test in make_comparison().orders))
    assert "against frames as filmed" in text
    assert "against frames as filmed" not in render_comparison(before, thumbnails={})
    assert (
        "Yes: with one frame standing still" in text and "Order of the frames, motion_appearance: the figures" in text
    )


def test_label_curves_are_drawn_through_their_points_and_on_to_twice_the_clips() -> None:
    curves = make_comparison().label_curves
    (axes,) = labels_figure(curves).axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["8", "16", "40", "81", "162", "324"]
    assert {t.get_text() for t in axes.texts} == {c.preset for c in curves}
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert max(float(np.max(np.asarray(line.get_xdata()))) for line in dashed) == pytest.approx(324)
    for line, curve in zip(dashed, curves[:2], strict=False):
        assert curve.doubled and float(np.asarray(line.get_ydata())[-1]) == pytest.approx(curve.doubled.value)
    table = labels_table(curves)
    assert [name for name, _ in table.columns][-2:] == ["162 clips", "324, expected"]
    assert table.rows[2][-1] is None and table.rows[0][-1] == curves[0].doubled
    text = Reader(page()).text
    assert "twice as many should bring 83.7 % (78.7 to 88.7 %)" in text
    assert "with 162 clips; what more would bring cannot be told." in text


def test_curves_of_training_show_what_there_is() -> None:
    histories = {c.preset: c.history for c in make_comparison().candidates}
    assert [axes.get_title("left") for axes in training_curves(histories).axes] == [
        "Training loss",
        "Validation accuracy",
    ]
    some = {name: [{"epoch": 0, "loss": 1.0}] * 2 for name in histories}
    assert [axes.get_title("left") for axes in training_curves(some).axes] == ["Training loss"]


def test_clips_that_only_motion_tells_are_shown_with_pictures_first_and_the_surest_of_them() -> None:
    text = Reader(page()).text
    assert "motion_appearance gets them right and the model of a single frame does not; 24 of 30 are shown." in text
    shown = [float(score) for score in re.findall(r'<span class="said">[^<]* <span class="n">([\d.]+) %', page())]
    assert [len(shown), *shown] == [24, *sorted(shown[:15], reverse=True), *sorted(shown[15:], reverse=True)]
    assert "no picture" in page() and 'alt="Frame of clips/&lt;i&gt;' in page()


def test_a_comparison_survives_its_file_and_files_of_before_are_read() -> None:
    comparison = make_comparison()
    held = json.loads(json.dumps(comparison.to_dict()))
    assert Comparison.from_dict(held) == comparison
    del held["guess"]
    for test in held["orders"]:
        del test["p_values"]
    before = Comparison.from_dict(held)
    assert before.guess is None and not before.orders[0].p_values and before.orders[0].overall


def test_the_same_comparison_gives_the_same_page() -> None:
    assert render_comparison(bare_comparison(), thumbnails={}) == render_comparison(bare_comparison(), thumbnails={})


def test_a_label_curve_that_is_still_starting_joins_its_points_and_foretells_nothing() -> None:
    comparison = make_comparison()
    curve = replace(comparison.label_curves[0], doubled=None, starting=True)
    (axes,) = labels_figure([curve]).axes
    (line,) = [line for line in axes.lines if len(np.asarray(line.get_xdata())) > 1 and line.get_linestyle() == "-"]
    assert np.asarray(line.get_ydata()).tolist() == [estimate.value for _, estimate in curve.points]
    text = Reader(render_comparison(replace(comparison, label_curves=(curve,)), thumbnails={})).text
    assert "it is still at the start of its curve" in text and "what twice as many bring cannot be told" in text
    kept = Comparison.from_dict(json.loads(json.dumps(asdict(replace(comparison, label_curves=(curve,))))))
    assert kept.label_curves == (curve,)
