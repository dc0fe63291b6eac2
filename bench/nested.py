"""Is the recipe for few real clips found without looking at the answers? Nested folds, and untouched sources.

    python bench/nested.py DATA --out FOLDER [--seeds 5] [--json]

Nested: for every outer fold of every seed, grouped folds of its training clips alone choose from `GRID`: which blocks
of numbers are classified, weight decay, class weights. What was chosen is trained on all of them and tested on the
outer clips. Beside it, on the same folds, the preset as it is shipped and the single frame, with nothing chosen.
Hold-out: the shipped preset and a choice by folds, both from the design sources alone, tested on all other sources.

Features are the presets' own, encoded once and cached; every block has a StandardLinear head, trained by the shipped
recipe, and logits add up. Each cell of the study is a file in FOLDER: interrupted, it goes on where it was. Choices and
protocol were fixed before the first run.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from heads import SHIPPED, Choice, Clips, is_right, learn
from torch import Tensor

from marey.app.console import Terminal, print_error, print_json, print_table
from marey.data import Quarantine
from marey.errors import MareyError, UsageError
from marey.jobs import Narrator, load_data, pick_workers, progress_of, write_json
from marey.jobs.features import encode_samples
from marey.jobs.prepare import duplicates_of, refuse_hopeless
from marey.metrics import estimate_class_mean, estimate_mean, paired_difference
from marey.presets import create_model, find_preset
from marey.results import Estimate
from marey.tasks import Recognition

# The descriptor behind the preset (frame rate, box, weights, which maps) was designed by cross-validation on these
# sources of fight-surv, drawn at random before anything was tried; the 13 others were not looked at meanwhile.
DESIGN_SOURCES = frozenset(
    f"s{number:02d}" for number in (0, 1, 2, 4, 6, 7, 8, 12, 13, 20, 25, 27, 28, 30, 32, 34, 38, 39, 40, 43)
)
# frame: the middle one. mean, difference: over 16 frames, of their features and of the change between neighbours.
# motion, change, moving: the three blocks of the shipped preset; motion alone is the preset `motion`.
BLOCKS = ("frame", "mean", "difference", "motion", "change", "moving")
COMBINATIONS = (
    ("frame",),
    ("mean",),
    ("difference",),
    ("mean", "difference"),
    ("motion",),
    ("change",),
    ("moving",),
    ("motion", "mean"),
    ("motion", "difference"),
    ("motion", "change"),
    ("motion", "moving"),
    ("change", "moving"),
    ("motion", "change", "moving"),
)
HOW = ((0.001, True), (0.004, True), (0.016, True), (0.004, False))  # weight decay, class weights
GRID = tuple(Choice(blocks, decay, weighted) for blocks in COMBINATIONS for decay, weighted in HOW)
NESTED, BASELINE = "nested choice", "single frame"
FIXED = {  # nothing is chosen for these
    "as shipped": Choice(("motion", "change", "moving"), 0.004, True),
    BASELINE: Choice(("frame",), 0.004, True),
}


def encode(data: str, *, workers: int, narrator: Narrator) -> Clips:
    """Every clip of DATA in the blocks of all presets that the grid draws on."""
    manifest = load_data(data)
    refuse_hopeless(manifest)
    if len(manifest.heads) > 1 or manifest.multi_label:
        raise UsageError(f"{data} has several heads or classes a clip; this study takes data with one class a clip")
    task, quarantine = Recognition.of(manifest), Quarantine(total=len(manifest))
    found: dict[str, dict[int, Tensor]] = {}
    for name in ("efficientnet_lite0_frame", "efficientnet_lite0_mean", SHIPPED):
        preset = find_preset(name)
        model = create_model(name, num_classes=task.classes)
        encoded = encode_samples(
            model,
            manifest.samples,
            preset.clip,
            quarantine,
            views=1,
            crop_count=1,
            device=torch.device("cpu"),
            decoder="pyav",
            workers=workers,
            narrator=narrator,
            what=f"encode for {name}",
        )
        rows = {index: clip[0] for index, clip in encoded.items()}
        if name == SHIPPED:
            dims = model.encoder.dims  # type: ignore[union-attr] - that of MotionAppearance
            parts = {index: row.split(dims) for index, row in rows.items()}
            found |= {block: {i: p[k] for i, p in parts.items()} for k, block in enumerate(BLOCKS[3:])}
        elif name == "efficientnet_lite0_mean":
            found["mean"] = {index: tokens.mean(0) for index, tokens in rows.items()}
            found["difference"] = {index: tokens.diff(dim=0).abs().mean(0) for index, tokens in rows.items()}
        else:
            found["frame"] = {index: tokens.mean(0) for index, tokens in rows.items()}
    kept = sorted(set.intersection(*(set(rows) for rows in found.values())))
    readable = replace(manifest, samples=tuple(manifest.samples[i] for i in kept))
    features = {block: torch.stack([rows[i] for i in kept]) for block, rows in found.items()}
    duplicates = duplicates_of(readable, workers=workers, narrator=narrator)
    return Clips(readable, duplicates, task.targets(readable.samples), features)


def score(right: np.ndarray, truth: np.ndarray) -> float:
    """What choices are made by: half accuracy, half balanced accuracy."""
    balanced = np.mean([right[truth == k].mean() for k in np.unique(truth)])
    return float((right.mean() + balanced) / 2)


def choose(clips: Clips, train: np.ndarray, *, folds: int, seed: int, grid: Sequence[Choice]) -> tuple[Choice, float]:
    """The best of the grid by grouped folds of the clips `train` (the first of equals), and its score."""
    truth, scores = clips.truth[train], {}
    inner = clips.folds(train, folds=folds, seed=seed)
    place = {clip: row for row, clip in enumerate(train.tolist())}
    for decay, weighted in dict.fromkeys((choice.weight_decay, choice.weighted) for choice in grid):
        every = Choice(BLOCKS, decay, weighted)  # one training serves all choices that differ in blocks alone
        pooled = {block: torch.zeros(len(train), clips.targets.shape[1]) for block in BLOCKS}
        for seen, unseen in inner:
            rows = [place[clip] for clip in unseen.tolist()]
            for block, logits in learn(clips, seen, unseen, every, apart=True).items():
                pooled[block][rows] = logits
        for choice in (c for c in grid if (c.weight_decay, c.weighted) == (decay, weighted)):
            scores[choice] = score(is_right(pooled, choice.blocks, truth), truth)
    best = max(grid, key=scores.__getitem__)
    return best, scores[best]


def cell(clips: Clips, train: np.ndarray, test: np.ndarray, *, folds: int, seed: int) -> dict[str, Any]:
    """Choose on `train`, test on `test`: who was right, clip by clip."""
    choice, inner = choose(clips, train, folds=folds, seed=seed, grid=GRID)
    truth = clips.truth[test]
    right = {
        name: is_right(learn(clips, train, test, model), model.blocks, truth).tolist()
        for name, model in {NESTED: choice, **FIXED}.items()
    }
    return {"choice": str(choice), "inner_score": inner, "clips": test.tolist(), "right": right}


def fingerprint(clips: Clips, folds: int) -> str:
    """Of everything that a cell's result depends on but its own clips."""
    digest = hashlib.sha256(repr((GRID, FIXED, folds, clips.groups)).encode())
    for x in (clips.targets, *clips.features.values()):
        digest.update(x.numpy().tobytes())
    return digest.hexdigest()[:16]


