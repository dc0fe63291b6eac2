"""Is what `marey compare` recommends as good as the default recipe, on clips that the comparison never saw?

    python bench/nested_compare.py DATA --out FOLDER [--outer 5] [--budget 30] [--seed 0] [--json]

Outer grouped folds of all clips. For each, `marey compare` sees the clips of the other folds alone, written as a file
of their own, and recommends a preset; that one, the preset that `marey train` would take by itself, and the single
frame each learn from the same clips, with the recipe that `marey train` gives them, and are asked about the outer fold.
Answers are pooled over the outer folds, and differences are paired clip by clip, with intervals from resampling groups.

Encoded clips are kept between folds, as they are for a user: a comparison finds the first one's in the cache, and what
that saves of the budget goes to networks that are trained whole. A fold that is done is a file in FOLDER.
"""

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from marey import compare
from marey.app.console import Terminal, print_error, print_json, print_table
from marey.data import Manifest, Quarantine, grouped_folds
from marey.errors import MareyError
from marey.jobs import Narrator, Silent, load_data, pick_workers, write_json
from marey.jobs.choose import Wishes, choose_preset
from marey.jobs.compare import SINGLE_FRAMES
from marey.jobs.fold_answers import ask, teach
from marey.jobs.learn import encode_all
from marey.jobs.lesson import make_lesson
from marey.jobs.prepare import duplicates_of, refuse_hopeless
from marey.metrics import estimate_class_mean, estimate_mean, paired_difference
from marey.presets import find_preset, imagenet_is_installed
from marey.training import pick_device

RECOMMENDED, DEFAULT, SINGLE = "recommended", "default", "single frame"


def outer_fold(
    manifest: Manifest,
    train: np.ndarray,
    test: np.ndarray,
    *,
    folder: Path,
    budget: float,
    seed: int,
    workers: int,
    narrator: Narrator,
) -> dict[str, Any]:
    """What a comparison of the clips `train` recommends, and which clips of `test` it and the others get right."""
    inner = folder / "inner.csv"
    _write_clips(manifest, train, inner)
    found = compare(inner, budget=budget, out=folder / "compare", seed=seed, workers=workers, narrator=narrator)
    device = pick_device("auto")
    by_rule = choose_preset(load_data(inner), name=None, device=device).preset.name
    names = {
        RECOMMENDED: found.comparison.recommended,
        DEFAULT: by_rule,
        SINGLE: SINGLE_FRAMES[0 if imagenet_is_installed() else 1],
    }
    right = {
        name: _right(manifest, name, train, test, seed=seed, workers=workers, narrator=narrator)
        for name in dict.fromkeys(names.values())
    }
    return {
        "presets": names,
        "minutes": found.comparison.minutes,
        "inner_score": found.comparison.candidates[0].score.value,
        "clips": test.tolist(),
        "right": {role: right[name] for role, name in names.items()},
    }


