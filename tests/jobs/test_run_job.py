"""What becomes of a run afterwards: lost and damaged files, moved videos, other spellings, clips it was trained on."""

import json
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from marey.app.cli import main
from marey.data import Sample, read_manifest
from marey.errors import UsageError
from marey.jobs import ClassEdits, Silent, Trial, cross_validate, evaluate, list_runs, predict, read_run, train
from marey.jobs.clips_of_run import count_shown


class Listener(Silent):
    """Remembers what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.fixture(scope="module")
def films(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with videos of its own, which tests may move."""
    return Path(shutil.copytree(small_films, tmp_path_factory.mktemp("own") / "films"))


@pytest.fixture(scope="module")
def trial(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return train(films, preset="motion", kind="csv", epochs=2, workers=0, out=tmp_path_factory.mktemp("runs") / "r")


@pytest.fixture
def run(trial: Trial, tmp_path: Path) -> Path:
    """A copy of the run that a test may damage."""
    return Path(shutil.copytree(trial.folder, tmp_path / "runs" / "r"))


def again(films: Path | str, run: Path) -> Trial:
    return train(films, preset="motion", kind="csv", epochs=2, workers=0, out=run)


@pytest.mark.parametrize("share, what", [(0.0, "has no model; to finish the run"), (0.5, "is truncated or damaged")])
def test_a_run_without_its_model_is_not_finished_and_is_mended_by_its_command(
    share: float, what: str, trial: Trial, run: Path, films: Path
) -> None:
    model = run / "model.safetensors"
    whole = model.read_bytes()
    model.unlink()
    if share:
        model.write_bytes(whole[: int(share * len(whole))])
    assert not read_run(run).finished
    (row,) = list_runs(run.parent)
    assert row["state"] == "resumable" and row["score"] is None
    for job in (lambda: evaluate(run), lambda: predict(run, films / "up" / "up0.mp4")):
        with pytest.raises(UsageError, match=rf"{what}.* give its command again: marey train {films} .*--out {run}"):
            job()
    assert again(films, run).evaluations["label"].metrics == trial.evaluations["label"].metrics
    assert read_run(run).finished and evaluate(run, workers=0)["label"].metrics["top1"].n


def test_a_damaged_state_names_its_cure(run: Path, films: Path, trial: Trial) -> None:
    (run / "model.safetensors").unlink()
    (run / "state.safetensors").write_bytes((run / "state.safetensors").read_bytes()[:1000])
    with pytest.raises(UsageError, match=r"state.safetensors is truncated or damaged.*; delete it and give the same"):
        again(films, run)
    (run / "state.safetensors").unlink()
    assert again(films, run).evaluations["label"].metrics == trial.evaluations["label"].metrics


def test_a_damaged_manifest_is_said(run: Path, films: Path) -> None:
    (run / "manifest.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"manifest.parquet is lost or damaged, .*; name the data to evaluate on"):
        evaluate(run)
    assert evaluate(run, films / "annotations.csv", workers=0)["label"].protocol["clips_trained_on"] == "unknown"


def test_a_run_is_not_taken_for_one_of_folds(run: Path, films: Path) -> None:
    with pytest.raises(UsageError, match="holds a run without --folds; give another --out"):
        cross_validate(films, preset="motion", kind="csv", epochs=2, workers=0, out=run)


def test_data_may_be_spelt_otherwise(run: Path, films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(films.parent)
    for spelling in (f"{films}/", "films", "films/"):
        assert again(spelling, run).folder == run


def test_a_run_from_before_an_option_goes_on(run: Path, films: Path) -> None:
    info = json.loads((run / "run.json").read_text())
    del info["arguments"]["decoder"], info["arguments"]["views"]
    (run / "run.json").write_text(json.dumps(info))
    assert again(films, run).folder == run and list_runs(run.parent)[0]["state"] == "finished"
    assert evaluate(run, workers=0)["label"].protocol["clips"]
    with pytest.raises(UsageError, match="holds a run with patience None, and this one has 3"):
        train(films, preset="motion", kind="csv", epochs=2, patience=3, workers=0, out=run)


def test_changed_data_are_said(run: Path, films: Path, tmp_path: Path) -> None:
    info = json.loads((run / "run.json").read_text())
    info["data"]["hash"] = "0123456789ab"
    (run / "run.json").write_text(json.dumps(info))
    with pytest.raises(UsageError, match=r"holds a run on .*films as it was before its paths, .*; give another --out"):
        again(films, run)


def test_held_out_videos_are_found_where_they_were_moved(trial: Trial, films: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "films"
    own = evaluate(trial.folder, workers=0)["label"]
    moved.parent.mkdir()
    films.rename(moved)
    try:
        found = evaluate(trial.folder, root=moved, workers=0)["label"]
        assert found.metrics == own.metrics and all(str(moved) in clip.path for clip in found.clips)
        assert evaluate(trial.folder, root=moved.parent, workers=0)["label"].metrics == own.metrics
        with pytest.raises(UsageError) as refused:
            evaluate(trial.folder, workers=0)
        assert "cannot be found, first " in str(refused.value) and "line" not in str(refused.value)
        assert str(refused.value).endswith("say with --root in which folder they are now")
        (moved / "still").rename(moved / "lost")
        with pytest.raises(UsageError, match=rf"first {moved}/still/.*; correct --root, or name the data"):
            evaluate(trial.folder, root=moved, workers=0)
        with pytest.raises(UsageError, match="the folder of videos nowhere does not exist; correct --root"):
            evaluate(trial.folder, root="nowhere", workers=0)
    finally:
        if (moved / "lost").exists():
            (moved / "lost").rename(moved / "still")
        moved.rename(films)


def test_what_says_how_to_read_data_is_refused_without_data(trial: Trial) -> None:
    with pytest.raises(UsageError, match="--kind has no effect on the run's own clips; name other data"):
        evaluate(trial.folder, kind="csv")
    with pytest.raises(UsageError, match="--group-by has no effect"):
        evaluate(trial.folder, group_by="source")
    with pytest.raises(UsageError, match="--leave-out has no effect"):
        evaluate(trial.folder, edits=ClassEdits(leave_out=("up",)))


def test_clips_that_were_trained_on_are_warned_of_and_stamped(trial: Trial, films: Path, small_films: Path) -> None:
    learned = len(read_manifest(trial.folder / "manifest.parquet").part("train"))
    assert trial.evaluations["label"].protocol["clips_trained_on"] == 0
    listener = Listener()
    for data in (films / "annotations.csv", small_films / "annotations.csv"):  # the files themselves, and copies
        found = evaluate(trial.folder, data, workers=0, narrator=listener)["label"]
        assert found.protocol["clips_trained_on"] == learned
        assert listener.said[-1].startswith(f"warning: the model was trained on {learned} of the 24 clips, so these")
    file = evaluate(trial.folder / "model.safetensors", films / "annotations.csv", workers=0)["label"]
    assert file.protocol["clips_trained_on"] == learned
    listener.said.clear()
    own = evaluate(trial.folder, workers=0, narrator=listener)["label"]
    assert own.protocol["clips_trained_on"] == 0 and not listener.said


def test_stretches_of_one_file_are_shown_where_they_overlap(tmp_path: Path) -> None:
    for name, content in (("a", b"one"), ("copy", b"one"), ("b", b"two"), ("c", b"other")):
        (tmp_path / name).write_bytes(content)
    a = Sample(path=str(tmp_path / "a"), labels={}, start_s=1.0, end_s=2.0)
    before, into, whole = replace(a, start_s=0.0, end_s=1.0), replace(a, start_s=1.5), replace(a, end_s=None)
    assert count_shown([before, into, whole, replace(a, start_s=2.0, end_s=None)], [a]) == 2
    others = [replace(a, path=str(tmp_path / name)) for name in ("copy", "b", "c", "gone")]
    assert [count_shown([other], [a]) for other in others] == [1, 0, 0, 0]
    members = [replace(a, path=f"{a.path}::{name}") for name in ("x.mp4", "y.mp4")]
    assert count_shown(members, members[:1]) == 1


def test_split_is_named_where_there_is_none(trial: Trial, films: Path) -> None:
    with pytest.raises(UsageError, match=r"has no clips in its val split; it names no splits: drop --split"):
        evaluate(trial.folder, films / "annotations.csv", split="val", workers=0)


def test_an_interrupt_names_the_folder_of_the_run(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    words = ["train", str(films), "--kind", "csv", "--preset", "motion", "--workers", "0", "-q"]
    monkeypatch.setattr(import_module("marey.jobs.train"), "learn", interrupted)  # not the function of that name
    monkeypatch.setattr("marey.jobs.folds.out_of_fold", interrupted)
    for more, kept in (([], "what the run saved is kept"), (["--folds", "2"], "every fold that is done is kept")):
        assert main([*words, *more]) == 130
        (folder,) = [row["folder"] for row in list_runs(Path("runs")) if ("-folds-" in row["folder"]) == bool(more)]
        said = capsys.readouterr().err
        assert f"marey: interrupted; {kept}: give the same command with --out {folder} to go on" in said