def study(clips: Clips, *, folds: int, seeds: int, out: Path, narrator: Narrator) -> dict[str, dict[str, Any]]:
    """Name of the cell -> what came of it; cells that `out` holds are read, the others are computed and written."""
    everything = np.arange(len(clips.manifest))
    tasks = {
        f"seed{seed}-fold{number}": (*parts, seed)
        for seed in range(seeds)
        for number, parts in enumerate(clips.folds(everything, folds=folds, seed=seed))
    }
    design = np.array([group in DESIGN_SOURCES for group in clips.groups])
    if set(clips.groups) > DESIGN_SOURCES:
        tasks["holdout"] = (everything[design], everything[~design], 0)
    mark, tell, cells = fingerprint(clips, folds), progress_of(narrator, "nested folds"), {}
    out.mkdir(parents=True, exist_ok=True)
    for done, (name, (train, test, seed)) in enumerate(tasks.items(), 1):
        path = out / f"{name}.json"
        held = json.loads(path.read_text()) if path.exists() else {}
        if held.get("fingerprint") != mark:
            held = {"fingerprint": mark, **cell(clips, train, test, folds=folds, seed=1000 + seed)}
            write_json(path, held)
        cells[name] = held
        tell(done, len(tasks))
    return cells


def tested_in(cells: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """The clips of all cells, as often as they were tested."""
    return np.array([clip for c in cells for clip in c["clips"]], np.int64)


def figures(clips: Clips, cells: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Estimate]]:
    """Model -> accuracy, balanced accuracy and, paired, its lead over the single frame; clips averaged over seeds."""
    right: dict[str, np.ndarray] = {}
    times = np.bincount(tested_in(cells), minlength=len(clips.manifest))
    tested = np.flatnonzero(times)
    for name in (NESTED, *FIXED):
        total = np.zeros(len(times))
        for c in cells:
            total[c["clips"]] += c["right"][name]
        right[name] = total[tested] / times[tested]
    truth, groups = clips.truth[tested], [clips.groups[i] for i in tested]
    found = {
        name: {
            "accuracy": estimate_mean(hits, groups=groups),
            "balanced_accuracy": estimate_class_mean(hits, truth, groups=groups),
        }
        for name, hits in right.items()
    }
    for name in right.keys() - {BASELINE}:
        found[name]["over_single_frame"] = paired_difference(right[name], right[BASELINE], groups=groups)
    return found


