"""Results on disk: what is written is what is read, whole or not at all."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from marey.errors import DataError
from marey.report import read_evaluation, read_timeline, write_evaluation, write_events, write_text, write_timeline
from marey.results import Report, Segment, Timeline

EVENTS = (Segment(1.5, 2.25, 'fällt, "laut"', 0.75), Segment(0.0, 1.5, "walk", 0.5))
TIMELINE = Timeline("clips/ä.mp4", 10.0, {"views": "10x3"}, {"walk": 0.4}, EVENTS)


def test_a_timeline_comes_back(tmp_path: Path) -> None:
    write_timeline(TIMELINE, tmp_path / "t.json")
    assert read_timeline(tmp_path / "t.json") == TIMELINE
    assert "fällt" in (tmp_path / "t.json").read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"]


def test_an_evaluation_comes_back(make_report: Callable[..., Report], tmp_path: Path) -> None:
    evaluation = make_report().evaluation
    write_evaluation(evaluation, tmp_path / "e.json")
    assert read_evaluation(tmp_path / "e.json") == evaluation


def test_events_as_csv(tmp_path: Path) -> None:
    write_events([TIMELINE, Timeline("b.mp4", 1.0, {}, {})], tmp_path / "events.csv")
    with (tmp_path / "events.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["video", "start_s", "end_s", "label", "score"],
        ["clips/ä.mp4", "0.000", "1.500", "walk", "0.500000"],
        ["clips/ä.mp4", "1.500", "2.250", 'fällt, "laut"', "0.750000"],
    ]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_text("old", tmp_path / "a.txt")
    with pytest.raises(UnicodeEncodeError):
        write_text("new \ud800", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_figures_that_are_no_numbers_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_timeline(Timeline("a.mp4", 1.0, {}, {"walk": float("nan")}), tmp_path / "t.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text, message",
    [
        (None, r"gone.json: cannot be read as timeline \(No such file or directory\); `marey predict` writes one"),
        ("{", r"gone.json: is no timeline \(Expecting"),
        ("[]", "gone.json: is no timeline"),
        ('{"schema": "other/7"}', "timeline schema is 'other/7'; this version reads 'marey.timeline/1'"),
        ('{"schema": "marey.timeline/1"}', r"is no timeline \('events'\)"),
    ],
)
def test_what_is_no_timeline_is_refused(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "gone.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_timeline(tmp_path / "gone.json")


def test_what_is_no_evaluation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text("{}")
    with pytest.raises(DataError, match=r"is no evaluation .*`marey evaluate` writes one"):
        read_evaluation(tmp_path / "e.json")
