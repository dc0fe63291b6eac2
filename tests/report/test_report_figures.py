"""Figures that no page shows by itself, and their files."""

from pathlib import Path

import pytest

from marey.report import save_figure, timeline_figure
from marey.report.canvas import to_svg
from marey.report.figures import intervals_figure, learning_curves, shorten
from marey.results import Estimate, Segment, Timeline


def test_a_timeline_has_one_row_a_class(tmp_path: Path) -> None:
    events = (Segment(0.0, 2.0, "walk", 0.9), Segment(2.0, 3.0, "run $5", 0.4), Segment(4.0, 5.0, "walk", 0.2))
    figure = timeline_figure(Timeline("a.mp4", 6.0, {}, {}, events))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["walk", "run $5"]
    for suffix, magic in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        save_figure(figure, tmp_path / f"figure{suffix}")
        assert (tmp_path / f"figure{suffix}").read_bytes().startswith(magic)


def test_a_video_without_events_says_so() -> None:
    figure = timeline_figure(Timeline("a.mp4", 0.0, {}, {}))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["no events"]


def test_svg_takes_the_colours_of_the_page_and_has_a_description() -> None:
    text = to_svg(learning_curves([{"epoch": 0, "loss": 1.0}, {"epoch": 1, "val_top1": 0.5}]), alt='a "<b>"', name="x")
    assert text.startswith("<svg ") and text.endswith("</svg>")
    assert 'aria-label="a &quot;&lt;b&gt;&quot;"' in text and "var(--ink, " in text and 'id="x-figure_1"' in text
    assert "<metadata" not in text


def test_models_in_one_row_stand_apart_and_are_named() -> None:
    estimate = Estimate(0.5, 0.4, 0.6, 10)
    figure = intervals_figure({"odd": {"ours": estimate, "theirs": estimate}, "even": {"theirs": estimate}})
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["ours", "theirs"]
    assert not intervals_figure({"ours": {"ours": estimate}}, reference=0.3).legends


@pytest.mark.parametrize("text, short", [("walk", "walk"), ("x" * 40, "x" * 27 + "…")])
def test_long_names_are_cut(text: str, short: str) -> None:
    assert shorten(text) == short
