"""The study of nested folds: it keeps sources apart, chooses by the inner folds alone, and goes on where it was."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from marey.data import Manifest, Sample
from marey.jobs import Silent

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "nested.py"
spec = importlib.util.spec_from_file_location("bench_nested", SCRIPT)
assert spec and spec.loader
nested = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(nested)


def clips(sources: list[str], *, telling: str) -> "nested.Clips":
    """Two clips of either class a source; the block `telling` has the class in it, the others have noise."""
    samples = tuple(
        Sample(path=f"{source}{number}.mp4", labels={"label": (label,)}, group=source)
        for source in sources
        for label in ("a", "b")
        for number in range(2)
    )
    manifest = Manifest(samples, {"label": ("a", "b")}, multi_label=False, source="", kind="CSV", grouped_by="source")
    truth = torch.tensor([sample.labels["label"] == ("b",) for sample in samples]).long()
    noise = torch.Generator().manual_seed(0)
    features = {block: torch.randn(len(samples), 4, generator=noise) for block in nested.BLOCKS}
    features[telling] += 6 * truth[:, None]
    return nested.Clips(manifest, None, torch.nn.functional.one_hot(truth).float(), features)


def test_folds_of_some_clips_are_of_those_and_keep_sources_apart() -> None:
    data = clips([f"s{n:02d}" for n in range(6)], telling="motion")
    some = np.arange(4, 24)
    parts = data.folds(some, folds=3, seed=0)
    assert sorted(np.concatenate([test for _, test in parts])) == some.tolist()
    for train, test in parts:
        assert set(train) | set(test) == set(some)
        assert not {data.groups[i] for i in train} & {data.groups[i] for i in test}


def test_the_choice_is_what_the_training_clips_favour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nested, "BLOCKS", ("frame", "change"))
    monkeypatch.setattr(nested, "GRID", [nested.Choice((block,), 0.004, True) for block in ("frame", "change")])
    monkeypatch.setattr(nested, "FIXED", {"single frame": nested.GRID[0]})
    data = clips([f"s{n:02d}" for n in range(6)], telling="change")
    train, test = np.arange(16), np.arange(16, 24)
    found = nested.cell(data, train, test, folds=2, seed=0)
    assert found["choice"] == "change, decay 0.004, class weights" and found["inner_score"] > 0.9
    data.features["change"][16:] = 0  # of no use for the test, which the choice must not know
    again = nested.cell(data, train, test, folds=2, seed=0)
    assert again["choice"] == found["choice"] and again["inner_score"] == found["inner_score"]
    assert np.mean(again["right"][nested.NESTED]) < np.mean(found["right"][nested.NESTED]) == 1


def test_it_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, made = clips([*sorted(nested.DESIGN_SOURCES), "t1", "t2"], telling="motion"), []

    def cell(_: object, train: np.ndarray, test: np.ndarray, *, folds: int, seed: int) -> dict:
        made.append(seed)
        right = (test % 2).astype(float).tolist()
        return {"choice": "it", "clips": test.tolist(), "right": dict.fromkeys((nested.NESTED, *nested.FIXED), right)}

    monkeypatch.setattr(nested, "cell", cell)
    run = {"folds": 2, "seeds": 2, "out": tmp_path / "cells", "narrator": Silent()}
    cells = nested.study(data, **run)
    assert len(made) == 5 and set(cells) == {"seed0-fold0", "seed0-fold1", "seed1-fold0", "seed1-fold1", "holdout"}
    assert {data.groups[i] for i in cells["holdout"]["clips"]} == {"t1", "t2"}
    (tmp_path / "cells" / "seed1-fold0.json").unlink()
    assert nested.study(data, **run) == cells and len(made) == 6
    data.features["motion"][0] += 1  # other numbers: what was computed from the old ones counts no more
    nested.study(data, **run)
    assert len(made) == 11

    parts = nested.summary(data, cells)["parts"]
    assert [part["clips"] for part in parts.values()] == [88, 80, 8, 8]
    for part in parts.values():
        assert part["largest_class"] == 0.5
        assert part["figures"][nested.NESTED]["accuracy"]["value"] == 0.5
        assert part["figures"]["as shipped"]["over_single_frame"]["value"] == 0
