"""What a plan measures, which preset it marks, and why."""

import json
from pathlib import Path

import pytest

from marey.app.cli import main
from marey.errors import UsageError
from marey.jobs import Plan, plan
from marey.jobs.choose import Choice
from marey.jobs.plan import mark
from marey.presets import find_preset
from moving_video import write_moving

RULE = Choice(find_preset("motion"), "few clips are few")


def row(preset: str, *, minutes: float = 1.0, memory_mb: float = 100.0, free_mb: float | None = 1000.0) -> Plan:
    return Plan(
        preset=preset,
        params=1,
        gmacs=1.0,
        epochs=1,
        batch_size=1,
        decode_s=0.1,
        clip_s=0.1,
        minutes=minutes,
        memory_mb=memory_mb,
        free_mb=free_mb,
        by_rule=preset == "motion",
        command="",
    )


@pytest.mark.parametrize(
    "rows, taken, why",
    [
        ([row("motion"), row("r3d_18")], "motion", "few clips are few; it fits in memory and takes at most 60 minutes"),
        ([row("motion", free_mb=None, memory_mb=1e9)], "motion", "few clips are few; it fits"),
        (
            [row("motion", memory_mb=2000), row("r3d_18", minutes=61), row("r2plus1d_18")],
            "r2plus1d_18",
            "motion, which the rule takes, does not fit in memory (it needs 2000 MB and 1000 MB are free); "
            "this is the next that fits in memory and takes at most 60 minutes",
        ),
        (
            [row("motion", minutes=75.25), row("r3d_18")],
            "r3d_18",
            "motion, which the rule takes, takes 75.2 minutes, more than the 60 allowed; this is the next",
        ),
        ([row("r3d_18"), row("c3d")], "r3d_18", "it is the first of the named candidates that fits in memory"),
        ([row("motion", minutes=90), row("r3d_18", memory_mb=1e4)], None, ""),
    ],
    ids=["rule", "memory unknown", "rule does not fit", "rule too long", "rule not named", "none"],
)
def test_the_first_that_nothing_speaks_against_is_taken(rows: list[Plan], taken: str | None, why: str) -> None:
    marked = mark(rows, RULE, within_min=60)
    assert [r.preset for r in marked if r.taken] == ([taken] if taken else [])
    for r in marked:
        if r.taken:
            assert r.why.startswith(why)
        elif not r.fits:
            assert r.why.startswith("does not fit in memory (it needs")
        elif r.minutes > 60:
            assert r.why.endswith("minutes, more than the 60 allowed")
        else:
            assert r.why == ""


def test_each_candidate_is_measured_and_the_rules_comes_first(small_films: Path) -> None:
    data = small_films / "annotations.csv"
    rows = plan(data, presets=("single_frame_stage", "motion_appearance"), group_by="source", workers=0)
    assert [r.preset for r in rows] == ["motion_appearance", "single_frame_stage"]
    for r in rows:
        assert r.minutes > 0 and r.clip_s > 0 and r.memory_mb >= 0 and r.fits
        assert r.to_dict()["fits"] is True
    assert [r.by_rule for r in rows] == [r.taken for r in rows] == [True, False]
    assert rows[0].command == f"marey train {data} --group-by source"  # what the rule takes needs no name
    assert rows[1].command == f"marey train {data} --group-by source --preset single_frame_stage"


def test_a_plan_says_what_it_takes_and_why(small_films: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(small_films / "annotations.csv")
    assert main(["plan", data, "--preset", "single_frame_stage", "--workers", "0", "-q"]) == 0
    said = capsys.readouterr().out
    assert "taken: single_frame_stage, for it is the first of the named candidates that fits in memory and" in said
    assert f"next: marey train {data} --preset single_frame_stage" in said
    none = ["plan", data, "--preset", "single_frame_stage", "--workers", "0", "-q", "--within", "0.000001"]
    assert main(none) == 0
    said = capsys.readouterr().out
    assert "too long" in said and "none is taken: none fits in memory and trains within 1e-06 minutes" in said
    assert main([*none, "--json"]) == 0
    (only,) = json.loads(capsys.readouterr().out)
    assert not only["taken"] and only["why"].endswith("minutes, more than the 1e-06 allowed") and only["fits"]


def test_an_absurd_bound_is_refused(small_films: Path) -> None:
    with pytest.raises(UsageError, match="--within is 0 minutes; it must be more than 0"):
        plan(small_films / "annotations.csv", within_min=0)


def test_a_candidate_that_can_read_nothing_is_left_out_with_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films = [write_moving(tmp_path / f"{k}.webm", codec="libvpx-vp9", count=3) for k in range(8)]
    table = tmp_path / "films.csv"
    rows = [f"{film},{'ab'[k % 2]},{'train' if k < 4 else 'test'}\n" for k, film in enumerate(films)]
    table.write_text("path,label,split\n" + "".join(rows))
    command = ["plan", str(table), "--workers", "0", "--preset", "vectors_stage"]
    assert main(command) == 2
    said = capsys.readouterr().err.replace("\n", " ")
    assert "vectors_stage cannot be tried: none of the first clips can be read, such as" in said
    assert "whose motion vectors cannot be read" in said and "marey prepare" in said
    (found,) = plan(table, presets=["vectors_stage", "single_frame_stage"], workers=0)
    assert found.preset == "single_frame_stage" and found.taken
