"""Do other readings of motion lift the default recipe on few real clips? Chosen on some sources, judged on others.

    python bench/motion_recipe.py DATA --out FOLDER [--seeds 5] [--stage OUT]

Beside the three blocks of `motion_appearance` stand: covariance of motion between frames 1/5 s and 1/25 s apart (the
preset's are 1/10 s apart), and how histograms of flow and of its boundaries vary between parts of a clip (HOF and MBH,
after Dalal, Triggs and Schmid, ECCV 2006; square-rooted, blind to mirroring). With --stage also what networks that
motion.py trained on the stage (seed 0, in its OUT) say of the clips, frozen. Every combination of COMBINATIONS is
cross-validated on the design sources of fight-surv alone (see nested.py). All are then tested, on the same clips as the
preset's, in folds over all sources and, trained on the design sources, on the others. Numbers of a clip are kept in
FOLDER: interrupted, it goes on where it was.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from heads import Choice, Clips, is_right, learn
from motion_real import encode as encode_with
from nested import DESIGN_SOURCES, encode

from marey.app.console import Terminal, print_error, print_table
from marey.errors import MareyError
from marey.jobs import pick_workers, progress_of
from marey.metrics import estimate_mean, paired_difference
from marey.models.motion_statistics import FLOW_PX, motion_covariance
from marey.results import Estimate
from marey.video import Speed, dense_flow, open_video

SHIPPED = ("motion", "change", "moving")
COMBINATIONS = (
    SHIPPED,
    (*SHIPPED, "slow"),
    (*SHIPPED, "quick"),
    (*SHIPPED, "histograms"),
    (*SHIPPED, "slow", "histograms"),
    ("change", "moving", "slow"),
    ("change", "moving", "histograms"),
    ("motion", "slow"),
    ("histograms",),
)
NETWORKS = {
    "flow": "flow-0",
    "vectors": "motion-vectors-0",
    "OFF": "OFF-0",
    "DMC-Net": "DMC-Net-0",
}  # runs of motion.py
WITH_NETWORKS = (*((*SHIPPED, block) for block in NETWORKS), (*SHIPPED, *NETWORKS), *((block,) for block in NETWORKS))
DECAY, FRAMES, CELL_PX, CELL_FRAMES, BINS = 0.004, 160, 16, 5, 8
SLOW_FPS, QUICK_FPS, STILL = 5.0, 25.0, 0.02  # STILL in picture heights a second


def flow_at(path: str, fps: float, speed: Speed) -> np.ndarray:
    """(t, h, w, 2) between frames so many a second, less its median over the picture."""
    with open_video(path) as video:
        frames = [frame for _, frame in video.stream(fps=fps, short_px=FLOW_PX)][:FRAMES]
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    flow = np.stack([dense_flow(a, b, speed=speed) for a, b in pairwise(grey)])
    return flow - np.median(flow[:, ::4, ::4].reshape(len(flow), -1, 2), axis=1)[:, None, None]


def histograms(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Directions of vectors (t, h, w), by their lengths, summed over cells of a clip: (cells, BINS)."""
    length, place = np.hypot(x, y), (np.arctan2(y, x) / (2 * np.pi) * BINS) % BINS
    low = np.floor(place).astype(int) % BINS
    table = np.zeros((*x.shape, BINS), np.float32)
    for bins, share in ((low, 1 - (place - np.floor(place))), ((low + 1) % BINS, place - np.floor(place))):
        held = np.take_along_axis(table, bins[..., None], -1)
        np.put_along_axis(table, bins[..., None], held + (length * share)[..., None], -1)
    return cells(table)


