"""The page: well-formed, self-contained, escaped, accessible, whatever the number and kind of classes."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest
from html_reader import Reader, check_stands_alone

from marey.report import render_html, worst_clips
from marey.report.page import _worst
from marey.results import Report

MakeReport = Callable[..., Report]


@pytest.mark.parametrize(
    "options",
    [{}, {"classes": 2}, {"classes": 24, "clips": 300}, {"classes": 9, "multi": True}, {"bare": True}, {"skill": 0.0}],
    ids=str,
)
def test_the_page_is_well_formed_and_asks_nothing_of_the_network(make_report: MakeReport, options: dict) -> None:
    check_stands_alone(render_html(make_report(**options)))


def test_labels_paths_and_reasons_are_text_never_markup(make_report: MakeReport) -> None:
    for options in ({}, {"multi": True, "skill": 0.1}):
        page = render_html(make_report(**options))
        reader = Reader(page)
        assert len(reader.all("script")) == 1 and "<script>alert" not in page
        assert not reader.all("b")[1:] and not reader.all("i"), "the one <b> is the headline's"
        for text in ("<script>", "日本語 $\\frac$ | `_`", "A <b>test</b>", "Mind the <gap>.", "is <empty>"):
            assert text in reader.text
        assert "clips/<i>" in reader.text and "marey train 'a <b>.csv'" in reader.text


def test_pictures_and_tables_can_be_read_without_seeing_them(make_report: MakeReport) -> None:
    reader = Reader(render_html(make_report()))
    pictures = [*reader.all("img"), *[a for a in reader.all("svg") if "figure" in (a.get("class") or "")]]
    assert len(pictures) > 6
    assert all(picture.get("alt") or picture.get("aria-label") for picture in pictures)
    assert all(head.get("scope") in ("col", "row") for head in reader.all("th"))
    assert reader.all("html")[0]["lang"] == "en"


def test_every_section_is_there_and_empty_ones_are_not(make_report: MakeReport) -> None:
    titles = ("Three axes", "What was done", "Learning", "Breakdowns", "Classes", "Confusions")
    titles += ("Thresholds and confidence", "Worst clips", "Quarantined", "How to reproduce")
    full = re.findall("<h2>(.*?)</h2>", render_html(make_report()))
    assert sorted(full) == sorted(titles)
    bare = re.findall("<h2>(.*?)</h2>", render_html(make_report(bare=True)))
    assert set(titles) - set(bare) == {"Learning", "How to reproduce"}
    assert "Confusions" not in re.findall("<h2>(.*?)</h2>", render_html(make_report(multi=True)))


def test_the_headline_has_its_interval_and_the_baseline(make_report: MakeReport) -> None:
    report = make_report()
    text = Reader(render_html(report)).text
    top1 = report.evaluation.metrics["top1"]
    assert f"{100 * top1.value:.1f} %" in text
    assert f"95 % interval {100 * top1.low:.1f} to {100 * top1.high:.1f} %" in text
    assert "points better than single <frame>, more than chance explains" in text
    assert "78.4 M" in text and "10x3" in text


def test_thumbnails_are_embedded_and_a_missing_one_is_said(make_report: MakeReport) -> None:
    page = render_html(make_report())
    assert 'src="data:image/jpeg;base64,/9j/' in page
    assert "no picture" in page


def test_motion_is_shown_where_it_was_fed(make_report: MakeReport) -> None:
    report = make_report()
    worst = worst_clips(report.evaluation)[0].path
    protocol = {**report.evaluation.protocol, "input": "flow (<DIS>)"}
    moved = replace(report, motion={worst: b"motion"}, evaluation=replace(report.evaluation, protocol=protocol))
    part = _worst(moved)
    assert '<ul class="clips motion">' in part and "The network was fed flow (&lt;DIS&gt;)." in part
    assert part.count("data:image/jpeg;base64,bW90aW9u") == 1 == part.count('alt="Motion and frame of')
    assert '<ul class="clips">' in _worst(report) and "The network was fed" not in _worst(report)


def test_a_perfect_model_has_no_worst_clips(make_report: MakeReport) -> None:
    page = render_html(make_report(skill=5.0))
    assert "Worst clips" not in page and "100.0 %" in page


def test_the_same_report_gives_the_same_page_and_leaves_matplotlib_as_it_was(make_report: MakeReport) -> None:
    before = dict(matplotlib.rcParams)
    assert render_html(make_report()) == render_html(make_report())
    assert dict(matplotlib.rcParams) == before


def test_many_classes_fit_and_stay_small(make_report: MakeReport) -> None:
    page = render_html(make_report(classes=130, clips=260))
    assert len(page) < 1_000_000
    assert 'class="scroll tall"' in page


def test_few_groups_and_an_unclear_difference_are_said(make_report: MakeReport) -> None:
    report = make_report(clips=12)
    text = Reader(render_html(replace(report, baselines={"twin": report.evaluation}))).text
    assert "The interval rests on only 12 groups: read it as rough." in text
    assert "Against twin these clips do not settle it: +0.0 points" in text


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"classes": 24, "clips": 300}, {"multi": True}], ids=str)
def test_a_browser_shows_it_without_complaint(make_report: MakeReport, options: dict, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine; `apt-get install chromium` brings it")
    page = render_html(make_report(**options))
    click = "<script>document.querySelectorAll('table.sortable th button')[3].click()</script></body>"
    (tmp_path / "report.html").write_text(page.replace("</body>", click))
    command = f"{chromium} --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    command += f" --disable-background-networking --disable-component-update --user-data-dir={tmp_path}/profile"
    command += " --enable-logging=stderr --dump-dom"
    url = (tmp_path / "report.html").as_uri()
    done = subprocess.run([*command.split(), url], capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr, "the page's script failed"
    table = re.search(r'<table class="sortable">.*?</table>', done.stdout, re.DOTALL)
    assert table and 'aria-sort="descending"' in table[0]
    recalls = [float(v) for v in re.findall(r'(?:<t[hd][^>]*>[^<]*</t[hd]>){3}<td data-value="([\d.]+)"', table[0])]
    assert recalls == sorted(recalls, reverse=True)
