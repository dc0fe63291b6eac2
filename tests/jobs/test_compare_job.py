"""A comparison shares one budget, tests on unseen groups, and says which model to take and why."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from marey.app.cli import main
from marey.app.compare import minutes_of
from marey.app.show import CANDIDATE_COLUMNS, candidate_rows
from marey.data import Manifest, Quarantine, Sample, read_manifest
from marey.errors import DataError, UsageError
from marey.jobs import Compared, Silent, compare, evaluate, list_runs, train
from marey.jobs.compare import part_of
from marey.jobs.features import encode_samples, share_kept
from marey.jobs.halving import Clock, Need, Share, go_on, places, rungs, share_of, share_out, trainings
from marey.jobs.verdict import read_comparison
from marey.presets import create_model, find_preset
from marey.results import Comparison

PRESETS = ["single_frame_stage", "motion"]


@pytest.fixture(scope="module")
def compared(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    out = tmp_path_factory.mktemp("runs") / "c"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("marey.jobs.rules.STEPS_FROM_SCRATCH", 1)
        yield compare(small_films / "annotations.csv", presets=PRESETS, budget=30, folds=2, workers=0, out=out)


def again(folder: Path, small_films: Path, budget: float = 30) -> Comparison:
    found = compare(small_films / "annotations.csv", presets=PRESETS, budget=budget, folds=2, workers=0, out=folder)
    return found.comparison


def test_every_candidate_is_tested_on_groups_that_it_never_saw(compared: Compared) -> None:
    found = compared.comparison
    assert {c.preset for c in found.candidates} == set(PRESETS)
    assert found.candidates[0].preset == found.recommended
    done = [c for c in found.candidates if not c.stopped]
    assert {c.folds for c in done} == {2} and len(done) >= 2
    assert any(c.preset == "single_frame_stage" for c in done)
    assert max(c.score.value for c in done) == found.candidates[0].score.value
    for candidate in found.candidates:
        wanted = {"params", "gmacs", "gmacs_in_part", "ms_per_clip", "peak_memory_mb"}
        wanted |= {"train_memory_mb", "train_minutes"}
        assert candidate.efficiency.keys() == wanted
        assert candidate.efficiency["gmacs_in_part"] == (candidate.preset == "motion")
        assert (candidate.behind is None) == (candidate.p_value is None) == (candidate.preset == found.recommended)
        assert candidate.history
    assert found.minutes < found.budget_minutes
    assert found.command.startswith("marey train ") and f"--preset {found.recommended}" in found.command
    rows = {row[0]: dict(zip(CANDIDATE_COLUMNS, row, strict=True)) for row in candidate_rows(found)}
    assert rows["motion"]["GMACs"] == "< 0.001 *" and rows[found.recommended]["p (Holm)"] == ""
    assert all(float(str(row["p (Holm)"]).strip("< ")) <= 1 for name, row in rows.items() if name != found.recommended)
    told = json.loads((compared.folder / "run.json").read_text())["command"]
    assert told.startswith("marey compare ") and f"--presets {','.join(PRESETS)} " in told


def test_motion_beats_a_frame_on_clips_of_motion(compared: Compared) -> None:
    found = compared.comparison
    assert found.recommended != "single_frame_stage"
    assert f"a single frame, {found.recommended} gains" in found.advice
    frame = next(c for c in found.candidates if c.preset == "single_frame_stage")
    assert frame.behind is not None and frame.behind.value < 0
    assert all(clip.right for clip in found.only_temporal) and found.only_temporal


def test_frame_order_and_labels_are_tried(compared: Compared) -> None:
    found = compared.comparison
    tested = {test.preset: test for test in found.orders}
    assert found.recommended in tested and "single_frame_stage" not in tested
    assert tested["motion"].p_values.keys() == {"shuffled", "reversed"}, "it looks at nothing but what moves"
    assert found.guess is not None and found.guess.share == pytest.approx(1 / 3) and found.guess.p_value < 0.05
    test, best = tested[found.recommended], found.candidates[0]
    assert test.overall["as filmed"] == best.score
    assert set(test.per_class) == set(found.labels)
    curve = found.label_curves[0]
    assert curve.preset == found.recommended and curve.points[-1][1] == best.score
    assert [clips for clips, _ in curve.points] == sorted({clips for clips, _ in curve.points})


def test_a_finished_comparison_is_read_back_and_listed(compared: Compared, small_films: Path) -> None:
    assert read_comparison(compared.folder) == compared.comparison
    assert json.loads((compared.folder / "comparison.json").read_text())["top1"] == compared.to_dict()["top1"]
    assert compared.comparison.recommended in (compared.folder / "report.html").read_text()
    (row,) = list_runs(compared.folder.parent)
    assert row["state"] == "finished" and row["score"] == compared.to_dict()["top1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("marey.jobs.line_up.measure", None)  # would fail if anything was tried
        assert again(compared.folder, small_films) == compared.comparison
        with pytest.raises(UsageError, match=r"holds a run with budget 30 minutes, and this one has 31 minutes"):
            again(compared.folder, small_films, budget=31)
        with pytest.raises(UsageError, match="presets single_frame_stage,motion, and this one has motion,c3d_stage"):
            data = small_films / "annotations.csv"
            compare(data, presets=["motion", "c3d_stage"], budget=30, folds=2, workers=0, out=compared.folder)


def test_an_interrupted_comparison_goes_on(
    compared: Compared, small_films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (compared.folder / "comparison.json").read_text()
    (compared.folder / "comparison.json").unlink()
    spent = json.loads((compared.folder / "clock.json").read_text())["seconds"]
    monkeypatch.setattr("marey.jobs.contender.teach", None)  # every fold is done
    after = again(compared.folder, small_films)
    assert replace(after, minutes=0) == replace(compared.comparison, minutes=0) and 60 * after.minutes >= spent
    (compared.folder / "comparison.json").write_text(before)


def test_other_candidates_than_it_was_begun_with_are_refused(compared: Compared, small_films: Path) -> None:
    kept = {name: (compared.folder / name).read_text() for name in ("comparison.json", "ladder.json")}
    held = json.loads(kept["ladder.json"])
    held["shares"]["another"] = held["shares"].pop("motion")
    (compared.folder / "comparison.json").unlink()
    (compared.folder / "ladder.json").write_text(json.dumps(held))
    with pytest.raises(UsageError, match="was begun with single_frame_stage, another, and the usual candidates are"):
        again(compared.folder, small_films)
    for name, text in kept.items():
        (compared.folder / name).write_text(text)


def test_a_comparison_is_no_run_of_a_model(compared: Compared, small_films: Path) -> None:
    with pytest.raises(UsageError, match="was made by compare: it holds what several models said, and none of them"):
        evaluate(compared.folder)
    with pytest.raises(UsageError, match="holds a comparison; give another --out"):
        train(small_films / "annotations.csv", preset="motion", workers=0, out=compared.folder)


def test_too_small_a_budget_and_too_many_folds_leave_nothing_behind(
    small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = small_films / "annotations.csv"
    with pytest.raises(UsageError, match=r"--budget is 0.12 seconds: .* too little is left for any other"):
        compare(data, presets=PRESETS, budget=0.002, folds=2, workers=0, out=tmp_path / "c")
    with pytest.raises((UsageError, DataError), match="folds"):
        compare(data, presets=PRESETS, folds=999, workers=0, out=tmp_path / "c")
    assert not (tmp_path / "c").exists()
    assert main(["compare", str(data), "--budget", "soon"]) == 2
    assert "--budget is 'soon'; write minutes, or a time such as 90s, 30m or 2h" in capsys.readouterr().err


def test_data_with_several_classes_a_clip_are_refused(small_films: Path, tmp_path: Path) -> None:
    rows = (small_films / "annotations.csv").read_text().splitlines()
    head = rows[0].split(",")
    place = head.index("label")
    several = [rows[0]]
    for row in rows[1:]:
        cells = row.split(",")
        cells[place] += "|more"
        several.append(",".join(cells))
    (tmp_path / "a.csv").write_text("\n".join(several))
    with pytest.raises(UsageError, match="compare takes data with one class a clip"):
        compare(tmp_path / "a.csv", root=small_films, presets=PRESETS, workers=0)


def test_minutes_are_written_in_several_ways() -> None:
    assert [minutes_of(value) for value in ("30m", "2h", "90s", "1.5")] == [30, 120, 1.5, 1.5]
    for value in ("", "0m", "-3", "1d", "nan"):
        with pytest.raises(UsageError, match="write minutes"):
            minutes_of(value)


def test_rungs_halve_the_candidates() -> None:
    assert rungs(4) == [(0,), (1,), (2, 3)] and rungs(2) == [(0,), (1,)]
    assert [places(8, rung) for rung in range(3)] == [8, 4, 2] and places(1, 2) == 1
    assert trainings(8, 4) == (8 + 4 + 2 * 2) / 8
    scores = {"frame": 0.1, "a": 0.5, "b": 0.9, "c": 0.7}
    assert go_on(scores, 1, always="frame", cheap=(), of=4) == ["frame", "b"]
    assert go_on(scores, 0, always="frame", cheap=(), of=4) == ["frame", "a", "b", "c"]


needs = st.builds(
    Need,
    once=st.floats(0, 1000),
    fold=st.floats(0, 100),
    epoch=st.one_of(st.just(0.0), st.floats(0.001, 100)),
    epochs=st.integers(1, 200),
)


@given(st.dictionaries(st.sampled_from("abcdefgh"), needs, min_size=1), st.floats(1, 1e5), st.integers(2, 6))
def test_shares_stay_within_the_budget(asked: dict[str, Need], budget_s: float, folds: int) -> None:
    found, tried = share_out(asked, budget_s, folds=folds), trainings(len(asked), folds)
    assert list(found) == list(asked)
    spent = 0.0
    for name, share in found.items():
        if isinstance(share, Share):
            assert 1 <= share.epochs <= asked[name].epochs
            spent += asked[name].seconds(tried if asked[name].epochs <= 10 else 1, min(10, asked[name].epochs))
        else:
            assert "its share of the budget is" in share
    if not any(isinstance(share, str) for share in found.values()):
        whole = sum(asked[name].seconds(1, 1) for name in asked)
        assert whole <= budget_s * (1 + 1e-9)


def test_the_single_frame_model_has_no_more_than_its_share() -> None:
    need = Need(once=0, fold=2, epoch=1, epochs=200)
    assert share_of(need, 100, folds=4) == Share(epochs=23, within_s=25)
    assert share_of(need, 10_000, folds=4) == Share(epochs=200, within_s=2500)
    assert share_of(need, 10, folds=4) == Share(epochs=10, within_s=12)  # fewer are of no use
    assert share_of(Need(once=30, fold=1, epoch=0, epochs=100), 50, folds=4) == Share(epochs=100, within_s=5)


def test_the_clock_counts_what_was_spent_before(tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_text('{"seconds": 50.0}')
    clock = Clock(tmp_path / "clock.json", 60, begun_s=perf_counter())
    assert 9 < clock.left_s <= 10
    clock.keep()
    assert json.loads((tmp_path / "clock.json").read_text())["seconds"] >= 50


def test_the_clock_is_kept_though_the_job_be_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("marey.jobs.halving.perf_counter", lambda: now[0])
    clock = Clock(tmp_path / "clock.json", 60, begun_s=0)
    for now[0] in (1.0, 5.0, 6.0):
        clock.keep_often()
    assert json.loads((tmp_path / "clock.json").read_text()) == {"seconds": 5.0}


def films(clips: int, groups: int) -> Manifest:
    """Clips of two classes, dealt out to groups."""
    samples = tuple(Sample(f"v{i}.mp4", {"label": ("ab"[i % 3 == 0],)}, group=f"g{i % groups}") for i in range(clips))
    return Manifest(samples, {"label": ("a", "b")}, multi_label=False, source="films", kind="CSV")


def test_a_few_clips_are_held_out_of_known_groups() -> None:
    manifest = films(100, 5)
    train = np.array([i for i in range(100) if i % 5])
    part = part_of(manifest, train, np.arange(0, 100, 5), seed=0)
    assert 0 < len(part.known) <= 9 and sorted([*part.train, *part.known]) == train.tolist()
    alone = part_of(films(20, 20), np.arange(15), np.arange(15, 20), seed=0)
    assert not len(alone.known) and len(alone.train) == 15  # a group of one clip has none to spare


def test_clips_that_were_encoded_before_cost_nothing(
    small_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAREY_CACHE", str(tmp_path))
    samples = read_manifest(small_films / "annotations.csv").samples[:4]
    spec, model = find_preset("motion").clip, create_model("motion", num_classes=3)
    encode_samples(
        model,
        samples[:3],
        spec,
        Quarantine(total=3),
        views=1,
        crop_count=1,
        device=torch.device("cpu"),
        decoder="pyav",
        workers=0,
        narrator=Silent(),
    )
    lost = replace(samples[0], path=str(small_films / "none.mp4"))
    assert share_kept(model, samples[:3], spec, decoder="pyav") == 1
    assert share_kept(model, [lost, *samples], spec, decoder="pyav") == 3 / 5
    assert share_kept(model, samples, replace(spec, fps=7.0), decoder="pyav") == 0


def test_one_candidate_is_nothing_to_compare(small_films: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names single_frame_stage alone, which is nothing to compare"):
        compare(small_films / "annotations.csv", presets=["single_frame_stage"], out=tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_what_was_spent_before_an_interruption_counts(tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_text('{"seconds": 12}')
    with pytest.raises(KeyboardInterrupt), Clock(tmp_path / "clock.json", 60, begun_s=perf_counter()).kept():
        raise KeyboardInterrupt
    assert 12 < json.loads((tmp_path / "clock.json").read_text())["seconds"] < 20
