"""Networks that the stage taught, frozen, on labelled real clips: a linear head each, tested by grouped folds."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from cells import Cell
from heads import Choice, Clips, is_right, learn
from torch import Tensor

from marey.data import Manifest
from marey.data.reading import read_views
from marey.jobs import Silent, load_data, open_model
from marey.jobs.prepare import duplicates_of
from marey.metrics import estimate_class_mean, estimate_mean, paired_difference
from marey.results import Estimate
from marey.tasks import Recognition
from marey.video import ClipSpec, to_input

FOLDS, FOLD_SEEDS = 5, 5
BATCH = 16


def read_real(data: Path) -> tuple[Manifest, Sequence[Sequence[str]] | None]:
    """The clips, and which of them look alike."""
    manifest = load_data(str(data))
    return manifest, duplicates_of(manifest, workers=1, narrator=Silent())


def fed(manifest: Manifest, spec: ClipSpec, out: Path) -> np.ndarray:
    """uint8 (clips, t, side, side, c): the middle of every clip as networks of `spec` are fed, kept below `out`.

    Mean and deviation do not matter yet. VideoError where a clip does not have what is asked for.
    """
    read = {name: value for name, value in spec.to_dict().items() if name not in ("mean", "std")}
    mark = hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:12]
    path = out / f"{spec.modality.replace('+', '-')}-{mark}.npy"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        np.save(part, np.concatenate([read_views(sample, spec) for sample in manifest.samples]))
        part.replace(path)
    return np.load(path)


def encode(run: Path, manifest: Manifest, out: Path) -> Tensor:
    """(clips, d): what the classifier of a run's model reads; of tokens, the mean over time."""
    trained = open_model(run, device="cpu")
    clips = torch.from_numpy(fed(manifest, trained.spec, out))
    with torch.inference_mode():
        encoded = torch.cat([trained.model.encode(to_input(part, trained.spec)) for part in clips.split(BATCH)])
    return encoded if encoded.ndim == 2 else encoded.mean(1)


def real_cell(runs: Mapping[str, Path], entries: Mapping[str, Sequence[str]], real: Path, out: Path) -> Cell:
    """{"right": {entry: how often each clip, over the fold seeds}, "groups", "truth"}; an entry adds its runs' logits.

    Every run has a head of its own, that learns as the shipped preset for few clips does.
    """
    manifest, duplicates = read_real(real)
    features = {name: encode(run, manifest, out) for name, run in runs.items()}
    clips = Clips(manifest, duplicates, Recognition.of(manifest).targets(manifest.samples), features)
    how = Choice(tuple(runs), weight_decay=0.004, weighted=True)
    right = {name: np.zeros(len(manifest)) for name in entries}
    for seed in range(FOLD_SEEDS):
        for train, test in clips.folds(np.arange(len(manifest)), folds=FOLDS, seed=seed):
            logits = learn(clips, train, test, how, apart=True)
            for name, parts in entries.items():
                right[name][test] += is_right(logits, parts, clips.truth[test]) / FOLD_SEEDS
    return {
        "right": {name: hits.tolist() for name, hits in right.items()},
        "groups": clips.groups,
        "truth": clips.truth.tolist(),
    }


def mean_right(cells: Sequence[Cell], name: str) -> np.ndarray:
    """(clips,) how often each was right, over the seeds of networks and of folds."""
    return np.mean([cell["right"][name] for cell in cells], axis=0)


def figures(cells: Sequence[Cell], name: str) -> tuple[Estimate, Estimate]:
    """Accuracy and balanced accuracy, with intervals from resampling sources."""
    hits, groups = mean_right(cells, name), cells[0]["groups"]
    return estimate_mean(hits, groups=groups), estimate_class_mean(hits, np.array(cells[0]["truth"]), groups=groups)


def real_lead(cells: Sequence[Cell], better: str, worse: str) -> Estimate:
    """Accuracy of the one less that of the other on the same clips."""
    return paired_difference(mean_right(cells, better), mean_right(cells, worse), groups=cells[0]["groups"])
