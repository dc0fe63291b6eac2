"""What twenty years of video networks found, tried again small: the stage's 32 classes, equal cost, three seeds.

    python bench/findings.py OUT [--seeds 3] [--clips 32] [--budget 1.6]

Every cell is one `marey.train` on the same films, from scratch but for the inflated network, and may spend as many
multiply-adds as every other: --budget counts the forward passes over the training clips, in 10^12, so that a cheap
network sees the data more often than a dear one, up to EPOCHS times. The inflated network spends half of it as a
network of single frames, whose kernels are then repeated over time. Tested are actors and scenes that no training clip
shows. A cell that is done is kept in OUT/cells; the same command goes on where it was interrupted.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from cells import GROUPS, Cell, core_minutes, epochs_for, fit, kept, lead, scored, slug, spread, stage_films
from torch import Tensor

from marey.presets import cost_of, create_model, find_preset
from marey.training import load_checkpoint, save_checkpoint


@dataclass(frozen=True)
class Entry:
    """One network of the table. `image` is the preset of its two-dimensional parent, if it is inflated from one."""

    name: str
    preset: str
    image: str | None = None


ENTRIES = (
    Entry("single frame", "single_frame_stage"),
    Entry("late fusion", "late_fusion_pool_stage"),
    Entry("early fusion", "early_fusion_stage"),
    Entry("slow fusion", "slow_fusion_stage"),
    Entry("I3D from scratch", "i3d_stage"),
    Entry("I3D inflated", "i3d_stage", image="c2d_frame_stage"),
    Entry("I3D, 1 non-local block", "i3d_nl1_stage"),
    Entry("I3D, 5 non-local blocks", "i3d_nl5_stage"),
    Entry("I3D, GloRe", "i3d_glore_stage"),
    Entry("SlowFast", "slowfast_stage"),
    Entry("I3D, octave", "oct_i3d_stage"),
)
CLAIMS = (  # better, than what, and who says so
    ("late fusion", "single frame", "Karpathy et al. 2014"),
    ("slow fusion", "early fusion", "Karpathy et al. 2014"),
    ("slow fusion", "late fusion", "Karpathy et al. 2014"),
    ("I3D inflated", "I3D from scratch", "Carreira and Zisserman 2017"),
    ("I3D, 1 non-local block", "I3D from scratch", "Wang et al. 2018"),
    ("I3D, 5 non-local blocks", "I3D, 1 non-local block", "Wang et al. 2018"),
    ("I3D, GloRe", "I3D from scratch", "Chen et al. 2019"),
    ("SlowFast", "I3D from scratch", "Feichtenhofer et al. 2019"),
    ("I3D, octave", "I3D from scratch", "Chen et al. 2019, octave convolution"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--clips", type=int, default=32, help="clips a class")
    parser.add_argument("--budget", type=float, default=1.6, help="10^12 multiply-adds of forward passes a cell")
    options = parser.parse_args()
    data, clips = stage_films(options.out, options.clips)
    results: dict[str, list[Cell]] = {entry.name: [] for entry in ENTRIES}
    for seed in range(options.seeds):
        for entry in ENTRIES:
            results[entry.name].append(
                kept(
                    options.out / "cells" / f"{slug(entry.name)}-{seed}.json",
                    partial(run_cell, entry, data, clips, options.budget * 1e3, options.out, seed),
                )
            )
    print(table(results))
    print(verdicts(results))


def run_cell(entry: Entry, data: Path, clips: int, budget_gmacs: float, out: Path, seed: int) -> Cell:
    """Train once; what `scored` says of it, "epochs" and "core_minutes"."""
    begun, start = core_minutes(), None
    folder = out / "runs" / f"{slug(entry.name)}-{seed}"
    if entry.image is not None:
        budget_gmacs /= 2
        image = fit(entry.image, data, clips, budget_gmacs, Path(f"{folder}-image"), seed)
        start = inflate_checkpoint(
            image.folder / "model.safetensors", entry.preset, Path(f"{folder}-start.safetensors")
        )
    trial = fit(entry.preset, data, clips, budget_gmacs, folder, seed, start)
    return {
        **scored(trial.evaluations),
        "epochs": epochs_for(entry.preset, clips, budget_gmacs),
        "core_minutes": core_minutes() - begun,
    }


def inflate_checkpoint(image: Path, preset: str, out: Path) -> Path:
    """The checkpoint of a network of frames as one of `preset`: kernels repeated over time, divided by their number."""
    header, tensors = load_checkpoint(image)
    model = create_model(preset, num_classes=sum(map(len, header["labels"].values())))
    spread = {name: over_time(tensors[name], own) for name, own in model.state_dict().items()}
    save_checkpoint(out, spread, header | {"preset": preset, "clip": find_preset(preset).clip.to_dict()})
    return out


def over_time(tensor: Tensor, like: Tensor) -> Tensor:
    if tensor.shape == like.shape:
        return tensor
    return tensor.expand_as(like) / like.shape[2]


def table(results: dict[str, list[Cell]]) -> str:
    """Mean over the seeds, and the lowest and highest of them."""
    lines = [
        "| network | parameters | GMACs a clip | epochs | top-1 | " + " | ".join(GROUPS) + " | core minutes |",
        "|---|---|---|---|---|" + "---|" * (len(GROUPS) + 1),
    ]
    for entry in ENTRIES:
        cost, cells = cost_of(find_preset(entry.preset)), results[entry.name]
        groups = " | ".join(f"{np.mean([cell[name] for cell in cells]):.1%}" for name in GROUPS)
        lines.append(
            f"| {entry.name} | {cost.params:,} | {cost.gmacs:.3f} | {cells[0]['epochs']} "
            f"| {spread([cell['top1'] for cell in cells])} | {groups} "
            f"| {np.mean([cell['core_minutes'] for cell in cells]):.1f} |"
        )
    return "\n".join(lines)


def verdicts(results: dict[str, list[Cell]]) -> str:
    """Each paper's claim as a difference on the same clips, correctness averaged over the seeds."""
    lines = []
    for better, worse, paper in CLAIMS:
        e = lead(results[better], results[worse])
        seen = "shown" if e.low > 0 else "the opposite" if e.high < 0 else "not shown"
        lines.append(f"{better} less {worse} ({paper}): {e.value:+.1%} [{e.low:+.1%}, {e.high:+.1%}]: {seen}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
