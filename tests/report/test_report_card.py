"""The model card: the same figures in words, and names that cannot break its Markdown."""

from collections.abc import Callable

from marey.report import render_card
from marey.report.card import limits, plain
from marey.report.words import estimate_text
from marey.results import Report

MakeReport = Callable[..., Report]


def test_the_card_says_what_the_page_says(make_report: MakeReport) -> None:
    report = make_report()
    card = render_card(report)
    for section in ("Intended use", "Data", "Figures", "Limits", "How to load", "How to make it again"):
        assert f"## {section}\n" in card
    assert estimate_text(report.evaluation.metrics["top1"]) in card
    assert "points better than single" in card and "- views: 10x3" in card and "78.4 M" in card
    assert "```sh\nmarey train 'a <b>.csv'\n```" in card
    assert "Mind the \\<gap\\>." in card


def test_names_cannot_break_the_markdown(make_report: MakeReport) -> None:
    card = render_card(make_report())
    assert "<script>" not in card
    assert "\\<script\\>" in card
    assert plain("a | b\n# c") == "a \\| b \\# c"
    rows = [line for line in card.splitlines() if line.startswith("| ")]
    tables = {line.replace("\\|", "").count("|") for line in rows if "class 0" in line}
    assert tables == {8}


def test_a_bare_report_has_a_card_without_empty_sections(make_report: MakeReport) -> None:
    card = render_card(make_report(bare=True))
    assert "How to make it again" not in card and "\n\n\n" not in card and "None" not in card
    assert "nothing is said of sources that training has not seen" in card


def test_many_classes_are_not_listed_one_by_one(make_report: MakeReport) -> None:
    card = render_card(make_report(classes=70, clips=300))
    assert "The 70 classes are listed in `report.html`." in card
    assert "and 58 more" in card


def test_limits_name_rare_classes_the_hardest_one_and_unread_videos(make_report: MakeReport) -> None:
    said = " ".join(limits(make_report(classes=12, clips=150)))
    assert "Fewer than 10 test clips" in said
    assert "The class it misses most is" in said
    assert "Its most frequent confusion is" in said
    assert "leaves out what could not be read: 1 video." in said


def test_multi_label_cards_speak_of_scores_for_each_class(make_report: MakeReport) -> None:
    card = render_card(make_report(multi=True))
    assert "scores a video clip for each of 3 classes" in card
    assert "Scores drawn at random would have" in card
