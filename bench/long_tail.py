"""Rare classes on a long-tailed stage: what sampling, losses and balanced classifiers bring them, and who pays.

    python bench/long_tail.py OUT [--seeds 3] [--most 38] [--ratio 25] [--epochs 50] [--preset NAME]

Fourteen actions, each a pair of the stage's classes (sit down and stand up are one), so that a class has up to 38
training clips. The clips of a class fall exponentially from --most to --most / --ratio of them; which class is rare is
drawn anew by every seed. Validation (10 clips a class) and test (16 a class, of actors and scenes that are in no
training clip) stay whole. A small network of single frames learns from scratch by every sampling and loss; cRT, NCM,
tau-normalization and LWS start from what it learned of the clips as they come. Many-shot classes have over 20 training
clips, few-shot ones under 5. A cell that is done is kept in OUT/cells; the same command goes on where it was
interrupted.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from cells import Cell, core_minutes, kept, slug, stage_films

from marey import rebalance, train
from marey.app.console import Terminal
from marey.data import Manifest, edit_classes, read_manifest, write_manifest
from marey.metrics import paired_difference
from marey.results import Estimate, Evaluation
from marey.tasks.long_tail import class_counts, shot_classes

BOUNDS = (5, 20)
CLIPS = 32  # of each class of the stage
ACTIONS = {
    "chair": ("sit down", "stand up"),
    "floor": ("pick up", "put down"),
    "door": ("open door", "close door"),
    "crate": ("push crate", "pull crate"),
    "box": ("climb on box", "climb off box"),
    "hat": ("put on hat", "take off hat"),
    "step": ("step right", "step left"),
    "walk": ("stroll", "hurry"),
    "wave": ("wave slowly", "wave fast"),
    "squat": ("squat slowly", "squat fast"),
    "clap": ("clap slowly", "clap fast"),
    "jump and wave": ("jump then wave", "wave then jump"),
    "bow and kick": ("bow then kick", "kick then bow"),
    "crouch and reach": ("crouch then reach up", "reach up then crouch"),
}
BASE = "as they come"
TRAININGS: dict[str, dict[str, str]] = {
    BASE: {"balance": "none"},
    "square-root sampling": {"balance": "sqrt"},
    "class-balanced sampling": {"balance": "sampling"},
    "progressive sampling": {"balance": "progressive"},
    "class weights": {"balance": "weights"},
    "class-balanced loss": {"loss": "class-balanced"},
    "focal loss": {"loss": "focal"},
    "logit adjustment": {"loss": "logit-adjusted"},
}
METHODS = {"cRT": "crt", "NCM": "ncm", "tau-normalization": "tau", "LWS": "lws"}  # on what BASE has learned
ROWS = (*TRAININGS, *METHODS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--most", type=int, default=38, help="training clips of the largest class")
    parser.add_argument("--ratio", type=float, default=25.0, help="of the largest class to the smallest")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--preset", default="single_frame_stage", help="network that learns from scratch")
    options = parser.parse_args()
    torch.set_num_threads(1)
    films, _ = stage_films(options.out, CLIPS)
    leave_out = set(read_manifest(films).heads["label"]) - {label for pair in ACTIONS.values() for label in pair}
    actions = edit_classes(read_manifest(films), merge=ACTIONS, leave_out=sorted(leave_out))
    cells: dict[str, list[Cell]] = {name: [] for name in ROWS}
    for seed in range(options.seeds):
        data = options.out / f"tail-{seed}.parquet"
        tail = long_tailed(actions, most=options.most, ratio=options.ratio, seed=seed)
        if not data.exists():
            write_manifest(tail, data, "parquet")
        for name in ROWS:
            make = partial(run_cell, name, options.preset, data, tail, options.out / "runs", options.epochs, seed)
            cells[name].append(kept(options.out / "cells" / f"{slug(name)}-{seed}.json", make))
    minutes = sum(cell["core_minutes"] for some in cells.values() for cell in some)
    print(f"training clips of the classes: {sorted(cells[BASE][0]['counts'].values(), reverse=True)}")
    print(table(cells))
    print(f"{minutes:.0f} core minutes")


def long_tailed(manifest: Manifest, *, most: int, ratio: float, seed: int) -> Manifest:
    """The manifest with `most` to `most / ratio` training clips a class, falling exponentially; others stay."""
    labels = list(manifest.heads["label"])
    ranks = np.random.default_rng(seed).permutation(len(labels))
    sizes = [max(1, round(most * ratio ** (-rank / (len(labels) - 1)))) for rank in ranks.tolist()]
    left = Counter(dict(zip(labels, sizes, strict=True)))
    order = np.random.default_rng((seed, 1)).permutation(len(manifest.samples))
    taken = set()
    for index in order.tolist():
        sample = manifest.samples[index]
        (label,) = sample.labels["label"]
        if sample.split != "train" or left[label]:
            taken.add(index)
            left[label] -= sample.split == "train"
    samples = tuple(sample for index, sample in enumerate(manifest.samples) if index in taken)
    return replace(manifest, samples=samples, class_groups={}, mirror={})


def run_cell(name: str, preset: str, data: Path, tail: Manifest, runs: Path, epochs: int, seed: int) -> Cell:
    begun, out = core_minutes(), runs / f"{slug(name)}-{seed}"
    with Terminal(quiet=False, verbose=False) as terminal:
        if name in METHODS:
            evaluation = rebalance(
                runs / f"{slug(BASE)}-{seed}",
                method=METHODS[name],
                shots=",".join(map(str, BOUNDS)),
                out=out,
                workers=0,
                seed=seed,
                narrator=terminal,
            ).after
        else:
            evaluation = train(
                data,
                preset=preset,
                epochs=epochs,
                batch_size=8,
                lr=3e-3,
                smoothing=0.1,
                precision="bf16",
                out=out,
                workers=0,
                seed=seed,
                narrator=terminal,
                **TRAININGS[name],  # type: ignore[arg-type] - balance and loss
            ).evaluations["label"]
    return {
        **_answers(evaluation),
        "counts": class_counts(tail.part("train"), "label"),
        "core_minutes": core_minutes() - begun,
    }


def _answers(evaluation: Evaluation) -> Cell:
    return {
        "right": {clip.path: clip.right for clip in evaluation.clips},
        "truth": {clip.path: clip.truth[0] for clip in evaluation.clips},
        "group": {clip.path: clip.group for clip in evaluation.clips},
    }


def table(cells: dict[str, list[Cell]]) -> str:
    """Mean per class accuracy by the training clips of the class, mean over the seeds, and what each part gained."""
    parts = [
        *dict.fromkeys(shot_classes(cells[BASE][0]["counts"], list(cells[BASE][0]["counts"]), BOUNDS).values()),
        "all",
    ]
    lines = [f"| | {' | '.join(parts)} |", "|---" * (len(parts) + 1) + "|"]
    for name in ROWS:
        nothing = [{**cell, "right": dict.fromkeys(cell["right"], False)} for cell in cells[name]]
        figures = [f"{gain(cells[name], nothing, part).value:.1%}" for part in parts]
        if name != BASE:
            gains = [gain(cells[name], cells[BASE], part) for part in parts]
            figures = [
                f"{now}, {100 * e.value:+.1f} ({100 * e.low:+.1f} to {100 * e.high:+.1f})"
                for now, e in zip(figures, gains, strict=True)
            ]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join(lines)


def gain(after: Sequence[Cell], before: Sequence[Cell], part: str) -> Estimate:
    """Difference of mean per class accuracies on the same clips, over classes and seeds; intervals from actors."""
    a, b, classes, groups = [], [], [], []
    for seed, (now, then) in enumerate(zip(after, before, strict=True)):
        labels = sorted(now["counts"])
        parts = shot_classes(now["counts"], labels, BOUNDS)
        for clip, label in now["truth"].items():
            if part in ("all", parts[label]):
                a.append(now["right"][clip])
                b.append(then["right"][clip])
                classes.append(seed * len(labels) + labels.index(label))
                groups.append(now["group"][clip])
    return paired_difference(np.array(a, float), np.array(b, float), classes=np.array(classes), groups=groups)


if __name__ == "__main__":
    main()