def cells(table: np.ndarray) -> np.ndarray:
    """Sums of (t, h, w, n) over cells, whole ones only: (cells, n)."""
    sizes = (CELL_FRAMES, CELL_PX, CELL_PX)
    t, h, w = (n // size for n, size in zip(table.shape[:3], sizes, strict=True))
    cut = table[: t * sizes[0], : h * sizes[1], : w * sizes[2]]
    return cut.reshape(t, sizes[0], h, sizes[1], w, sizes[2], -1).sum((1, 3, 5)).reshape(t * h * w, -1)


def slope(part: np.ndarray, *, axis: int) -> np.ndarray:
    """Central differences along an axis."""
    return np.asarray(np.gradient(part, axis=axis))


def spread(flow: np.ndarray, fps: float) -> np.ndarray:
    """How the histograms of cells differ, weighted by motion: standard deviations, of the clip and its mirror image."""
    found = []
    for turned in (flow, flow[:, :, ::-1] * np.array([-1, 1], np.float32)):
        velocity = turned * np.float32(fps / FLOW_PX)
        u, v = velocity[..., 0], velocity[..., 1]
        speed = np.hypot(u, v)
        still = cells(np.where(speed < STILL, STILL, 0)[..., None])
        parts = [
            np.concatenate([histograms(u, v), still], 1),
            *(histograms(slope(part, axis=2), slope(part, axis=1)) for part in (u, v)),
        ]
        weight = cells(np.maximum(speed - STILL, 0)[..., None])[:, 0]
        weight = weight / (weight.sum() + 1e-9)
        rows = np.concatenate(
            [np.sqrt(part / (part.sum(1, keepdims=True) + 1e-6)) for part in parts]
            + [np.log(1e-3 + part.sum(1, keepdims=True)) for part in parts],
            axis=1,
        )
        mean = weight @ rows
        found.append(np.sqrt(np.maximum(weight @ (rows - mean) ** 2, 0)))
    return np.mean(found, axis=0)


def blocks_of(path: str) -> dict[str, np.ndarray]:
    quick = flow_at(path, QUICK_FPS, "ultrafast")
    return {
        "slow": motion_covariance(flow_at(path, SLOW_FPS, "fast"), fps=SLOW_FPS),
        "quick": motion_covariance(quick, fps=QUICK_FPS),
        "histograms": spread(quick, QUICK_FPS),
    }


def with_motion(clips: Clips, out: Path, terminal: Terminal) -> Clips:
    """The clips with the new blocks beside the preset's."""
    tell, rows = progress_of(terminal, "read motion"), []
    out.mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(clips.manifest.samples):
        file = out / f"{number}-{Path(sample.path).stem}.npz"
        if not file.exists():
            with file.with_suffix(".part").open("wb") as part:
                np.savez(part, allow_pickle=False, **blocks_of(sample.path))
            file.with_suffix(".part").replace(file)
        with np.load(file) as held:
            rows.append({name: held[name] for name in ("slow", "quick", "histograms")})
        tell(number + 1, len(clips.manifest))
    more = {name: torch.tensor(np.stack([row[name] for row in rows]), dtype=torch.float32) for name in rows[0]}
    return replace(clips, features={**clips.features, **more})


def with_networks(clips: Clips, stage: Path) -> Clips:
    """The clips with what each of NETWORKS says beside the preset's blocks."""
    more = {name: encode_with(stage / "runs" / run, clips.manifest, stage / "real") for name, run in NETWORKS.items()}
    return replace(clips, features={**clips.features, **more})


Blocks = tuple[str, ...]


def folds_of(clips: Clips, some: np.ndarray, seeds: int, combinations: Sequence[Blocks]) -> dict[Blocks, np.ndarray]:
    """Combination -> share of the seeds in which each clip was right, out of grouped folds of these clips."""
    blocks = tuple(sorted({block for blocks in combinations for block in blocks}))
    found = {blocks: np.zeros(len(some)) for blocks in combinations}
    for seed in range(seeds):
        for train, test in clips.folds(some, folds=5, seed=seed):
            logits = learn(clips, train, test, Choice(blocks, DECAY, weighted=True), apart=True)
            rows = np.searchsorted(some, test)
            for combination in combinations:
                found[combination][rows] += is_right(logits, combination, clips.truth[test]) / seeds
    return found


def words(e: Estimate, *, signed: bool = False) -> str:
    form = "+.1f" if signed else ".1f"
    return f"{100 * e.value:{form}} ({100 * e.low:{form}} to {100 * e.high:{form}})"


def show(clips: Clips, seeds: int, combinations: Sequence[Blocks]) -> None:
    every = np.arange(len(clips.manifest))
    design = np.array([group in DESIGN_SOURCES for group in clips.groups])
    chosen_on, everywhere = (folds_of(clips, some, seeds, combinations) for some in (every[design], every))
    blocks = tuple(sorted({block for blocks in combinations for block in blocks}))
    logits = learn(clips, every[design], every[~design], Choice(blocks, DECAY, weighted=True), apart=True)
    groups: Sequence[str | None] = [clips.groups[i] for i in every[~design]]
    table = []
    for combination in combinations:
        unseen, before = (everywhere[one][~design] for one in (combination, SHIPPED))
        table.append(
            (
                "+".join(combination),
                f"{100 * chosen_on[combination].mean():.1f}",
                words(estimate_mean(everywhere[combination], groups=clips.groups)),
                f"{100 * unseen.mean():.1f}",
                "" if combination == SHIPPED else words(paired_difference(unseen, before, groups=groups), signed=True),
                f"{100 * is_right(logits, combination, clips.truth[~design]).mean():.1f}",
            )
        )
    header = ("% right of", "design sources", "all", "untouched", "over the preset there", "design to untouched")
    print_table(header, table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--out", required=True, type=Path, help="folder for the numbers of each clip")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--stage", type=Path, help="what motion.py wrote, for its networks")
    parser.add_argument("--workers", type=int, help="processes that decode")
    options = parser.parse_args()
    with Terminal(quiet=False, verbose=False) as terminal:
        clips = encode(options.data, workers=pick_workers(options.workers), narrator=terminal)
        clips = with_motion(clips, options.out, terminal)
        clips = with_networks(clips, options.stage) if options.stage else clips
    show(clips, options.seeds, (*COMBINATIONS, *(WITH_NETWORKS if options.stage else ())))


if __name__ == "__main__":
    try:
        main()
    except MareyError as error:
        print_error(str(error))
        sys.exit(error.exit_code)
