"""What twice the labels bring, foretold from half of them: on the stage, where the other half is there to ask.

    python bench/doubling.py OUT [--seeds 10] [--clips 32]

Two presets with frozen encoders learn from 5, 10, 25 and 50 % of the stage's training clips, drawn anew for every seed,
classes as even as they can be. A label curve through these four foretells the accuracy with all training clips, and a
model that learned from all of them says what is true. Tested are the actors and scenes of the test and validation
splits, which no training clip shows and nothing is chosen on. Features are encoded once and cached; a cell that is done
is kept in OUT/cells.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from cells import Cell, kept, stage_films
from heads import SHIPPED, Choice, Clips, is_right, learn

from marey.app.console import Terminal
from marey.data import Manifest, Quarantine, read_manifest
from marey.jobs import Narrator
from marey.jobs.features import encode_samples
from marey.metrics import fit_label_curve
from marey.presets import create_model, find_preset
from marey.results import Estimate
from marey.tasks import Recognition
from marey.training import interleaved_order

SHARES = (0.05, 0.10, 0.25, 0.50, 1.0)  # of the training clips; the last is the one that is foretold
PRESETS = {"efficientnet_lite0_frame": ("frame",), SHIPPED: ("motion", "change", "moving")}  # and their blocks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--clips", type=int, default=32, help="clips a class")
    options = parser.parse_args()
    data, _ = stage_films(options.out, options.clips)
    manifest = read_manifest(data)
    cells: dict[str, list[Cell]] = {}
    for preset in PRESETS:
        with Terminal(quiet=False, verbose=False) as terminal:
            clips = encode(manifest, preset, terminal)
        cells[preset] = [
            kept(options.out / "cells" / f"doubling-{preset}-{seed}.json", partial(run_cell, clips, preset, seed))
            for seed in range(options.seeds)
        ]
    print(table(cells))
    print(verdict([cell for of_preset in cells.values() for cell in of_preset]))


def encode(manifest: Manifest, preset: str, narrator: Narrator) -> Clips:
    """Every clip in the blocks that the preset classifies."""
    task, spec = Recognition.of(manifest), find_preset(preset).clip
    model = create_model(preset, num_classes=task.classes)
    encoded = encode_samples(
        model,
        manifest.samples,
        spec,
        Quarantine(total=len(manifest)),
        views=1,
        crop_count=1,
        device=torch.device("cpu"),
        decoder="pyav",
        workers=0,
        narrator=narrator,
        what=f"encode for {preset}",
    )
    rows = torch.stack([encoded[i][0] for i in range(len(manifest))])
    blocks = PRESETS[preset]
    if len(blocks) == 1:  # tokens of single frames
        features = {blocks[0]: rows.mean(1)}
    else:
        features = dict(zip(blocks, rows.split(model.encoder.dims, dim=1), strict=True))  # type: ignore[union-attr, arg-type] - a MotionEncoder
    return Clips(manifest, None, task.targets(manifest.samples), features)


def run_cell(clips: Clips, preset: str, seed: int) -> Cell:
    """One draw of the training clips: {"clips": the sizes, "right": a row of 0 and 1 for each, "groups"}."""
    splits = np.array([sample.split for sample in clips.manifest.samples])
    train = np.flatnonzero(splits == "train")
    order = train[interleaved_order(clips.truth[train], q=0, rng=np.random.default_rng(seed))]
    test = np.flatnonzero(splits != "train")
    sizes = [round(share * len(order)) for share in SHARES]
    how = Choice(PRESETS[preset], 0.004, weighted=True)  # as the preset is shipped
    right = [is_right(learn(clips, order[:size], test, how), how.blocks, clips.truth[test]).tolist() for size in sizes]
    return {"clips": sizes, "right": right, "groups": [clips.groups[i] for i in test.tolist()]}


def foretold(cell: Cell) -> Estimate | None:
    """None where learning was taken to be still starting."""
    fit = fit_label_curve(cell["clips"][:-1], np.array(cell["right"][:-1]), groups=cell["groups"])
    assert fit.doubled or fit.starting, "half of the labels left no error: the stage is too easy for this question"
    return fit.doubled


def table(cells: dict[str, list[Cell]]) -> str:
    """Means over the seeds, and of how many forecasts the truth is within the interval."""
    sizes = next(iter(cells.values()))[0]["clips"]
    lines = [
        "| preset | " + " | ".join(f"{n} clips" for n in sizes[:-1]) + f" | true at {sizes[-1]} | foretold | within |",
        "|---|" + "---|" * (len(sizes) + 2),
    ]
    for preset, of_preset in cells.items():
        scores = np.mean([np.mean(cell["right"], axis=1) for cell in of_preset], axis=0)
        told = told_and_true(of_preset)
        values = [*scores, np.mean([estimate.value for estimate, _ in told])]
        shown = " | ".join(f"{100 * value:.1f}" for value in values)
        lines.append(f"| `{preset}` | {shown} | {count_within(told)} of {len(told)} |")
    return "\n".join(lines)


def told_and_true(cells: list[Cell]) -> list[tuple[Estimate, float]]:
    """Of the cells that something was foretold for."""
    return [(estimate, float(np.mean(cell["right"][-1]))) for cell in cells if (estimate := foretold(cell)) is not None]


def count_within(told: list[tuple[Estimate, float]]) -> int:
    return sum(estimate.low <= true <= estimate.high for estimate, true in told)


def verdict(cells: list[Cell]) -> str:
    told = told_and_true(cells)
    off = 100 * np.array([estimate.value - true for estimate, true in told])
    width = 100 * np.mean([estimate.high - estimate.low for estimate, _ in told])
    return (
        f"taken to be still starting: {len(cells) - len(told)} of {len(cells)}; within the interval: "
        f"{count_within(told)} of {len(told)}; off by {abs(off).mean():.1f} points in the mean (too hopeful by "
        f"{off.mean():+.1f}); the intervals are {width:.1f} points wide"
    )


if __name__ == "__main__":
    main()
