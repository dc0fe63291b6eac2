"""What is motion worth, and what does it cost? Flow, vectors, OFF, DMC-Net, recurrence and I3D on equal terms.

    python bench/motion.py OUT [--real ANNOTATIONS] [--seeds 3] [--clips 32] [--budget 0.75]

The stage's 32 classes, every network trained from scratch on its own input with the same number of multiply-adds
(--budget, in 10^12 of forward passes over the training clips; see cells.py), rate and rules, and tested on actors and
scenes that it never saw. What is fused was trained apart: logits are added, nothing is trained again, so that it has
spent what its two parts have. Flow teaches DMC-Net, which does without when it answers.

point-light   the same networks on point-light films of the test's own actors and movements, which they were never
              trained on; classes that motion tells apart
ms            decoding and motion extraction, and the network, for one clip on one thread, median over clips
real clips    --real: features of the networks, frozen; linear heads, five grouped folds, fold seeds 0 to 4

Every cell that is done is kept in OUT/cells; the same command goes on where it was interrupted. After each seed the
tables so far are written to OUT/tables.md.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from cells import GROUPS, Cell, core_minutes, epochs_for, fit, kept, lead, scored, slug, spread, stage_films
from motion_costs import Costs, measure, share, total_ms
from motion_real import figures, real_cell, real_lead

from marey.data import Sample, read_manifest
from marey.data.stage import CLASS_GROUPS, render
from marey.jobs import evaluate, evaluate_together, load_data
from marey.presets import cost_of, find_preset
from marey.results import Estimate

MOTION = ("reversed", "tempo", "order")  # class groups that no single frame tells apart
TIMED, LARGE_PX = 16, 256  # clips; the short side that the papers compute flow on
FRACTION = 0.5  # "a fraction of the cost" is at most this


@dataclass(frozen=True)
class Entry:
    """One row. `parts` are the rows whose logits it adds; `preset` is then the network of both, for its cost.

    frozen  whether it is tried on real clips: what the classifier of CNN + LSTM reads has not been through the LSTM
    """

    name: str
    preset: str
    parts: tuple[str, ...] = ()
    frozen: bool = True


ENTRIES = (
    Entry("RGB", "two_stream_rgb_stage"),
    Entry("flow", "two_stream_flow_stage"),
    Entry("RGB + flow", "two_stream_stage", parts=("RGB", "flow")),
    Entry("motion vectors", "vectors_stage"),
    Entry("OFF", "off_stage"),
    Entry("DMC-Net", "dmc_stage"),
    Entry("CNN + LSTM", "cnn_lstm_stage", frozen=False),
    Entry("GRU-RCN", "gru_rcn_stage"),
    Entry("I3D RGB", "i3d_stage"),
    Entry("I3D flow", "i3d_flow_stage"),
    Entry("I3D RGB + flow", "i3d_two_stream_stage", parts=("I3D RGB", "I3D flow")),
)


@dataclass(frozen=True)
class Claim:
    """`better` is more often right than `worse`, less `margin`, on all clips, on those of motion, or on dots."""

    better: str
    worse: str
    paper: str
    on: str = "all"
    margin: float = 0.0


SIMONYAN = "Simonyan and Zisserman 2014"
CARREIRA = "Carreira and Zisserman 2017"
CLAIMS = (  # fixed before the first run
    Claim("flow", "RGB", SIMONYAN, on="motion"),
    Claim("I3D flow", "I3D RGB", SIMONYAN, on="motion"),
    Claim("flow", "RGB", "Johansson 1973", on="point-light"),
    Claim("RGB + flow", "RGB", SIMONYAN),
    Claim("RGB + flow", "flow", SIMONYAN),
    Claim("I3D RGB + flow", "I3D RGB", CARREIRA),
    Claim("I3D RGB + flow", "I3D flow", CARREIRA),
    Claim("I3D RGB + flow", "RGB + flow", CARREIRA),
    Claim("OFF", "RGB", "Sun et al. 2018", on="motion"),
    Claim("OFF", "flow", "Sun et al. 2018", margin=0.05),
    Claim("motion vectors", "I3D RGB", "Wu et al. 2018", on="motion"),
    Claim("motion vectors", "I3D flow", "Wu et al. 2018", margin=0.05),
    Claim("DMC-Net", "motion vectors", "Shou et al. 2019"),
    Claim("GRU-RCN", "CNN + LSTM", "Ballas et al. 2016"),
)
CHEAPER = (  # what costs a fraction of what, decoding and motion extraction included
    ("OFF", "flow", "Sun et al. 2018"),
    ("motion vectors", "I3D flow", "Wu et al. 2018"),
    ("DMC-Net", "I3D flow", "Shou et al. 2019"),
)
REAL_CLAIMS = tuple(claim for claim in CLAIMS if claim.on != "point-light" and claim.worse != "CNN + LSTM")


@dataclass(frozen=True)
class Found:
    """What is done so far: cells by entry, one a seed; of real clips one a seed; and costs by films."""

    stage: Mapping[str, list[Cell]]
    real: list[Cell]
    costs: Mapping[str, Costs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--real", type=Path, help="annotations of real clips with one class each")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--clips", type=int, default=32, help="clips a class")
    parser.add_argument("--budget", type=float, default=0.75, help="10^12 multiply-adds of forward passes a cell")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    films, clips = stage_films(options.out, options.clips)
    dots = render(options.out / "dots", style="point-light", clips_per_class=options.clips, workers=1)
    found = Found({entry.name: [] for entry in ENTRIES}, [], all_costs(films, options.real, options.out))
    for seed in range(options.seeds):
        for entry in ENTRIES:
            make = partial(run_cell, entry, films, dots, clips, options.budget * 1e3, options.out, seed)
            found.stage[entry.name].append(kept(options.out / "cells" / f"{slug(entry.name)}-{seed}.json", make))
        if options.real:
            frozen = {e.name: e.parts or (e.name,) for e in ENTRIES if e.frozen}
            runs = {name: run_of(options.out, name, seed) for parts in frozen.values() for name in parts}
            make = partial(real_cell, runs, frozen, options.real, options.out / "real")
            found.real.append(kept(options.out / "cells" / f"real-{seed}.json", make))
        (options.out / "tables.md").write_text(report(found) + "\n")
    print(report(found))


def all_costs(films: Path, real: Path | None, out: Path) -> dict[str, Costs]:
    """Where -> preset -> milliseconds: of films of the stage's test and, if there are any, of real clips."""
    presets = [entry.preset for entry in ENTRIES]
    tested = [sample for sample in read_manifest(films).samples if sample.split == "test"]
    ways = {"stage": partial(measure, presets, some(tested))}
    if real:
        clips = some(load_data(str(real)).samples)
        ways["real clips"] = partial(measure, presets, clips)
        ways[f"real clips, input at {LARGE_PX} px"] = partial(measure, presets, clips, short_px=LARGE_PX)
    return {where: kept(out / "cells" / f"costs-{slug(where)}.json", way) for where, way in ways.items()}


