"""What to label next: the order of `marey rank` against a random one, on the stage, where all labels are known.

    python bench/active.py OUT [--seeds 5] [--clips 32] [--batch 32] [--rounds 5]

Two presets with frozen encoders know two training clips a class, drawn at random. In every round a batch of the others
is labelled, in the order of `label_next` or in a random one, and the linear heads of the preset learn anew from
all labels; both begin with the same clips. Tested are the actors and scenes of the test and validation splits. The
rule was chosen among a dozen on the same films by the draws of other seeds. Features are encoded once and
cached; a cell that is done is kept in OUT/cells.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from cells import Cell, core_minutes, kept, stage_films
from doubling import PRESETS, encode
from heads import Choice, Clips, is_right, learn
from scipy.stats import t as student

from marey.app.console import Terminal
from marey.data import read_manifest
from marey.metrics import label_next, uncertainty
from marey.nn import StandardLinear
from marey.results import Estimate

FIRST_SEED, KNOWN = 300, 2  # clips a class that have labels at first
ORDERS = ("rank", "random")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--clips", type=int, default=32, help="clips a class")
    parser.add_argument("--batch", type=int, default=32, help="clips that are labelled in a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    data, _ = stage_films(options.out, options.clips)
    manifest = read_manifest(data)
    for preset in PRESETS:
        with Terminal(quiet=False, verbose=False) as terminal:
            clips = encode(manifest, preset, terminal)
        cells = [
            kept(
                options.out / "cells" / f"active-{preset}-{options.batch}x{options.rounds}-{seed}.json",
                partial(run_cell, clips, preset, seed, batch=options.batch, rounds=options.rounds),
            )
            for seed in range(FIRST_SEED, FIRST_SEED + options.seeds)
        ]
        print(table(preset, cells))
    print(f"{core_minutes():.1f} core minutes")


def run_cell(clips: Clips, preset: str, seed: int, *, batch: int, rounds: int) -> Cell:
    """One draw of the first clips: {"clips": sizes, "rank" and "random": accuracy at each of them}."""
    splits = np.array([sample.split for sample in clips.manifest.samples])
    train, test = np.flatnonzero(splits == "train"), np.flatnonzero(splits != "train")
    draw = np.random.default_rng(seed)
    order = draw.permutation(train)
    first = np.concatenate([order[clips.truth[order] == label][:KNOWN] for label in np.unique(clips.truth)])
    found: Cell = {"clips": [len(first) + number * batch for number in range(rounds + 1)]}
    for name in ORDERS:
        labelled, found[name] = first, []
        for _ in range(rounds + 1):
            pool = np.setdiff1d(order, labelled)
            right, doubt = ask(clips, preset, labelled, test, pool)
            found[name].append(right)
            if name == "rank":
                features = vectors(clips, preset, np.concatenate([pool, labelled]))
                places = label_next(features[: len(pool)], doubt, features[len(pool) :], count=batch)[0]
            else:
                places = draw.permutation(len(pool))[:batch]
            labelled = np.concatenate([labelled, pool[places]])
    return found


def ask(
    clips: Clips, preset: str, labelled: np.ndarray, test: np.ndarray, pool: np.ndarray
) -> tuple[float, np.ndarray]:
    """(accuracy on the test clips, uncertainty about the pool) of heads that learned from the labelled clips."""
    how = Choice(PRESETS[preset], 0.004, weighted=True)  # as the preset is shipped
    said = learn(clips, labelled, np.concatenate([test, pool]), how)
    right = is_right({block: logits[: len(test)] for block, logits in said.items()}, how.blocks, clips.truth[test])
    of_pool = torch.stack([said[block][len(test) :] for block in how.blocks]).sum(0).double().softmax(1).numpy()
    return float(right.mean()), uncertainty(of_pool, [slice(0, of_pool.shape[1])], multi_label=False)


def vectors(clips: Clips, preset: str, some: np.ndarray) -> np.ndarray:
    """What the heads read: every block standardized, here on all clips that are shown."""
    parts = []
    for block in PRESETS[preset]:
        x = clips.features[block][some]
        head = StandardLinear(x.shape[1], 1)
        head.measure(x)
        parts.append((x - head.mean) / head.std / x.shape[1] ** 0.5)
    return torch.cat(parts, dim=1).numpy()


def lead(cells: list[Cell]) -> Estimate:
    """Accuracy by rank less that by random order, the mean over the rounds, with Student's interval over the seeds."""
    by_seed = np.array([np.mean(np.subtract(cell["rank"], cell["random"])[1:]) for cell in cells])
    count = len(by_seed)
    reach = float(student.ppf(0.975, count - 1) * by_seed.std(ddof=1) / count**0.5) if count > 1 else float("nan")
    return Estimate(float(by_seed.mean()), float(by_seed.mean()) - reach, float(by_seed.mean()) + reach, count)


def table(preset: str, cells: list[Cell]) -> str:
    sizes, e = cells[0]["clips"], lead(cells)
    lines = [f"| `{preset}` | " + " | ".join(f"{n} clips" for n in sizes) + " |", "|---|" + "---|" * len(sizes)]
    for name in ORDERS:
        means = np.mean([cell[name] for cell in cells], axis=0)
        lines.append(f"| {name} | " + " | ".join(f"{100 * mean:.1f}" for mean in means) + " |")
    over = f"{100 * e.value:+.1f} points ({100 * e.low:+.1f} to {100 * e.high:+.1f}) over {e.n} seeds, paired"
    says = "better than random" if e.low > 0 else "worse than random" if e.high < 0 else "not told from random"
    return "\n".join([*lines, "", f"rank less random, the mean after the first labels: {over}: {says}"])


if __name__ == "__main__":
    main()
