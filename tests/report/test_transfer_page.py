"""The page of the ways of a transfer: what to take, every figure of every way, and nothing that is missing."""

import json
import re
from dataclasses import replace

from comparisons import EVIL, around
from html_reader import Reader, check_stands_alone

from marey.report import render_transfer, ways_table
from marey.results import Estimate, TransferTable, TransferWay


def make_table() -> TransferTable:
    ways = tuple(
        TransferWay(
            way=name,
            score=around(score),
            balanced=around(score - 0.05),
            gain=Estimate(score - 0.6, score - 0.8, score - 0.5, 33) if name != "original" else None,
            p_value=p,
            params=params,
            train_minutes=minutes,
            epochs=epochs,
            history=tuple({"epoch": e, "loss": 2 / (e + 1), "val_top1": score} for e in range(epochs)),
        )
        for name, score, p, params, minutes, epochs in (
            ("original", 0.6, None, 194_000, 12.34567, 6),
            ("fixed", 0.75, 0.03, 2064, 0.0123, 9),
            ("full", 0.72, 0.08, 194_000, 12.0, 6),
        )
    )
    return TransferTable(
        title="Ways <b>",
        protocol={"data": EVIL, "seed": 0, "split": {"train": 80, "test": 48}},
        tested="48 test clips",
        ways=ways,
        recommended="fixed",
        reason="fixed is right most often.",
        command="marey predict runs/<b>/fixed VIDEO",
        notes=(f"{EVIL} was left out.",),
    )


def test_a_page_stands_alone_and_says_what_to_take() -> None:
    page = render_transfer(make_table())
    check_stands_alone(page)
    assert re.findall("<h2>(.*?)</h2>", page) == ["What learned, and how well", "Learning", "What was done"]
    reader = Reader(page)
    assert "<script>alert" not in page and len(reader.all("b")) == 1, "the one <b> is the headline's"
    for text in (
        "75.0 %",
        "3 ways, 48 test clips",
        "Take fixed.",
        "fixed is right most often.",
        f"{EVIL} was left out.",
    ):
        assert text in reader.text
    assert "<code>marey predict runs/&lt;b&gt;/fixed VIDEO</code>" in page
    assert "fixed: the classifier alone, from features that were learned elsewhere" in reader.text
    assert {"fixed (9)", "full (6)"} <= {text.strip() for text in re.findall(r">([^<>]+)</text>", page)}


def test_the_table_has_every_figure_of_every_way() -> None:
    table = ways_table(make_table())
    assert [name for name, _ in table.columns][3] == "Against original"
    assert table.texts()[0][3:] == ("–", "–", "–", "194 k", "12.35", "6")
    assert table.texts()[1] == (
        "fixed",
        "75.0 % (68.0 to 82.0)",
        "70.0 % (63.0 to 77.0)",
        "+15.0 points (−5.0 to +25.0)",
        "0.03",
        "yes",
        "2,064",
        "0.0123",
        "9",
    )
    assert table.texts()[2][5] == "no"


def test_a_table_survives_its_file_and_needs_no_curves() -> None:
    table = make_table()
    assert TransferTable.from_dict(json.loads(json.dumps(table.to_dict()))) == table
    bare = replace(table, ways=tuple(replace(way, history=()) for way in table.ways), notes=(), protocol={})
    page = render_transfer(bare)
    assert re.findall("<h2>(.*?)</h2>", page)[:1] == ["What learned, and how well"] and "Learning" not in page
    assert 'class="notes"' not in page
