"""New tasks from few examples: runs and presets on the same episodes, what a score takes, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marey.app.cli import main
from marey.app.show import need_rows
from marey.data import Manifest
from marey.errors import DataError, MareyError, UsageError
from marey.jobs import FewShot, LabelNeed, few_shot, train
from marey.jobs.episodes import one_head, parse_shot_counts
from marey.jobs.label_need import MOST_FORETOLD, STEPS, label_need
from marey.metrics import CLASSIFIERS

FEW: dict[str, Any] = {"ways": 2, "queries": 4, "episodes": 20, "workers": 0}


@pytest.fixture(scope="module")
def run(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole network that was trained on two of the three classes."""
    place = tmp_path_factory.mktemp("two")
    sides = ("train", "train", "val", "test")
    rows = [f"{small_films}/{c}/{c}{n}.mp4,{c},{side}" for c in ("up", "down") for n, side in enumerate(sides)]
    (place / "two.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    return train(place / "two.csv", preset="single_frame_stage", epochs=1, workers=0, out=place / "run").folder


def test_a_preset_on_the_films(small_films: Path) -> None:
    found = few_shot("motion", small_films / "annotations.csv", shots="2,1", target=0.5, **FEW)
    assert [(row.classifier, row.shots) for row in found.rows] == [(name, k) for k in (1, 2) for name in CLASSIFIERS]
    assert found.held_out and found.classes == ("down", "still", "up") and found.protocol["groups"] == 8
    assert min(row.accuracy.value for row in found.rows if row.shots == 2) > 0.6  # motion tells up from down
    need = found.needs["motion"]
    assert need.clips is not None and need.clips <= 18 and need.steps in STEPS
    assert few_shot("motion", small_films / "annotations.csv", shots="2,1", target=0.5, **FEW) == found


def test_a_run_is_asked_about_classes_that_it_does_not_know_where_there_are_enough(
    run: Path, small_films: Path
) -> None:
    data = small_films / "annotations.csv"
    found = few_shot([run, "motion"], data, shots="1", **FEW)  # one new class does not make two ways
    assert not found.held_out and len(found.classes) == 3
    assert list(dict.fromkeys(row.encoder for row in found.rows)) == [str(run), "motion"]
    alone = few_shot("motion", data, shots="1", **FEW)
    assert found.rows[4:] == alone.rows  # the same episodes, whoever else is asked
    named = few_shot(run / "model.safetensors", data, shots="1", classes=["still", "up"], **FEW)
    assert named.classes == ("still", "up") and not named.held_out


def test_what_a_score_takes() -> None:
    rng = np.random.default_rng(0)
    classes = np.arange(80) % 4
    parts = [(np.flatnonzero(np.arange(80) // 20 != fold), np.arange(20) + 20 * fold) for fold in range(4)]
    easy = np.eye(4)[classes] + 0.01 * rng.normal(size=(80, 4))
    need = label_need(easy, classes, parts, target=0.95, seed=0)
    assert need.clips == 4 and need.foretold is None and need.steps in STEPS[:6]
    assert [size for size, _ in need.curve] == [4, 8, 16, 32, 60]
    hard = np.eye(4)[classes] + 1.2 * rng.normal(size=(80, 4))
    need = label_need(hard, classes, parts, target=0.99, seed=0)
    assert need.clips is None and need.steps is None
    assert need.foretold is None or 60 <= need.foretold <= MOST_FORETOLD
    odd = np.where(np.arange(80)[:, None] % 10 < 3, rng.normal(size=(80, 4)), 10 * easy)  # 3 of 10 tell nothing
    need = label_need(odd, classes, parts, target=0.95, seed=0)
    assert need.clips is None and need.foretold is None, "no number of clips goes below the floor"


@pytest.mark.parametrize(
    "arguments, error, sentence",
    [
        ({"ways": 4}, UsageError, "there are 3 classes to draw from, and an episode has 4; give --ways 3 or less"),
        ({"ways": 1}, UsageError, "--ways is 1; give a number from 2 to 1000"),
        ({"queries": 0}, UsageError, "--queries is 0; give a number from 1"),
        ({"episodes": 1}, UsageError, "--episodes is 1; give a number from 2"),
        ({"target": 1.0}, UsageError, "--target is 1; give an accuracy above 0 and below 1"),
        ({"shots": "one"}, UsageError, "--shots is 'one'; write numbers of clips a class from 1 to 1000, as in 1,5"),
        ({"shots": "8"}, DataError, "class 'down' has 8 clips, and 8 shots need 9; add clips, leave it out"),
        (
            {"classes": ["up", "left"]},
            UsageError,
            "--classes names 'left', which is no class of the data; they are down",
        ),
        ({"encoders": "c3d"}, UsageError, "preset c3d starts from random weights, which know nothing; name a run"),
        ({"encoders": "mottion"}, UsageError, "no preset is called 'mottion'; did you mean motion"),
    ],
)
def test_what_cannot_be_asked(
    arguments: dict[str, Any], error: type[MareyError], sentence: str, small_films: Path
) -> None:
    asked: dict[str, Any] = {"encoders": "motion", "shots": "1", **FEW, **arguments}
    with pytest.raises(error) as caught:
        few_shot(asked.pop("encoders"), small_films / "annotations.csv", **asked)
    assert sentence in str(caught.value) and caught.value.exit_code == 2
    assert parse_shot_counts("5, 1,5") == [1, 5]


def test_other_data_is_refused(small_films: Path, tmp_path: Path) -> None:
    films = [f"{small_films}/{c}/{c}{n}.mp4" for c in ("up", "down") for n in range(3)]
    tables = {
        "several.jsonl": "".join(
            json.dumps({"path": f, "labels": ["a", "b"][: 1 + n % 2]}) + "\n" for n, f in enumerate(films)
        ),
        "group.csv": "path,label,source\n"
        + "".join(f"{f},{'ab'[n % 2]},{'xx' if n % 2 else n}\n" for n, f in enumerate(films)),
    }
    for name, text in tables.items():
        (tmp_path / name).write_text(text)
    for name, sentence in {
        "several.jsonl": "may have several classes, and an episode needs one each",
        "group.csv": "all clips of class 'b' are of one group, which cannot be on both sides of an episode",
    }.items():
        with pytest.raises(MareyError, match=sentence):
            few_shot("motion", tmp_path / name, shots="1", **FEW)


def test_data_of_several_heads_is_refused() -> None:
    both = Manifest((), {"verb": ("take",), "noun": ("cup",)}, multi_label=False, source="kitchen.csv", kind="EPIC")
    with pytest.raises(
        UsageError, match=r"kitchen.csv has the heads verb and noun, and episodes are of one; name data"
    ):
        one_head(both)


def test_the_command(small_films: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["few-shot", "motion", str(small_films / "annotations.csv"), "--ways", "2", "--episodes", "10", "-q"]
    assert main([*asked, "--target", "0.6", "--workers", "0"]) == 0
    out = capsys.readouterr().out
    for word in (
        "1 shot",
        "5 shots",
        "prototypes",
        "±",
        "labelled clips",
        "2 of 3 classes that no run is known to have learned",
    ):
        assert word in out, out
    assert main([*asked, "--shots", "1", "--json", "--workers", "0"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["rows"]) == 4 and found["rows"][0]["accuracy"]["n"] == 10 and found["needs"] == {}
    curve = ((4, 0.6), (8, 0.5))
    needs = {
        "far": LabelNeed(0.9, None, 400, None, curve),
        "level": LabelNeed(0.9, None, None, None, curve),
        "fresh": LabelNeed(0.9, None, None, None, curve, starting=True),
    }
    rows = need_rows(FewShot((), needs, (), False, {}, {}))
    assert [row[2] for row in rows] == [
        "more than the 8 tried; 400 by the label curve",
        "more than the 8 tried",
        "more than the 8 tried; how many cannot be told, as learning has just begun",
    ]
    assert {row[4] for row in rows} == {"60.0 % with 4"}
