"""What a run has learned from, through all that it goes on from: stamps, warnings, cards, and what nobody knows."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from film_tables import table

from marey.app.cli import main
from marey.data import read_manifest
from marey.errors import UsageError
from marey.jobs import ClassEdits, Silent, Trial, evaluate, few_shot, rebalance, train
from marey.jobs.learned import BEFORE, learned_by
from marey.jobs.run import arguments_of
from marey.results import Evaluation

CHEAP: dict[str, Any] = {"preset": "motion", "epochs": 2, "workers": 0}
FEW: dict[str, Any] = {"ways": 2, "shots": "1", "queries": 2, "episodes": 5, "workers": 0}


class Listener(Silent):
    def __init__(self, stop: bool = False) -> None:
        self.said: list[str] = []
        self.stop = stop

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def progress(self, what: str, done: int, total: int) -> None:
        if self.stop and what == "train" and done == total // 2:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def parent(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learned three classes from three films each."""
    place = tmp_path_factory.mktemp("parent")
    data = table(small_films, place / "first.csv", sides=dict.fromkeys(("up", "down", "still"), "tttve"))
    return train(data, **CHEAP, out=place / "run").folder


@pytest.fixture(scope="module")
def other(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the classes; of the four test films the parent has learned two (the first of each)."""
    place = tmp_path_factory.mktemp("other") / "other.csv"
    return table(small_films, place, sides=dict.fromkeys(("up", "down"), "e---ettv"))


def stamped(evaluations: dict[str, Evaluation]) -> object:
    return evaluations["label"].protocol["clips_trained_on"]


@pytest.fixture(scope="module")
def child(parent: Path, other: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trial, list[str]]:
    """A run that went on from the parent, which is gone since, and what was said then."""
    place, listener = tmp_path_factory.mktemp("child"), Listener()
    start = shutil.copytree(parent, place / "parent")
    trial = train(other, start_from=start, **CHEAP, out=place / "run", narrator=listener)
    shutil.rmtree(start)
    return trial, listener.said


def test_a_run_keeps_what_it_goes_on_from_has_learned(child: tuple[Trial, list[str]]) -> None:
    (trial, said), start = child, child[0].folder.with_name("parent")
    assert stamped(dict(trial.evaluations)) == 2
    assert [s for s in said if s.startswith(f"warning: {start}/model.safetensors was trained on 2 of the 4 clips that")]
    assert [s for s in said if s.startswith("warning: the model was trained on 2 of the 4 clips, so these figures")]
    for page in ("model_card.md", "report.html"):
        assert "It was trained on 2 of the 4 clips that it is tested on" in (trial.folder / page).read_text()


def test_later_generations_know_the_first(
    child: tuple[Trial, list[str]], small_films: Path, other: Path, tmp_path: Path
) -> None:
    run, listener = child[0].folder, Listener()
    balanced = rebalance(run, method="ncm", out=tmp_path / "fair", workers=0)
    assert stamped({"label": balanced.after}) == 2
    assert stamped(evaluate(balanced.folder / "model.safetensors", other, split="test", workers=0)) == 2
    learned = learned_by(balanced.folder / "model.safetensors")
    assert learned.own is not None and len(learned.own) == 4 and learned.classes == {"up", "down", "still"}
    # the class that only the first of them was trained on is no new one
    found = few_shot(balanced.folder, small_films / "annotations.csv", **FEW, narrator=listener)
    assert not found.held_out and listener.said[0].startswith("warning: 3 of the 3 classes are ones that a run was")


def test_what_nobody_kept_is_unknown(
    child: tuple[Trial, list[str]], parent: Path, other: Path, small_films: Path, tmp_path: Path
) -> None:
    run, listener = Path(shutil.copytree(child[0].folder, tmp_path / "run")), Listener()
    (run / BEFORE).write_text('{"clips": 3}')
    assert stamped(evaluate(run, workers=0, narrator=listener)) == "unknown" and not listener.said
    (run / BEFORE).unlink()  # as of a run that was begun before this was kept
    assert stamped(evaluate(run, workers=0, narrator=listener)) == "unknown" and not listener.said
    known = ClassEdits(leave_out=("still",))
    assert stamped(evaluate(run, small_films / "annotations.csv", edits=known, workers=0)) == "4 or more"
    few_shot(run, other, **FEW, narrator=listener)
    assert f"not all that {run} was trained on is known, so that this may be no new task to it" in listener.said
    away = Path(shutil.copy(parent / "model.safetensors", tmp_path / "away.safetensors"))
    assert learned_by(away).classes == {"up", "down", "still"} and not learned_by(away).whole


@pytest.mark.slow
def test_a_start_from_a_file_away_from_its_run(parent: Path, other: Path, tmp_path: Path) -> None:
    away = Path(shutil.copy(parent / "model.safetensors", tmp_path / "away.safetensors"))
    run = train(other, start_from=away, **CHEAP, out=tmp_path / "run").folder
    page = (run / "model_card.md").read_text()
    assert "clips trained on: unknown" in page and "Not all that it was trained on is known" in page
    assert learned_by(run / "model.safetensors").classes == {"up", "down", "still"}


def test_balancing_on_clips_that_the_run_has_learned_under_other_names(
    parent: Path, small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = table(small_films, tmp_path / "anew.csv", sides=dict.fromkeys(("up", "down", "still"), "eet-t"))
    data.write_text(data.read_text().replace(",up,", ",rising,"))
    out = tmp_path / "out"
    asked = ["rebalance", str(parent), "--method", "ncm", "--workers", "0", "--json", "--out", str(out)]
    assert main([*asked, "--data", str(data)]) == 2
    said = capsys.readouterr().err
    assert "'rising', which the model does not know" in said and "(--rename and --leave-out, or" in said
    assert main([*asked, "--rename", "rising=up"]) == 2
    assert "--rename has no effect on the run's own clips; name other data" in capsys.readouterr().err
    assert main([*asked, "--data", str(data), "--rename", "rising=up"]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert [part["protocol"]["clips_trained_on"] for part in (result, result["before"])] == [6, 6]
    assert said.err.count("warning: the model was trained on 6 of the 6 clips") == 1
    assert f"--data {data} --rename rising=up --out" in json.loads((out / "run.json").read_text())["command"]


def test_a_run_of_python_is_resumed_by_the_command_line(
    small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = small_films / "annotations.csv", tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(data, **CHEAP, out=out, narrator=Listener(stop=True))
    begun = (out / "run.json").read_text()
    asked = ["train", str(data), "--preset", "motion", "--epochs", "2", "--workers", "0", "--out", str(out)]
    assert main(asked) == 0 and (out / "evaluation.json").exists()
    said = capsys.readouterr()
    assert "batch 32 (usual for linear heads)" in said.out + said.err
    assert (out / "run.json").read_text() == begun

    assert json.loads(begun)["arguments"]["edits"] is None
    info = json.loads(begun)  # as commands have kept no edits
    info["arguments"]["edits"] = {"merge": {}, "rename": {}, "leave_out": []}
    (out / "run.json").write_text(json.dumps(info))
    assert train(data, **CHEAP, out=out).folder == out
    with pytest.raises(UsageError, match=r"holds a run with edits .* and this one has .*'leave_out': "):
        train(data, **CHEAP, edits=ClassEdits(leave_out=("up",)), out=out)


def test_no_edits_are_kept_as_none_by_every_job() -> None:
    edits = ClassEdits(rename={"a": "b"})
    kept = arguments_of({"edits": ClassEdits(), "same": None, "other": edits, "out": 1}, but=("out",))
    assert kept == {"edits": None, "same": None, "other": {"merge": {}, "rename": {"a": "b"}, "leave_out": ()}}


def test_a_manifest_of_the_run_is_all_that_it_has_learned_itself(parent: Path) -> None:
    learned = learned_by(parent / "model.safetensors")
    assert learned.whole and not learned.before
    assert learned.own == read_manifest(parent / "manifest.parquet").part("train")