def _write_clips(manifest: Manifest, clips: np.ndarray, path: Path) -> None:
    """A file of annotations that has these clips and no others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (head,) = manifest.heads
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "source"))
        for sample in (manifest.samples[i] for i in clips):
            rows.writerow((Path(sample.path).resolve(), sample.labels[head][0], sample.group))


def _right(
    manifest: Manifest,
    name: str,
    train: np.ndarray,
    test: np.ndarray,
    *,
    seed: int,
    workers: int,
    narrator: Narrator,
) -> list[float]:
    """1 or 0 for every clip of `test`, from a model that learned from `train`; nan where it cannot be read."""
    preset, quarantine = find_preset(name), Quarantine(total=len(manifest))
    lesson = make_lesson(
        preset,
        manifest,
        Wishes(seed=seed),
        clips=len(train),
        device=pick_device("auto"),
        workers=workers,
        decoder="pyav",
        use_cache=True,
    )
    encoded = None
    if lesson.model.frozen:
        encoded = encode_all(lesson, manifest.samples, quarantine, narrator, what=f"encode for {name}")
    teach(lesson, manifest, encoded, train, quarantine, Silent())
    said = ask(lesson, manifest, encoded, test, quarantine)
    truth = lesson.task.targets(manifest.samples).numpy().argmax(1)
    return [float(said[i].argmax() == truth[i]) if i in said else float("nan") for i in test.tolist()]


def study(
    manifest: Manifest, *, outer: int, budget: float, seed: int, out: Path, workers: int, narrator: Narrator
) -> list[dict[str, Any]]:
    """The outer folds; those that `out` holds are read."""
    duplicates = duplicates_of(manifest, workers=workers, narrator=narrator)
    cells = []
    parts = grouped_folds(manifest, folds=outer, seed=seed, near_duplicate_groups=duplicates)
    for number, (train, test) in enumerate(parts):
        folder = out / f"fold{number}"
        if not (folder / "cell.json").exists():
            narrator.say(f"outer fold {number + 1} of {outer}")
            cell = outer_fold(
                manifest, train, test, folder=folder, budget=budget, seed=seed, workers=workers, narrator=narrator
            )
            write_json(folder / "cell.json", cell)
        cells.append(json.loads((folder / "cell.json").read_text()))
    return cells


def summary(manifest: Manifest, cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Pooled over the outer folds: accuracy of each role, and what the recommended leads by."""
    clips = np.array([clip for cell in cells for clip in cell["clips"]], np.int64)
    right = {
        role: np.array([hit for cell in cells for hit in cell["right"][role]], float)
        for role in (RECOMMENDED, DEFAULT, SINGLE)
    }
    read = np.isfinite(np.stack(list(right.values()))).all(0)
    clips, right = clips[read], {role: hits[read] for role, hits in right.items()}
    (head,) = manifest.heads
    truth = np.unique([manifest.samples[i].labels[head][0] for i in clips], return_inverse=True)[1]
    groups = [manifest.samples[i].group for i in clips]
    return {
        "clips": len(clips),
        "minutes": [cell["minutes"] for cell in cells],
        "chosen": dict(Counter(cell["presets"][RECOMMENDED] for cell in cells)),
        "default": dict(Counter(cell["presets"][DEFAULT] for cell in cells)),
        "figures": {
            role: {
                "accuracy": asdict(estimate_mean(hits, groups=groups)),
                "balanced accuracy": asdict(estimate_class_mean(hits, truth, groups=groups)),
            }
            for role, hits in right.items()
        },
        "recommended_leads": {
            role: asdict(paired_difference(right[RECOMMENDED], right[role], groups=groups))
            for role in (DEFAULT, SINGLE)
        },
    }


def show(found: dict[str, Any]) -> None:
    def words(e: dict[str, float], form: str = ".1f") -> str:
        return f"{100 * e['value']:{form}} ({100 * e['low']:{form}} to {100 * e['high']:{form}})"

    rows = [
        (
            role,
            *(words(figure) for figure in figures.values()),
            words(found["recommended_leads"][role], "+.1f") if role in found["recommended_leads"] else "",
        )
        for role, figures in found["figures"].items()
    ]
    title = f"{found['clips']} clips of outer folds"
    print_table(("%", "accuracy", "balanced accuracy", "recommended leads by"), rows, title=title)
    print_table(("recommended", "times"), list(found["chosen"].items()))
    print("minutes that each comparison took:", ", ".join(f"{m:.1f}" for m in found["minutes"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--outer", type=int, default=5, help="outer folds")
    parser.add_argument("--budget", type=float, default=30.0, help="minutes of each comparison")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="processes that decode")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    manifest = load_data(options.data)
    refuse_hopeless(manifest)
    with Terminal(quiet=False, verbose=False) as terminal:
        cells = study(
            manifest,
            outer=options.outer,
            budget=options.budget,
            seed=options.seed,
            out=options.out,
            workers=pick_workers(options.workers),
            narrator=terminal,
        )
    found = summary(manifest, cells)
    print_json(found) if options.json else show(found)


if __name__ == "__main__":
    try:
        main()
    except MareyError as error:
        print_error(str(error))
        sys.exit(error.exit_code)
