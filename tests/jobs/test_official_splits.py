"""The official splits of a data set, averaged in one command."""

import json
from pathlib import Path

import numpy as np
import pytest

from marey.app.cli import main
from marey.app.show import fold_rows
from marey.errors import DataError, UsageError
from marey.jobs import ClassEdits, CrossValidation, cross_validate
from marey.metrics import estimate_rounds

TESTED = {1: (0, 1), 2: (1, 2, 3), 3: (4,)}  # groups of each split; the first two share one, three are in none
MODEL, NAMES = "motion", ("up", "down", "still")


@pytest.fixture(scope="module")
def lists(small_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ucf")
    for name in NAMES:
        (folder / name).mkdir()
        for number in range(8):
            place = folder / name / f"v_{name}_g{number:02d}_c01.mp4"
            place.symlink_to(small_films / name / f"{name}{number}.mp4")
    for split, groups in TESTED.items():
        for side in ("train", "test"):
            lines = [
                f"{name}/v_{name}_g{number:02d}_c01.mp4\n"
                for name in NAMES
                for number in range(8)
                if (number in groups) == (side == "test")
            ]
            (folder / f"{side}list0{split}.txt").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def result(lists: Path, tmp_path_factory: pytest.TempPathFactory) -> CrossValidation:
    return cross_validate(
        lists,
        folds="splits",
        preset=MODEL,
        epochs=5,
        workers=0,
        out=tmp_path_factory.mktemp("runs") / "s",
        edits=ClassEdits(),
    )


def test_each_split_is_trained_and_tested_as_declared(result: CrossValidation) -> None:
    found = {}
    for number, groups in TESTED.items():
        with np.load(result.folder / "folds" / MODEL / f"seed{number - 1}-fold0.npz") as kept:
            found[number] = kept["index"]
        assert len(found[number]) == 3 * len(groups)
    assert len(np.intersect1d(found[1], found[2])) == 3 and not len(np.intersect1d(found[2], found[3]))
    assert [clip.group for clip in result.evaluations[MODEL].clips] == [f"{n} g0{g}" for n in NAMES for g in (0, 1)]


def test_the_figure_is_the_mean_over_splits(result: CrossValidation) -> None:
    saved = json.loads((result.folder / "folds.json").read_text())
    each = saved["accuracy_per_seed"][MODEL]
    assert len(each) == 3 and saved["top1"] == pytest.approx(np.mean(each)) and saved["fold_seeds"] == [1, 2, 3]
    assert saved["spread"][MODEL] == pytest.approx(np.std(each, ddof=1))
    assert result.figures[MODEL]["accuracy"].n == 15  # groups that were tested, once each
    assert saved["folds"] is None and saved["protocol"]["official_splits"] == 3 and "folds" not in saved["protocol"]
    rows = {row[0]: row[1] for row in fold_rows(result)}
    assert rows[f"{MODEL}: split 2"] == f"{100 * each[1]:.1f} %" and f"{MODEL}: deviation" in rows
    page = (result.folder / "report.html").read_text()
    assert "3 official splits" in page and "The splits train on many of the same" in page


def test_splits_that_are_done_are_kept(
    result: CrossValidation, lists: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads((result.folder / "run.json").read_text())["command"]
    assert told == f"marey train {lists} --folds splits --preset {MODEL} --epochs 5 --out {result.folder}"
    before = result.to_dict()
    (result.folder / "folds.json").unlink()
    kept = result.folder / "folds" / MODEL / "seed1-fold0.npz"
    written = (result.folder / "folds" / MODEL / "seed0-fold0.npz").stat().st_mtime_ns
    kept.unlink()
    assert main([*told.split()[1:], "--workers", "0", "--json", "--quiet"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert {**again, "minutes": 0} == json.loads(json.dumps({**before, "minutes": 0}))
    assert kept.exists() and (kept.parent / "seed0-fold0.npz").stat().st_mtime_ns == written


def test_data_of_one_split_are_refused(small_films: Path, lists: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"has no several official splits, which the lists of UCF-101 .* take --folds 5"
    ):
        cross_validate(small_films / "annotations.csv", folds="splits", preset=MODEL, out=tmp_path / "run")
    with pytest.raises(UsageError, match="--folds is 1"):
        cross_validate(lists, folds=1, preset=MODEL, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_sources_are_drawn_for_all_rounds_at_once() -> None:
    nan = np.nan
    values = np.array([[1, 1, 0, nan, nan, nan], [nan, nan, 0, 1, 0, 0]], float)
    found = estimate_rounds(values)
    assert found.value == pytest.approx((2 / 3 + 1 / 4) / 2) and found.n == 6
    assert estimate_rounds(values, classes=np.array([0, 0, 1, 1, 1, 0])).value == pytest.approx((1 / 2 + 1 / 6) / 2)
    # Two rounds that ask about the same clips and answer alike know no more than one.
    one = np.random.default_rng(0).integers(0, 2, (1, 40)).astype(float)
    assert estimate_rounds(np.repeat(one, 2, axis=0)) == estimate_rounds(one)
    apart = estimate_rounds(np.concatenate([np.c_[one, one * nan], np.c_[one * nan, one]]))
    assert apart.high - apart.low < 0.85 * (estimate_rounds(one).high - estimate_rounds(one).low)
