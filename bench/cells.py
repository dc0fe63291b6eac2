"""What the scripts that fill tables of networks on the stage share: one cell, its budget, and keeping what is done.

A cell is one `marey.train` on the same films. It may spend as many multiply-adds as every other, counted in forward
passes over the training clips, so that a cheap network sees the data more often than a dear one, up to EPOCHS times.
Tested are actors and scenes that no training clip shows.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from marey import train
from marey.app.console import Terminal
from marey.data import read_manifest
from marey.data.stage import render
from marey.jobs import Trial
from marey.metrics import paired_difference
from marey.presets import cost_of, find_preset
from marey.results import Estimate, Evaluation

EPOCHS = 60  # beyond this the small networks only learn their training clips by heart
GROUPS = ("reversed", "tempo", "order", "appearance")

Cell = dict[str, Any]


def stage_films(out: Path, clips: int) -> tuple[Path, int]:
    """The annotations of the stage's films below `out`, rendered if they are not there, and how many train."""
    data = render(out / "stage", clips_per_class=clips)
    (out / "cells").mkdir(exist_ok=True)
    return data, sum(sample.split == "train" for sample in read_manifest(data).samples)


def slug(name: str) -> str:
    """The name as one of files."""
    return name.replace(",", "").replace("+", "and").replace(" ", "-")


def kept(path: Path, make: Callable[[], Cell]) -> Cell:
    """What is in the file, else what `make` gives, which is written whole or not at all."""
    if not path.exists():
        path.with_suffix(".part").write_text(json.dumps(make()))
        path.with_suffix(".part").replace(path)
    return json.loads(path.read_text())


def fit(
    preset: str,
    data: Path,
    clips: int,
    budget_gmacs: float,
    out: Path,
    seed: int,
    start: Path | None = None,
    workers: int | None = None,
) -> Trial:
    with Terminal(quiet=False, verbose=False) as terminal:
        return train(
            data,
            preset=preset,
            start_from=start,
            epochs=epochs_for(preset, clips, budget_gmacs),
            lr=3e-3,
            smoothing=0.1,
            precision="bf16",  # a quarter sooner on processors that have it
            out=out,
            seed=seed,
            workers=workers,
            narrator=terminal,
        )


def epochs_for(preset: str, clips: int, budget_gmacs: float) -> int:
    return max(1, min(EPOCHS, round(budget_gmacs / (cost_of(find_preset(preset)).gmacs * clips))))


def core_minutes() -> float:
    """Of this process and of those it waited for: what a cell costs, whatever else the machine does."""
    return sum(os.times()[:4]) / 60


def scored(evaluations: Mapping[str, Evaluation]) -> Cell:
    """{"top1", each group's accuracy, "right": {clip: whether}, "group": {clip: who plays it}}."""
    (evaluation,) = evaluations.values()
    groups = evaluation.breakdowns["class group"]
    return {
        "top1": evaluation.metrics["top1"].value,
        **{name: groups[name]["top1"].value for name in GROUPS},
        "right": {clip.path: clip.right for clip in evaluation.clips},
        "group": {clip.path: clip.group for clip in evaluation.clips},
    }


def lead(better: Sequence[Cell], worse: Sequence[Cell], wanted: Callable[[str], bool] = bool) -> Estimate:
    """How much more often the one was right on the same clips, over the seeds; intervals from resampling actors.

    wanted  whether a clip counts, by its path
    """
    groups = {clip: who for clip, who in better[0]["group"].items() if wanted(clip)}
    a, b = (
        np.mean([[cell["right"][clip] for clip in groups] for cell in cells], axis=0, dtype=float)
        for cells in (better, worse)
    )
    return paired_difference(a, b, groups=list(groups.values()))


def spread(values: Sequence[float]) -> str:
    """Mean over the seeds, and the lowest and highest of them."""
    return f"{np.mean(values):.1%} ({min(values):.1%} to {max(values):.1%})"
