"""The main job on real files: train, evaluate, predict, resume; the figures of all three agree."""

import csv
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from marey.app.cli import main
from marey.app.show import metric_rows
from marey.data import Quarantine, read_manifest
from marey.errors import DataError, UsageError, VideoError
from marey.jobs import (
    ClassEdits,
    Silent,
    Trial,
    evaluate,
    evaluation_dict,
    list_runs,
    open_model,
    output_files,
    predict,
    train,
    with_labels,
)
from marey.jobs.choose import Wishes, choose_recipe
from marey.jobs.features import encode_samples
from marey.presets import find_preset
from marey.results import Timeline
from marey.tasks import EventRule

RUN_FILES = {"run.json", "manifest.parquet", "metrics.jsonl", "model.safetensors", "evaluation.json", "report.html"}


@pytest.fixture(scope="module")
def trial(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    out = tmp_path_factory.mktemp("runs") / "motion"
    return train(small_films / "annotations.csv", preset="motion", epochs=20, workers=0, out=out)


def test_a_run_folder_holds_everything(trial: Trial) -> None:
    assert {p.name for p in trial.folder.iterdir()} >= {*RUN_FILES, "model_card.md", "state.safetensors"}
    info = json.loads((trial.folder / "run.json").read_text())
    assert info["preset"] == "motion" and info["data"]["clips"] == 24 and info["data"]["kind"] == "CSV"
    assert info["command"].startswith("marey train ") and "--preset motion" in info["command"]
    saved = json.loads((trial.folder / "evaluation.json").read_text())
    top1 = trial.evaluations["label"].metrics["top1"]
    assert saved["top1"] == top1.value and 0 <= top1.low <= top1.value <= top1.high <= 1
    stamp = saved["protocol"]
    assert {"views", "frames", "resize", "decoder", "missing_videos", "checkpoint", "preset"} <= set(stamp)


def test_no_source_is_on_two_sides(trial: Trial) -> None:
    sides: dict[str | None, set[str | None]] = {}
    for sample in read_manifest(trial.folder / "manifest.parquet").samples:
        sides.setdefault(sample.group, set()).add(sample.split)
    assert all(len(side) == 1 for side in sides.values())


def test_a_leak_is_told_and_kept_in_the_report(small_films: Path, tmp_path: Path) -> None:
    table = tmp_path / "leak.csv"
    sides = ("train", "train", "train", "val", "test", "test", "train", "train")
    rows = [
        f"{small_films}/{label}/{label}{i}.mp4,{label},{side},c{i % 2}"
        for label in ("up", "down")
        for i, side in enumerate(sides)
    ]
    table.write_text("\n".join(["path,label,split,camera", *rows]))
    said: list[str] = []

    class Listener(Silent):
        def say(self, sentence: str) -> None:
            said.append(sentence)

    run = train(table, preset="motion", epochs=1, workers=0, out=tmp_path / "run", narrator=Listener())
    leak = "group 'c0' is on several sides of the split: train (6) and test (2)"
    assert any(sentence.startswith(f"warning: {leak}") for sentence in said)
    assert not any("no group" in sentence for sentence in said)
    assert "A leak: group" in (run.folder / "model_card.md").read_text()


def test_a_finished_run_is_returned_and_other_arguments_are_refused(trial: Trial, small_films: Path) -> None:
    data = small_films / "annotations.csv"
    again = train(data, preset="motion", epochs=20, workers=0, out=trial.folder)
    assert evaluation_dict(again.evaluations) == evaluation_dict(trial.evaluations)
    with pytest.raises(UsageError, match=r"holds a run with epochs 20, and this one has 21; .* another --out"):
        train(data, preset="motion", epochs=21, workers=0, out=trial.folder)
    with pytest.raises(UsageError, match="exists and is no run"):
        train(data, preset="motion", workers=0, out=small_films)


def test_evaluate_repeats_the_runs_own_figures(trial: Trial) -> None:
    own, again = trial.evaluations["label"], evaluate(trial.folder, workers=0)["label"]
    assert own.metrics == again.metrics
    np.testing.assert_allclose([c.scores for c in own.clips], [c.scores for c in again.clips], atol=1e-6)


@pytest.mark.parametrize("views", ["1x1", "4x1"])
def test_predict_stores_the_scores_of_evaluate(trial: Trial, small_films: Path, views: str, tmp_path: Path) -> None:
    by_path = {c.path: c for c in evaluate(trial.folder, views=views, workers=0, use_cache=False)["label"].clips}
    paths = sorted(by_path)[:3]
    timelines, bad = predict(trial.folder, paths, views=views)
    labels = open_model(trial.folder).task.heads["label"]
    assert not bad and list(timelines) == paths
    for path, timeline in timelines.items():
        scores = [timeline.video_scores[label] for label in labels]
        np.testing.assert_allclose(scores, by_path[path].scores, atol=1e-5)


def test_predict_writes_json_csv_and_film(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    video = small_films / "still" / "still0.mp4"
    timelines, _ = predict(trial.folder, [video], out=tmp_path, rule=EventRule(threshold=0.2))
    timeline = timelines[str(video)]
    assert Timeline.from_dict(json.loads((tmp_path / "still0.json").read_text())) == timeline
    rows = list(csv.DictReader((tmp_path / "still0.csv").read_text().splitlines()))
    assert [row["label"] for row in rows] == [e.label for e in timeline.events] and rows
    assert (tmp_path / "still0.overlay.mp4").stat().st_size > 1000
    assert all(0 <= e.start_s < e.end_s <= timeline.duration_s + 1e-6 for e in timeline.events)
    assert sum(timeline.video_scores.values()) == pytest.approx(1)


def test_a_bad_video_is_named_and_the_others_go_on(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    good = small_films / "up" / "up0.mp4"
    timelines, bad = predict(trial.folder, [tmp_path / "broken.mp4", good], out=tmp_path / "out", overlay=False)
    assert list(timelines) == [str(good)] and list(bad) == [str(tmp_path / "broken.mp4")]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["up0.csv", "up0.json"]


def test_only_what_is_written_takes_a_number_and_each_video_names_its_files(
    trial: Trial, small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = [tmp_path / part / "clip.mp4" for part in "abc"]
    for video in videos:
        video.parent.mkdir()
        video.write_bytes((small_films / "up" / "up0.mp4").read_bytes())
    (tmp_path / "a" / "clip.mp4").write_bytes(b"no video")
    (tmp_path / "d").mkdir()
    shutil.copy(videos[2], tmp_path / "d" / "clip-2.mp4")
    out = tmp_path / "out"
    words = ["predict", trial.folder, *videos, tmp_path / "d" / "clip-2.mp4", "--no-overlay", "-q", "--out", out]
    assert main([str(word) for word in words]) == 0
    said = capsys.readouterr().out
    names = {videos[1]: "clip", videos[2]: "clip-2", tmp_path / "d" / "clip-2.mp4": "clip-2-2"}
    assert {p.name for p in out.iterdir()} == {f"{name}{end}" for name in names.values() for end in (".json", ".csv")}
    for video, name in names.items():
        assert json.loads((out / f"{name}.json").read_text())["video"] == str(video)
        after = said.partition(f"{video} (2.00 s): ")[2]
        assert f"written to {out / name}.json, {out / name}.csv\n" in after
    assert main([*map(str, words), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["written"] == {str(v): [f"{out / n}.json", f"{out / n}.csv"] for v, n in names.items()}
    assert list(said["quarantined"]) == [str(videos[0])]


def test_nothing_is_said_to_be_written_where_nothing_is(
    trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    assert main(["predict", str(trial.folder), str(tmp_path / "broken.mp4"), "-q", "--out", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and not (tmp_path / "out").exists()
    assert f"no video could be read, so nothing is written; first {tmp_path}/broken.mp4: " in err


def test_a_film_that_cannot_be_made_costs_the_film_alone(
    trial: Trial, small_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: str, *_: object, **__: object) -> None:
        raise VideoError(path, "the middle is damaged")

    monkeypatch.setattr(import_module("marey.jobs.predict"), "write_overlay", broken)  # not the function of that name
    video = small_films / "up" / "up0.mp4"
    found, bad = predict(trial.folder, [video], out=tmp_path / "out")
    assert list(found) == [str(video)] and not bad
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["up0.csv", "up0.json"]
    files = output_files(found, tmp_path / "out", overlay=True)
    assert files == {str(video): [str(tmp_path / "out" / name) for name in ("up0.json", "up0.csv")]}


def test_a_file_in_the_place_of_a_folder_is_refused_first(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match=f"--out is {out}, and {tmp_path}/file is a file; name a folder"):
            predict(trial.folder, [small_films / "up" / "up0.mp4"], out=out)


def test_intervals_say_what_they_were_made_over(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = trial.evaluations["label"]
    groups = len({clip.group for clip in evaluation.clips})
    assert groups < len(evaluation.clips)
    assert {row[3] for row in metric_rows(trial.evaluations)} == {f"{groups} groups" if groups > 1 else "1 group"}
    alone = replace(evaluation, clips=tuple(replace(clip, group=None) for clip in evaluation.clips))
    assert str(metric_rows({"label": alone})[0][3]).endswith((" clips", " clip"))


def test_encoded_clips_are_kept_and_found_again(
    trial: Trial, small_films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = open_model(trial.folder)
    samples = read_manifest(small_films / "annotations.csv").samples

    def encode(part: list[int]) -> dict[int, torch.Tensor]:
        return encode_samples(
            trained.model,
            [samples[i] for i in part],
            trained.spec,
            Quarantine(total=3),
            views=1,
            crop_count=1,
            device=trained.device,
            decoder="pyav",
            workers=0,
            narrator=Silent(),
        )

    encode([0, 1, 2])
    decoded: list[int] = []
    monkeypatch.setattr(
        "marey.jobs.features.view_batches", lambda missing, *_, **__: decoded.append(len(missing)) or iter(())
    )
    assert sorted(encode([0, 1, 2])) == [0, 1, 2] and decoded == [0]


def test_a_hop_longer_than_a_window_is_refused(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    video = small_films / "up" / "up0.mp4"
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    whole, bad = predict(trial.folder, [tmp_path / "broken.mp4", video], hop_s=2.0)
    assert whole[str(video)].protocol["hop_s"] == 2.0 and list(bad) == [str(tmp_path / "broken.mp4")]
    sentence = r"--hop is 2.5 s and a window of .*up0.mp4 is 2 s, so parts of it would go unseen; give at most 2"
    with pytest.raises(UsageError, match=sentence):
        predict(trial.folder, [video], hop_s=2.5, out=tmp_path / "out")
    with pytest.raises(UsageError, match=r"--hop is 1e-09 s, less than a frame of .*up0.mp4; give at least 0.1"):
        predict(trial.folder, video, hop_s=1e-9, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_patience_needs_clips_to_watch() -> None:
    with pytest.raises(UsageError, match="--patience is 3, but there is no val split to watch; drop it, or name one"):
        choose_recipe(find_preset("motion"), Wishes(patience=3), clips=8)
    recipe, *_ = choose_recipe(find_preset("motion"), Wishes(patience=3), clips=8, watched=True)
    assert recipe.monitor == "val_top1"


def test_another_models_classes_are_refused(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    data = tmp_path / "other.csv"
    data.write_text(f"path,label\n{small_films}/up/up0.mp4,rise\n{small_films}/up/up1.mp4,fall\n")
    with pytest.raises(UsageError, match=r"has the label 'rise', which the model does not know \(down, still, up\)"):
        evaluate(trial.folder, data, workers=0)


def test_labels_can_be_named(trial: Trial, tmp_path: Path) -> None:
    trained = open_model(trial.folder)
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    assert with_labels(trained, str(tmp_path / "names.txt")).task.heads == {"label": ("a", "b", "c")}
    with pytest.raises(UsageError, match="kinetics400 has 400 names and the model has 3 classes"):
        with_labels(trained, "kinetics400")
    with pytest.raises(UsageError, match=r"neither a file nor one of .*kinetics400.*; name a file with a class name"):
        with_labels(trained, "kinetcs")


def test_runs_are_listed(trial: Trial) -> None:
    (row,) = list_runs(trial.folder.parent)
    assert row["state"] == "finished" and row["preset"] == "motion" and 0 <= row["score"] <= 1


def test_classes_can_be_left_out(small_films: Path, tmp_path: Path) -> None:
    edits = ClassEdits(merge={"moving": ("up", "down")})
    out = train(
        small_films / "annotations.csv", preset="motion", epochs=60, edits=edits, workers=0, out=tmp_path / "run"
    )
    evaluation = out.evaluations["label"]
    assert set(evaluation.labels) == {"moving", "still"}
    assert evaluation.metrics["top1"].value == 1.0  # a square that moves, and one that does not


def test_weights_of_a_run_start_another_with_other_classes(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    edits = ClassEdits(leave_out=("still",))
    out = train(
        small_films / "annotations.csv",
        start_from=trial.folder,
        edits=edits,
        epochs=2,
        workers=0,
        out=tmp_path / "run",
    )
    assert out.evaluations["label"].labels == ("down", "up")
    with pytest.raises(UsageError, match="is of preset motion and --preset is r3d_18; drop one of the two"):
        train(small_films / "annotations.csv", start_from=trial.folder, preset="r3d_18", workers=0)


def test_too_many_bad_videos_refuse_the_run(small_films: Path, tmp_path: Path) -> None:
    rows = ["path,label", *(f"{small_films}/{c}/{c}{n}.mp4,{c}" for c in ("up", "still") for n in range(4))]
    for number in range(2):
        (tmp_path / f"bad{number}.mp4").write_bytes(b"x" * 100)
        rows.append(f"{tmp_path}/bad{number}.mp4,up")
    (tmp_path / "data.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"of 10 videos cannot be read, more than the 0 allowed"):
        train(tmp_path / "data.csv", preset="motion", max_bad=0, workers=0, out=tmp_path / "run")


def command(data: Path, out: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "marey", "train", str(data), "--preset", "single_frame_stage", "--epochs", "12"),
        *("--batch-size", "2", "--workers", "0", "--out", str(out), "--quiet"),
    ]


def test_a_killed_run_resumes_to_the_figures_of_an_unbroken_one(small_films: Path, tmp_path: Path) -> None:
    data, env = small_films / "annotations.csv", {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command(data, tmp_path / "whole"), check=True, env=env, capture_output=True)
    broken = tmp_path / "broken"
    with subprocess.Popen(command(data, broken), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as work:
        while work.poll() is None and len(rows_of(broken)) < 3:
            time.sleep(0.005)
        work.send_signal(signal.SIGKILL)
    assert work.returncode == -signal.SIGKILL and not (broken / "evaluation.json").exists()
    subprocess.run(command(data, broken), check=True, env=env, capture_output=True)
    assert [figures(r) for r in rows_of(broken)] == [figures(r) for r in rows_of(tmp_path / "whole")]
    scores = [json.loads((p / "evaluation.json").read_text())["clips"] for p in (broken, tmp_path / "whole")]
    assert scores[0] == scores[1]


def test_a_setback_is_told_and_kept(small_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learning = import_module("marey.jobs.learn")
    whole, calls = learning.loss_of, iter(range(999))

    def loss_of(*given: Any) -> Callable[[Tensor, Tensor], Tensor]:
        loss = whole(*given)
        return lambda logits, truth: loss(logits, truth) * (float("nan") if next(calls) == 7 else 1)

    monkeypatch.setattr(learning, "loss_of", loss_of)

    class Told(Silent):
        sentences: ClassVar[list[str]] = []

        def say(self, sentence: str) -> None:
            self.sentences.append(sentence)

    out, given = tmp_path / "run", {"preset": "motion", "epochs": 5, "batch_size": 4, "workers": 0}
    train(small_films / "annotations.csv", **given, out=out, narrator=Told())
    told = "raining diverged: the loss became nan at step"
    sentence = next(s for s in Told.sentences if s.startswith("The loss became nan"))
    assert "training went back to step 0, and on at 0.5 times the learning rate" in sentence
    (kept,) = json.loads((out / "run.json").read_text())["setbacks"]
    assert (kept["what"], kept["rate_factor"]) == ("the loss became nan", 0.5)
    assert told in (out / "report.html").read_text() and told in (out / "model_card.md").read_text()
    finished = train(small_films / "annotations.csv", **given, out=out)
    assert finished.folder == out and told in finished.notes[0] and finished.to_dict()["notes"] == [*finished.notes]


def test_training_in_vain_is_told_and_kept(
    small_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learning = import_module("marey.jobs.learn")
    found, whole = [], learning.chance_of
    monkeypatch.setattr(learning, "chance_of", lambda *given: found.append(whole(*given)) or 0.001)
    words = [*("--preset", "motion", "--epochs", "2", "--workers", "0", "--quiet", "--json")]
    for out, more in ((tmp_path / "run", []), (tmp_path / "folds", ["--folds", "2", "--fold-seeds", "1"])):
        notes = []
        for _ in range(2):  # the second is finished
            assert main(["train", str(small_films / "annotations.csv"), *words, *more, "--out", str(out)]) == 0
            notes.append(json.loads(capsys.readouterr().out)["notes"])
        assert notes[0] == notes[1]
        assert "Training has not learned: its loss ended at " in notes[0][0] and notes[0][-1].endswith("the labels.")
        page = (out / "report.html").read_text()
        assert all(page.count(note) == 1 for note in notes[0])
    assert notes[0][1].startswith("Seed 0, fold 1 of motion: Training")
    assert found == pytest.approx([math.log(3)] * len(found), abs=1e-4)


def rows_of(run: Path) -> list[dict[str, float]]:
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def figures(row: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name not in ("seconds", "data_wait")}


def test_a_trial_says_itself_in_json(trial: Trial) -> None:
    said = replace(trial).to_dict()
    assert said["folder"] == str(trial.folder) and 0 <= said["top1"] <= 1


@pytest.mark.slow
def test_two_processes_under_torchrun_train_one_run(small_films: Path, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    work = [*launch, *command(small_films / "annotations.csv", tmp_path / "run")[1:], "--device", "cpu"]
    done = subprocess.run(work, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("top-1") == 1  # one process speaks
    assert {p.name for p in (tmp_path / "run").iterdir()} >= RUN_FILES
