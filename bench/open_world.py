"""How well energy and distance tell clips of classes that a model was never taught from new clips of those it was.

    python bench/open_world.py [--out FOLDER] [--preset motion_appearance]

A third of the stage's classes are left out of training. Of each score of novelty: the area under its ROC curve, known
test clips against clips of the classes left out, and what `marey calibrate --unknown --accept 0.9` makes of both.
Mahalanobis' distance with a shrunk covariance is there for comparison; Marey does not have it.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.covariance import LedoitWolf

from marey.data import Quarantine, Sample, read_manifest
from marey.data.stage import render
from marey.jobs import Silent, calibrate, open_model, train
from marey.jobs.scores import sample_outputs
from marey.metrics import roc_auc

SEEDS, ACCEPT = (0, 1, 2), 0.9
CLIPS = {"train": 8, "val": 3, "test": 3}


def split(stage: Path, out: Path, seed: int) -> tuple[Path, list[Sample]]:
    """(annotations of the known classes, the clips of each in three parts as they come; clips of the other classes)."""
    samples = read_manifest(stage / "annotations.csv").samples
    of_class: dict[str, list[Sample]] = {}
    for sample in samples:
        of_class.setdefault(sample.labels["label"][0], []).append(sample)
    names = [str(name) for name in np.random.default_rng(seed).permutation(sorted(of_class))]
    strange, known = names[: len(names) // 3], sorted(names[len(names) // 3 :])
    table = out / f"known-{seed}.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split"])
        for label in known:
            clips = iter(of_class[label])
            for side, count in CLIPS.items():
                writer.writerows([next(clips).path, label, side] for _ in range(count))
    return table, [sample for name in sorted(strange) for sample in of_class[name][: CLIPS["test"]]]


def features(trained: Any, samples: list[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """(features, logits) of the middle view of each."""
    found = sample_outputs(
        trained, samples, Quarantine(len(samples)), views="1x1", workers=0, narrator=Silent(), features=True
    )
    rows = [found[index] for index in range(len(samples))]
    return np.concatenate([r.features for r in rows if r.features is not None]), np.concatenate(
        [r.logits for r in rows]
    )


def mahalanobis(train_rows: np.ndarray, truth: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Squared distance from the nearest class mean under one shrunk covariance (Lee et al., NeurIPS 2018)."""
    spread = np.where(train_rows.std(0) > 0, train_rows.std(0), 1.0)
    train_rows, rows = train_rows / spread, rows / spread
    means = np.stack([train_rows[truth == label].mean(0) for label in np.unique(truth)])
    precision = LedoitWolf(assume_centered=True).fit(train_rows - means[truth]).precision_
    away = rows[:, None] - means
    return np.einsum("nkd,de,nke->nk", away, precision, away).min(1)


def measure(stage: Path, out: Path, preset: str, seed: int) -> dict[str, float]:
    """The figures of one choice of classes."""
    table, strange = split(stage, out, seed)
    run = train(table, preset=preset, seed=seed, workers=0, out=out / f"{preset}-{seed}").folder
    manifest = read_manifest(run / "manifest.parquet")
    known, taught = list(manifest.part("test")), list(manifest.part("train"))
    positive = np.repeat([False, True], [len(known), len(strange)])
    figures: dict[str, float] = {}
    for by in ("energy", "distance"):
        calibration = calibrate(run, unknown=by, accept=ACCEPT, workers=0).calibration
        trained, rule = open_model(run), calibration.unknown
        assert rule is not None
        found = sample_outputs(
            trained,
            [*known, *strange],
            Quarantine(len(positive)),
            views="1x1",
            workers=0,
            narrator=Silent(),
            features=trained.reads_features,
        )
        novelty = np.array([float(trained.answers(found[i]).novelty[0]) for i in range(len(positive))])  # type: ignore
        unknown = rule.strangeness(novelty) >= rule.level
        figures |= {
            f"{by}: area": roc_auc(novelty, positive),
            f"{by}: known accepted": float(1 - unknown[~positive].mean()),
            f"{by}: unknown told": float(unknown[positive].mean()),
        }
    trained = open_model(run, calibrated=False)
    taught_rows, _ = features(trained, taught)
    rows, logits = features(trained, [*known, *strange])
    truth = trained.task.targets(taught).numpy().argmax(1)
    figures["Mahalanobis: area"] = roc_auc(mahalanobis(taught_rows, truth, rows), positive)
    sure = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).max(1)
    figures["top probability: area"] = roc_auc(-sure, positive)
    right = logits[~positive].argmax(1) == trained.task.targets(known).numpy().argmax(1)
    return figures | {"top-1 of the known": float(right.mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/open-world"), help="films, runs and figures.json")
    parser.add_argument("--stage", type=Path, help="a rendered stage [default: one is rendered]")
    parser.add_argument("--preset", default="motion_appearance")
    given = parser.parse_args()
    stage = given.stage or given.out / "stage"
    given.out.mkdir(parents=True, exist_ok=True)
    if given.stage is None:
        render(stage, clips_per_class=sum(CLIPS.values()) + 8)
    kept = given.out / f"{given.preset}.json"
    cells = json.loads(kept.read_text()) if kept.exists() else {}
    for seed in SEEDS:
        if str(seed) not in cells:
            cells[str(seed)] = measure(stage, given.out, given.preset, seed)
            kept.write_text(json.dumps(cells, indent=1))
    for name in next(iter(cells.values())):
        values = [cell[name] for cell in cells.values()]
        print(f"{name:28s} {100 * np.mean(values):5.1f} % ({100 * min(values):.1f} to {100 * max(values):.1f})")


if __name__ == "__main__":
    main()