def some(samples: Sequence[Sample]) -> Sequence[Sample]:
    """TIMED of them, evenly."""
    return samples[:: max(1, len(samples) // TIMED)][:TIMED]


def run_of(out: Path, name: str, seed: int) -> Path:
    return out / "runs" / f"{slug(name)}-{seed}"


def run_cell(entry: Entry, films: Path, dots: Path, clips: int, budget_gmacs: float, out: Path, seed: int) -> Cell:
    """Train once, or fuse what was trained; what `scored` says of it, "dots" likewise, "epochs", "core_minutes"."""
    begun = core_minutes()
    if entry.parts:
        runs = [run_of(out, part, seed) for part in entry.parts]
        ask = partial(evaluate_together, runs, split="test", device="cpu", workers=0)
        return {**scored(ask(films)), "dots": scored(ask(dots)), "epochs": None, "core_minutes": None}
    trial = fit(entry.preset, films, clips, budget_gmacs, run_of(out, entry.name, seed), seed, workers=0)
    return {
        **scored(trial.evaluations),
        "dots": scored(evaluate(trial.folder, dots, split="test", device="cpu", workers=0)),
        "epochs": epochs_for(entry.preset, clips, budget_gmacs),
        "core_minutes": core_minutes() - begun,
    }


def of_motion(clip: str) -> bool:
    """Whether a film of the stage, by its path, shows a class of motion."""
    return CLASS_GROUPS[Path(clip).parent.name.replace("_", " ")] in MOTION


def motion_right(cell: Cell) -> float:
    """Accuracy on the classes of motion."""
    return float(np.mean([right for clip, right in cell["right"].items() if of_motion(clip)]))


def report(found: Found) -> str:
    real = [real_table(found)] if found.real else []
    return "\n\n".join([stage_table(found), *real, claim_table(found), cost_table(found)])


def stage_table(found: Found) -> str:
    """Mean over the seeds, of top-1 the lowest and highest of them too."""
    lines = [
        "| network | parameters | GMACs a clip | ms: input | network | epochs | top-1 | "
        + " | ".join(GROUPS)
        + " | point-light | core minutes |",
        "|---|---|---|---|---|---|---|" + "---|" * (len(GROUPS) + 2),
    ]
    for entry in ENTRIES:
        cost, cells = cost_of(find_preset(entry.preset)), found.stage[entry.name]
        ms = found.costs["stage"][entry.preset]
        groups = " | ".join(f"{np.mean([cell[name] for cell in cells]):.1%}" for name in GROUPS)
        minutes = "" if entry.parts else f"{np.mean([cell['core_minutes'] for cell in cells]):.1f}"
        lines.append(
            f"| {entry.name} | {cost.params:,} | {cost.gmacs:.3f} "
            f"| {np.median(ms['input']):.1f} | {np.median(ms['network']):.1f} | {cells[0]['epochs'] or ''} "
            f"| {spread([cell['top1'] for cell in cells])} | {groups} "
            f"| {spread([motion_right(cell['dots']) for cell in cells])} | {minutes} |"
        )
    return "\n".join(lines)


def real_table(found: Found) -> str:
    """Accuracy on real clips, networks frozen."""
    lines = ["| network, frozen | accuracy | balanced accuracy | ms: input | network |", "|---|---|---|---|---|"]
    for entry in ENTRIES:
        if entry.frozen:
            accuracy, balanced = (
                f"{e.value:.1%} ({e.low:.1%} to {e.high:.1%})" for e in figures(found.real, entry.name)
            )
            ms = found.costs["real clips"][entry.preset]
            lines.append(
                f"| {entry.name} | {accuracy} | {balanced} "
                f"| {np.median(ms['input']):.1f} | {np.median(ms['network']):.1f} |"
            )
    return "\n".join(lines)


def claim_table(found: Found) -> str:
    """Each paper's claim as a difference in points on the same clips, correctness averaged over the seeds."""
    lines = ["| claim | by | stage | real clips |", "|---|---|---|---|"]
    for claim in CLAIMS:
        better, worse = (found.stage[name] for name in (claim.better, claim.worse))
        if claim.on == "point-light":
            better, worse = ([cell["dots"] for cell in cells] for cells in (better, worse))
        stage = points(lead(better, worse, bool if claim.on == "all" else of_motion), claim.margin)
        real = ""
        if found.real and claim in REAL_CLAIMS:
            real = points(real_lead(found.real, claim.better, claim.worse), claim.margin)
        within = f"at most {100 * claim.margin:.0f} points behind" if claim.margin else "over"
        where = "" if claim.on == "all" else f"; stage: {claim.on}"
        lines.append(f"| {claim.better} {within} {claim.worse}{where} | {claim.paper} | {stage} | {real} |")
    return "\n".join(lines)


def cost_table(found: Found) -> str:
    """Which share of the time of the dear way the cheap one takes, decoding included."""
    presets = {entry.name: entry.preset for entry in ENTRIES}
    lines = ["| claim | by | " + " | ".join(found.costs) + " |", "|---|---|" + "---|" * len(found.costs)]
    for cheap, dear, paper in CHEAPER:
        told = []
        for costs in found.costs.values():
            e = share(total_ms(costs, presets[cheap]), total_ms(costs, presets[dear]))
            told.append(f"{e.value:.2f} ({e.low:.2f} to {e.high:.2f}) {judged(FRACTION - e.high, FRACTION - e.low)}")
        lines.append(f"| {cheap} at most {FRACTION:g} of the time of {dear} | {paper} | {' | '.join(told)} |")
    return "\n".join(lines)


def points(e: Estimate, margin: float) -> str:
    seen = judged(e.low + margin, e.high + margin)
    return f"{100 * e.value:+.1f} ({100 * e.low:+.1f} to {100 * e.high:+.1f}) {seen}"


def judged(low: float, high: float) -> str:
    """What the interval of how far a claim holds says of it."""
    return "reproduced" if low > 0 else "contradicted" if high < 0 else "undecided"


if __name__ == "__main__":
    main()
