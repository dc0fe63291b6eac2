"""Grouped folds: every clip is tested by a model that never saw its source, and what is done is kept."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from marey.app.cli import main
from marey.app.show import fold_rows
from marey.data import read_manifest
from marey.errors import DataError, UsageError
from marey.jobs import CrossValidation, cross_validate, evaluate, list_runs, predict, train
from marey.jobs.fold_answers import FoldAnswers, teach
from marey.jobs.lesson import Lesson
from marey.training import Fitted, load_checkpoint


@pytest.fixture(scope="module")
def folds(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> CrossValidation:
    out = tmp_path_factory.mktemp("runs") / "f"
    return cross_validate(
        small_films / "annotations.csv",
        folds=2,
        fold_seeds=2,
        preset="motion",
        epochs=20,
        workers=0,
        out=out,
        root=small_films,
        max_bad=5,
    )


def test_folds_test_every_clip_once_a_seed(folds: CrossValidation) -> None:
    figures = folds.figures["motion"]["accuracy"]
    assert figures.value == pytest.approx(np.mean(folds.per_seed["motion"]))
    assert len(folds.evaluations["motion"].clips) == 24
    saved = json.loads((folds.folder / "folds.json").read_text())
    assert saved["top1"] == figures.value and saved["folds"] == 2 and saved["fold_seeds"] == [0, 1]
    assert (folds.folder / "report.html").exists()
    (row,) = list_runs(folds.folder.parent)
    assert row["state"] == "finished" and row["score"] == figures.value


def test_a_run_of_folds_says_how_it_was_made(folds: CrossValidation, small_films: Path) -> None:
    info = json.loads((folds.folder / "run.json").read_text())
    assert info["arguments"]["root"] == str(small_films) and info["arguments"]["max_bad"] == 5
    command = (
        f"marey train {small_films}/annotations.csv --folds 2 --fold-seeds 2 --preset motion --root {small_films} "
    )
    assert info["command"] == f"{command}--epochs 20 --max-bad 5 --out {folds.folder}"


def test_finished_folds_are_returned_and_other_arguments_are_refused(
    folds: CrossValidation, small_films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(epochs: int) -> CrossValidation:
        return cross_validate(
            small_films / "annotations.csv",
            folds=2,
            fold_seeds=2,
            preset="motion",
            epochs=epochs,
            out=folds.folder,
            root=small_films,
            max_bad=5,
        )

    monkeypatch.setattr("marey.jobs.folds.out_of_fold", None)  # would fail if anything was trained
    assert again(20) == folds
    with pytest.raises(UsageError, match=r"holds a run with epochs 20, and this one has 21; .* another --out"):
        again(21)


def test_a_run_of_folds_has_no_model_to_ask(folds: CrossValidation, small_films: Path) -> None:
    sentence = r"f was made with --folds: it holds .*, and no single model; train without --folds to have one"
    for job in (
        lambda: evaluate(folds.folder),
        lambda: evaluate(folds.folder, small_films / "annotations.csv"),
        lambda: predict(folds.folder, small_films / "up" / "up0.mp4"),
    ):
        with pytest.raises(UsageError, match=sentence):
            job()
    with pytest.raises(UsageError, match="holds a run with --folds; give another --out"):
        train(small_films / "annotations.csv", preset="motion", workers=0, out=folds.folder)


def test_the_table_of_folds_says_what_intervals_were_made_over(folds: CrossValidation) -> None:
    assert {row[3] for row in fold_rows(folds)} == {"8 groups"}


def test_declared_splits_are_set_aside(small_films: Path, tmp_path: Path) -> None:
    rows = ["path,label,split,source"]
    for sample in read_manifest(small_films / "annotations.csv").samples:
        rows.append(f"{sample.path},{sample.labels['label'][0]},test,{sample.group}")
    (tmp_path / "data.csv").write_text("\n".join(rows))
    found = cross_validate(
        tmp_path / "data.csv", folds=2, fold_seeds=1, preset="motion", epochs=2, workers=0, out=tmp_path / "run"
    )
    assert len(found.evaluations["motion"].clips) == 24


def test_folds_that_fail_leave_nothing(small_films: Path, tmp_path: Path) -> None:
    rows = ["path,label", *(f"{small_films}/{c}/{c}{n}.mp4,{c}" for c in ("up", "still") for n in range(4))]
    (tmp_path / "bad.mp4").write_bytes(b"x" * 100)
    rows.append(f"{tmp_path}/bad.mp4,up")
    (tmp_path / "data.csv").write_text("\n".join(rows))
    for preset in ("motion", "single_frame_stage"):
        with pytest.raises(DataError, match="of 9 videos cannot be read, more than the 0 allowed"):
            cross_validate(
                tmp_path / "data.csv", folds=2, preset=preset, max_bad=0, workers=0, out=tmp_path / "run", epochs=1
            )
        assert not (tmp_path / "run").exists()


def test_answers_survive_the_file(tmp_path: Path) -> None:
    scores = np.array([[0.25, 0.75], [1.0, 0.0]], np.float32)
    answers = FoldAnswers(np.array([2, 5]), scores, {"é.mp4": "empty"}, ("It diverged.",))
    answers.write(tmp_path / "deep" / "a.npz")
    again = FoldAnswers.read(tmp_path / "deep" / "a.npz")
    assert (again.index == answers.index).all() and (again.scores == answers.scores).all()
    assert again.scores.dtype == np.float32 and again.quarantined == answers.quarantined
    assert again.notes == answers.notes
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.npz"]
    np.savez(tmp_path / "old.npz", index=answers.index, scores=scores, quarantined="{}")  # of before there were notes
    assert FoldAnswers.read(tmp_path / "old.npz").notes == ()


def test_killed_folds_go_on_to_the_figures_of_unbroken_ones(
    small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = "single_frame_stage"  # a whole network; where ImageNet weights are installed, a frozen one follows it
    rows = (small_films / "annotations.csv").read_text().splitlines()
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "data.csv").write_text("\n".join([*rows, f"{tmp_path}/broken.mp4,up,s8"]))
    command = ["train", str(tmp_path / "data.csv"), "--root", str(small_films), "--folds", "2", "--fold-seeds", "2"]
    command += ["--preset", preset, "--epochs", "2", "--workers", "0"]
    whole, broken = tmp_path / "whole", tmp_path / "cut"
    with subprocess.Popen(
        [sys.executable, "-m", "marey", *command, "--out", str(broken)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as work:
        while work.poll() is None and not list(broken.glob("folds/*/*.npz")):
            time.sleep(0.005)
        work.send_signal(signal.SIGKILL)
    assert work.returncode == -signal.SIGKILL and not (broken / "folds.json").exists()
    held = {path: path.stat().st_mtime_ns for path in broken.glob("folds/*/*.npz")}
    with pytest.MonkeyPatch.context() as patch:  # there is less memory now: the batch stays what it was
        patch.setattr("marey.jobs.lesson.most_at_once", lambda *_: 2)
        assert main([*command, "--out", str(broken)]) == 0
    assert f"{len(held)} of 4 folds of {preset} are done already" in capsys.readouterr().err
    assert all(path.stat().st_mtime_ns == before for path, before in held.items())
    assert main([*command, "--out", str(whole)]) == 0
    one, other = (json.loads((out / "folds.json").read_text()) for out in (whole, broken))
    for key in ("figures", "paired_difference", "accuracy_per_seed", "protocol", "evaluations"):
        assert one[key] == other[key]
    assert list(one["evaluations"][preset]["quarantined"]) == [str(tmp_path / "broken.mp4")]


def test_every_fold_goes_on_from_the_same_checkpoint(
    small_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small_films / "annotations.csv"
    start = train(data, preset="single_frame_stage", epochs=1, workers=0, out=tmp_path / "start").folder
    began: list[dict[str, torch.Tensor]] = []

    def watched(lesson: Lesson, *rest: Any) -> Fitted:
        began.append({name: tensor.clone() for name, tensor in lesson.model.state_dict().items()})
        return teach(lesson, *rest)

    monkeypatch.setattr("marey.jobs.fold_answers.teach", watched)
    found = cross_validate(
        data,
        folds=2,
        fold_seeds=1,
        start_from=start,
        transfer="fixed",
        epochs=1,
        workers=0,
        out=tmp_path / "run",
    )
    assert len(found.evaluations["single_frame_stage"].clips) == 24
    _, tensors = load_checkpoint(start / "model.safetensors")
    folds = [state for state in began if state.keys() == tensors.keys()]  # not those of the single-frame model beside
    assert len(folds) == 2 and all(torch.equal(state[name], tensors[name]) for state in folds for name in tensors)
    learned = len(read_manifest(start / "manifest.parquet").part("train"))
    said = f"was trained on {learned} of the 24 clips, so that models that start from it have seen clips"
    assert said in (tmp_path / "run" / "report.html").read_text()
    command = json.loads((tmp_path / "run" / "run.json").read_text())["command"]
    assert f"--from {start} --transfer fixed" in command
    with pytest.raises(UsageError, match="--transfer is for a network that has learned elsewhere; name it with --from"):
        cross_validate(data, transfer="fixed", out=tmp_path / "none")