def only(cells: Sequence[Mapping[str, Any]], wanted: np.ndarray) -> list[dict[str, Any]]:
    """The cells with no clips but those that are `wanted`, (clips,) of bool."""
    kept = []
    for c in cells:
        rows = [row for row, clip in enumerate(c["clips"]) if wanted[clip]]
        right = {name: [hits[row] for row in rows] for name, hits in c["right"].items()}
        kept.append({**c, "clips": [c["clips"][row] for row in rows], "right": right})
    return kept


def summary(clips: Clips, cells: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Everything that is printed."""
    outer = [c for name, c in cells.items() if name != "holdout"]
    parts = {"nested folds": outer}
    result: dict[str, Any] = {"choices": dict(Counter(c["choice"] for c in outer).most_common())}
    if "holdout" in cells:
        design = np.array([group in DESIGN_SOURCES for group in clips.groups])
        parts |= {
            "nested folds, clips of design sources": only(outer, design),
            "nested folds, clips of untouched sources": only(outer, ~design),
            "trained on design sources, tested on the untouched": [cells["holdout"]],
        }
        result["holdout_choice"] = cells["holdout"]["choice"]
    result["parts"] = {}
    for part, some in parts.items():
        tested = np.unique(tested_in(some))
        result["parts"][part] = {
            "clips": len(tested),
            "largest_class": float(np.bincount(clips.truth[tested]).max() / len(tested)),
            "figures": {name: {k: asdict(e) for k, e in row.items()} for name, row in figures(clips, some).items()},
        }
    return result


def show(result: Mapping[str, Any]) -> None:
    def words(e: Mapping[str, float] | None) -> str:
        return f"{100 * e['value']:.1f} [{100 * e['low']:.1f}, {100 * e['high']:.1f}]" if e else ""

    for part, found in result["parts"].items():
        keys = ("accuracy", "balanced_accuracy", "over_single_frame")
        rows = [(name, *(words(row.get(key)) for key in keys)) for name, row in found["figures"].items()]
        title = f"{part}: {found['clips']} clips, {100 * found['largest_class']:.1f} % of the largest class"
        print_table(("%", "accuracy", "balanced accuracy", "over the single frame"), rows, title=title)
    print_table(("chosen in nested folds", "times"), list(result["choices"].items()))
    if "holdout_choice" in result:
        print_table(("chosen on the design sources",), [(result["holdout_choice"],)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--out", required=True, type=Path, help="folder of the cells")
    parser.add_argument("--folds", type=int, default=5, help="outer and inner folds")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, help="processes that decode")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with Terminal(quiet=False, verbose=False) as terminal:
        clips = encode(options.data, workers=pick_workers(options.workers), narrator=terminal)
        cells = study(clips, folds=options.folds, seeds=options.seeds, out=options.out, narrator=terminal)
    result = summary(clips, cells)
    print_json(result) if options.json else show(result)


if __name__ == "__main__":
    try:
        main()
    except MareyError as error:
        print_error(str(error))
        sys.exit(error.exit_code)
