"""From one world to another with five clips a class: from scratch, on fixed features, and fine-tuned; on the stage.

    python bench/transfer.py OUT [--preset early_fusion_stage] [--seeds 3] [--shots 5] [--clips 32] [--new-classes]

World A is the stage's training and validation side, world B the actors and scenes of its test side, which A never
shows. A network learns A once. Then, by each way, it learns B from --shots clips a class, drawn anew by every seed, and
is tested on the other clips of B: the columns original, fixed and full of the I3D paper (Carreira and Zisserman, CVPR
2017), of which "original" is the same network from scratch; low-rank adapters too where the network is a transformer.
With --new-classes A shows one half of the classes and B the other. A cell that is done is kept in OUT/cells; the same
command goes on where it was interrupted.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from cells import Cell, core_minutes, kept, spread, stage_films

from marey import evaluate, train
from marey.app.console import Terminal
from marey.data import Manifest, edit_classes, read_manifest, write_manifest
from marey.metrics import paired_difference
from marey.models import transformer_blocks
from marey.presets import create_model
from marey.results import Estimate, Evaluation

AS_IT_IS, SCRATCH = "as it is", "scratch"  # as it is: what A has taught, asked about B without learning
EPOCHS_A, EPOCHS_B = 20, 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--preset", default="early_fusion_stage")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shots", type=int, default=5, help="clips a class of B to learn from")
    parser.add_argument("--clips", type=int, default=32, help="clips of each class of the stage")
    parser.add_argument("--new-classes", action="store_true", help="B has other classes than A")
    options = parser.parse_args()
    torch.set_num_threads(1)
    films, _ = stage_films(options.out, options.clips)
    stage = read_manifest(films)
    name = f"{options.preset}{'-new' if options.new_classes else ''}"
    first, second = halves(stage.heads["label"]) if options.new_classes else ((), ())
    a = world_a(edit_classes(stage, leave_out=second) if second else stage)
    b = edit_classes(stage, leave_out=first) if first else stage
    runs = options.out / "runs"
    start = runs / f"{name}-a"
    cost = [kept(options.out / "cells" / f"{name}-a.json", partial(learn_a, a, start, options.preset))]
    ways = ways_of(options.preset, new_classes=options.new_classes)
    cells: dict[str, list[Cell]] = {way: [] for way in ways}
    for seed in range(options.seeds):
        manifest = world_b(b, shots=options.shots, seed=seed)
        for way in ways:
            make = partial(run_cell, way, options.preset, manifest, start, runs / f"{name}-{way}-{seed}", seed)
            cells[way].append(kept(options.out / "cells" / f"{name}-{way.replace(' ', '-')}-{seed}.json", make))
    print(table(cells))
    cost += [cell for some in cells.values() for cell in some]
    print(f"{sum(cell['core_minutes'] for cell in cost):.1f} core minutes")


def ways_of(preset: str, *, new_classes: bool) -> tuple[str, ...]:
    """What is compared: nothing that knows only other classes is asked as it is, only transformers take adapters."""
    asked = () if new_classes else (AS_IT_IS,)
    return (*asked, SCRATCH, "fixed", "full", *(("lora",) if transformer_blocks(create_model(preset)) else ()))


def halves(labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every other pair of the classes, and the rest: pairs stand side by side and are told apart by motion."""
    pairs = [labels[place : place + 2] for place in range(0, len(labels), 2)]
    first, second = pairs[::2], pairs[1::2]
    return tuple(label for pair in first for label in pair), tuple(label for pair in second for label in pair)


