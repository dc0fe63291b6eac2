"""Which clips to label next: from a run and unlabelled films to a CSV; what is labelled comes last, what is broken is
named."""

import csv
import json
from pathlib import Path

import pytest

from marey.app.cli import main
from marey.errors import DataError, UsageError, VideoError
from marey.jobs import Trial, open_model, rank, train


@pytest.fixture(scope="module")
def trial(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """It knows two clips of each class."""
    place = tmp_path_factory.mktemp("rank")
    sides = {0: "train", 1: "train", 2: "val", 3: "test"}
    rows = [f"{small_films}/{c}/{c}{n}.mp4,{c},{side}" for c in ("up", "down", "still") for n, side in sides.items()]
    (place / "few.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    return train(place / "few.csv", preset="motion", epochs=5, workers=0, out=place / "run")


def test_known_clips_come_last_and_the_order_is_always_the_same(trial: Trial, small_films: Path) -> None:
    ranked = rank(small_films, run=trial.folder, workers=0)
    assert [clip.rank for clip in ranked.clips] == list(range(1, 25)) and ranked.labelled == 6
    scores = [clip.score for clip in ranked.clips]
    assert scores == sorted(scores, reverse=True) and scores[0] > 0
    known = {f"{small_films}/{c}/{c}{n}.mp4" for c in ("up", "down", "still") for n in range(2)}
    assert {clip.path for clip in ranked.clips if clip.path in known and clip.score > 0.001} == set()
    assert " or " in ranked.clips[0].why and "most like it so far: " in ranked.clips[0].why
    names = sorted(str(path) for path in small_films.rglob("*.mp4"))
    again = rank(names[::-1], run=open_model(trial.folder), count=5, workers=0)
    assert again.clips == ranked.clips[:5]


def test_the_labels_of_a_table_are_not_looked_at(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    table = small_films / "annotations.csv"
    rows = list(csv.reader(table.read_text().splitlines()))
    wrong = [[f"{small_films}/{path}", "nonsense" if n % 2 else "other"] for n, (path, *_) in enumerate(rows[1:])]
    (tmp_path / "wrong.csv").write_text("\n".join(["path,label", *map(",".join, wrong)]) + "\n")
    both = [rank(data, run=trial.folder, workers=0) for data in (table, tmp_path / "wrong.csv")]
    assert [(c.path, c.score) for c in both[0].clips] == [(c.path, c.score) for c in both[1].clips]


def test_broken_videos_are_named_and_left_out(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    files = [small_films / "up" / "up5.mp4", tmp_path / "broken.mp4"]
    ranked = rank(files, run=trial.folder, out=tmp_path / "new" / "order.csv", workers=0)
    assert [Path(clip.path).name for clip in ranked.clips] == ["up5.mp4"]
    assert list(ranked.quarantined) == [str(tmp_path / "broken.mp4")]
    (row,) = csv.DictReader((tmp_path / "new" / "order.csv").read_text().splitlines())
    assert (row["rank"], row["path"], row["start_s"]) == ("1", str(files[0]), "")
    assert float(row["score"]) == pytest.approx(ranked.clips[0].score) and row["why"] == ranked.clips[0].why
    with pytest.raises(VideoError, match=r"broken.mp4: .*, and none of the others could be read either"):
        rank(files[1], run=trial.folder, workers=0)
    with pytest.raises(DataError, match="1 of 2 videos cannot be read, more than the 0 allowed"):
        rank(files, run=trial.folder, max_bad=0, workers=0)


def test_a_model_whose_clips_are_gone_ranks_without_them(trial: Trial, small_films: Path, tmp_path: Path) -> None:
    said: list[str] = []

    class Ear:
        def say(self, sentence: str) -> None:
            said.append(sentence)

        def detail(self, sentence: str) -> None: ...

        def progress(self, what: str, done: int, total: int) -> None: ...

    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((trial.folder / "model.safetensors").read_bytes())
    ranked = rank(small_films / "up", run=alone, workers=0, narrator=Ear())
    assert ranked.labelled == 0 and len(ranked.clips) == 8
    assert said == ["what the model was trained on is not known, so that clips like it may be ranked high"]


def test_the_command(trial: Trial, small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "order.csv"
    asked = [
        "rank",
        str(small_films / "still"),
        "--run",
        str(trial.folder),
        "--workers",
        "0",
        "-q",
        "--out",
        str(place),
    ]
    assert main([*asked, "--count", "3"]) == 0
    assert "rank" in (out := capsys.readouterr().out) and f"written to {place}" in out
    assert len(place.read_text().splitlines()) == 4
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["clips"]) == 8 and found["written"] == str(place) and found["labelled_clips"] == 6
    with pytest.raises(UsageError, match="--count is 0; give 1 or more"):
        rank(small_films, run=trial.folder, count=0)
    with pytest.raises(UsageError, match="which is a folder; name a file to write"):
        rank(small_films, run=trial.folder, out=tmp_path)