def world_a(manifest: Manifest) -> Manifest:
    """All that the test's actors and scenes are not in: a tenth of its clips to look at, the others to learn from."""
    samples = [sample for sample in manifest.samples if sample.split != "test"]
    groups = sorted({str(sample.group) for sample in samples})
    watched = set(groups[:: len(groups) // 2][:2])
    split = tuple(replace(s, split="test" if str(s.group) in watched else "train") for s in samples)
    return replace(manifest, samples=split)


def world_b(manifest: Manifest, *, shots: int, seed: int) -> Manifest:
    """The test's side: `shots` clips a class to learn from, the others to be tested on. One clip of A is declared as
    validation, at which nobody looks, so that `train` takes none of the few away for it."""
    rng, samples = np.random.default_rng(seed), [s for s in manifest.samples if s.split == "test"]
    taken: set[int] = set()
    for label in manifest.heads["label"]:
        mine = [number for number, sample in enumerate(samples) if sample.labels["label"] == (label,)]
        taken |= set(rng.permutation(mine)[:shots].tolist())
    split = tuple(replace(s, split="train" if n in taken else "test") for n, s in enumerate(samples))
    watched = next(s for s in manifest.samples if s.split == "val")
    return replace(manifest, samples=(*split, watched))


def learn_a(manifest: Manifest, out: Path, preset: str) -> Cell:
    data, begun = written(manifest, Path(f"{out}.parquet")), core_minutes()
    with Terminal(quiet=False, verbose=False) as terminal:
        trial = train(
            data,
            preset=preset,
            epochs=EPOCHS_A,
            lr=3e-3,
            smoothing=0.1,
            precision="bf16",
            out=out,
            workers=0,
            narrator=terminal,
        )
    return {"top1": trial.evaluations["label"].metrics["top1"].value, "core_minutes": core_minutes() - begun}


def run_cell(way: str, preset: str, manifest: Manifest, start: Path, out: Path, seed: int) -> Cell:
    data, begun = written(manifest, Path(f"{out}.parquet")), core_minutes()
    with Terminal(quiet=False, verbose=False) as terminal:
        if way == AS_IT_IS:
            found = evaluate(start, data, split="test", workers=0, narrator=terminal)["label"]
            return answers(found) | {"core_minutes": core_minutes() - begun}
        trial = train(
            data,
            preset=preset,
            start_from=None if way == SCRATCH else start,
            transfer=None if way == SCRATCH else way,
            epochs=None if way == "fixed" else EPOCHS_B,
            batch_size=None if way == "fixed" else 8,
            lr=3e-3 if way == SCRATCH else None,
            smoothing=0.1,
            precision="bf16",
            out=out,
            workers=0,
            seed=seed,
            narrator=terminal,
        )
    return answers(trial.evaluations["label"]) | {"core_minutes": core_minutes() - begun}


def written(manifest: Manifest, path: Path) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_manifest(manifest, path, "parquet")
    return path


def answers(evaluation: Evaluation) -> Cell:
    clips = evaluation.clips
    return {"right": {clip.path: clip.right for clip in clips}, "group": {clip.path: clip.group for clip in clips}}


def table(cells: dict[str, list[Cell]]) -> str:
    """Mean over the seeds with the lowest and highest of them, and what is gained over scratch on the same clips."""
    lines = ["| | top-1 on B | points over scratch |", "|---|---|---|"]
    for way, some in cells.items():
        score = spread([float(np.mean(list(cell["right"].values()))) for cell in some])
        e = gain(some, cells[SCRATCH])
        over = "" if way == SCRATCH else f"{100 * e.value:+.1f} ({100 * e.low:+.1f} to {100 * e.high:+.1f})"
        lines.append(f"| {way} | {score} | {over} |")
    return "\n".join(lines)


def gain(after: Sequence[Cell], before: Sequence[Cell]) -> Estimate:
    """Difference on the same clips over all seeds; interval from resampling actors."""
    pairs = list(zip(after, before, strict=True))
    now, then = ([float(pair[side]["right"][clip]) for pair in pairs for clip in pair[0]["right"]] for side in (0, 1))
    groups = [one["group"][clip] for one, _ in pairs for clip in one["right"]]
    return paired_difference(np.array(now), np.array(then), groups=groups)


if __name__ == "__main__":
    main()
