"""The figures of a cross-validation: from the answers of its rounds to a table, a page and a file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Manifest, Quarantine, drawn_together
from ..metrics import estimate_rounds
from ..report import counted, render_html, write_text
from ..results import Estimate, Evaluation
from ..tasks import Recognition
from ..video import ClipSpec
from .evaluate import score_arrays
from .fold_answers import Fold
from .publish import make_report
from .run import Run, write_json


@dataclass(frozen=True)
class CrossValidation:
    """Figures of grouped folds, averaged over fold seeds, or of official splits, averaged over them.

    folds     of a seed; None where the rounds are official splits
    seeds     the numbers of the rounds: seeds from 0, splits from 1
    per_seed  preset -> accuracy of each round
    figures   preset -> {"accuracy", "balanced_accuracy"} -> Estimate
    paired    preset -> accuracy of the model less that of this preset, on the same clips
    evaluations  preset -> Evaluation of the first round's answers, whose headline figures are the averages
    notes     what of the trainings a reader must not miss
    """

    folder: Path
    preset: str
    folds: int | None
    seeds: tuple[int, ...]
    figures: Mapping[str, Mapping[str, Estimate]]
    paired: Mapping[str, Estimate]
    per_seed: Mapping[str, tuple[float, ...]]
    evaluations: Mapping[str, Evaluation]
    minutes: float
    notes: tuple[str, ...] = ()

    @property
    def rounds(self) -> str:
        """What was averaged over, in words."""
        if self.folds is None:
            return f"{len(self.seeds)} official splits"
        return f"{self.folds} folds x {counted(len(self.seeds), 'seed')}"

    @property
    def spread(self) -> dict[str, float]:
        """Preset -> standard deviation of its accuracy between rounds."""
        return {
            name: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for name, values in self.per_seed.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON with `top1` of the model at the top."""
        own = self.figures[self.preset]
        return {
            "top1": own["accuracy"].value,
            "balanced_accuracy": own["balanced_accuracy"].value,
            "folder": str(self.folder),
            "preset": self.preset,
            "folds": self.folds,
            "fold_seeds": list(self.seeds),
            "figures": {name: {k: asdict(e) for k, e in some.items()} for name, some in self.figures.items()},
            "paired_difference": {name: asdict(e) for name, e in self.paired.items()},
            "accuracy_per_seed": {name: list(values) for name, values in self.per_seed.items()},
            "spread": self.spread,
            "protocol": dict(self.evaluations[self.preset].protocol),
            "minutes": self.minutes,
            "notes": list(self.notes),
        }


def summarize_folds(
    answers: Mapping[str, np.ndarray],
    manifest: Manifest,
    assignments: Sequence[Sequence[Fold]],
    quarantine: Quarantine,
    lesson_stamps: Mapping[str, dict[str, Any]],
    *,
    run: Run,
    official: bool,
    seed: int,
    minutes: float,
    notes: Sequence[str],
) -> CrossValidation:
    """The figures of answers float (rounds, clips, classes) of each preset, of which the first is the user's.

    assignments  of each round, the folds that say which clips it asked about
    official     whether the rounds are official splits
    notes        what of the trainings a reader must not miss
    """
    task, names = Recognition.of(manifest), list(answers)
    asked = np.zeros((len(assignments), len(manifest)), bool)
    for row, folds in zip(asked, assignments, strict=True):
        row[np.concatenate([test for _, test in folds])] = True
    read = np.isfinite(np.stack(list(answers.values()))).all((0, 3))
    kept = asked.any(0) & (read | ~asked).all(0)  # what one model, or one round, could not read is left out for all
    asked, samples = asked[:, kept], [manifest.samples[i] for i in np.flatnonzero(kept)]
    truth = task.targets(samples).numpy().argmax(1)
    groups = drawn_together(samples)
    figures, paired, per_seed, evaluations, right = {}, {}, {}, {}, {}
    folds_each, first = len(assignments[0]), 1 if official else 0
    for name in names:
        scores = answers[name][:, kept]
        right[name] = np.where(asked, scores.argmax(2) == truth, np.nan)
        per_seed[name] = tuple(np.nanmean(right[name], axis=1).tolist())
        figures[name] = {
            "accuracy": estimate_rounds(right[name], groups=groups, seed=seed),
            "balanced_accuracy": estimate_rounds(right[name], classes=truth, groups=groups, seed=seed),
        }
        protocol = {
            **lesson_stamps[name],
            **({"official_splits": len(scores)} if official else {"folds": folds_each, "fold_seeds": len(scores)}),
            "missing_videos": len(quarantine.reasons),
        }
        by_head = score_arrays(
            scores[0][asked[0]],
            [sample for sample, mine in zip(samples, asked[0], strict=True) if mine],
            task,
            protocol,
            manifest=manifest,
            quarantined=quarantine.reasons,
            seed=seed,
        )
        evaluation = next(iter(by_head.values()))
        averaged = {"top1": figures[name]["accuracy"], "mean_per_class": figures[name]["balanced_accuracy"]}
        evaluations[name] = replace(evaluation, metrics={**evaluation.metrics, **averaged})
    for name in names[1:]:
        difference = right[names[0]] - right[name]
        paired[name] = estimate_rounds(difference, groups=groups, seed=seed, bounds=(-1.0, 1.0))
    return CrossValidation(
        run.folder,
        names[0],
        None if official else folds_each,
        tuple(range(first, first + len(assignments))),
        figures,
        paired,
        per_seed,
        evaluations,
        minutes,
        tuple(notes),
    )


def publish_folds(run: Run, result: CrossValidation, manifest: Manifest, fed: ClipSpec) -> None:
    """Write report.html and folds.json of a cross-validation."""
    model, *others = result.evaluations
    evaluation = result.evaluations[model]
    report = make_report(
        run,
        evaluation,
        title=f"{run.folder.name}: {result.rounds if result.folds is None else f'{result.folds} folds'}",
        manifest=manifest,
        fed=fed,
        efficiency={"train_minutes": result.minutes},
        baselines={name: result.evaluations[name] for name in others},
        notes=[
            *result.notes,
            *_split_notes(result),
            *(_paired_note(name, found) for name, found in result.paired.items()),
        ],
    )
    write_text(render_html(report), run.folder / "report.html")
    evaluations = {name: evaluation.to_dict() for name, evaluation in result.evaluations.items()}
    write_json(run.folder / "folds.json", {**result.to_dict(), "evaluations": evaluations})


def read_folds(folder: Path) -> CrossValidation:
    """What a finished run's folds.json holds."""
    data = json.loads((folder / "folds.json").read_text(encoding="utf-8"))
    return CrossValidation(
        folder=folder,
        preset=data["preset"],
        folds=data["folds"],
        seeds=tuple(data["fold_seeds"]),
        figures={n: {k: Estimate(**e) for k, e in some.items()} for n, some in data["figures"].items()},
        paired={name: Estimate(**e) for name, e in data["paired_difference"].items()},
        per_seed={name: tuple(values) for name, values in data["accuracy_per_seed"].items()},
        evaluations={name: Evaluation.from_dict(e) for name, e in data["evaluations"].items()},
        minutes=data["minutes"],
        notes=tuple(data.get("notes", ())),
    )


def _split_notes(result: CrossValidation) -> list[str]:
    """What each official split gave, and what the interval does not say."""
    if result.folds is not None:
        return []
    each = ", ".join(f"{100 * accuracy:.1f} %" for accuracy in result.per_seed[result.preset])
    spread = 100 * result.spread[result.preset]
    return [
        f"Accuracy on the {result.rounds}: {each} (standard deviation {spread:.1f} points). "
        "The interval of the mean resamples sources, each for all splits at once. The splits train on many of the same "
        "clips, so neither it nor the deviation says what a model of other training clips would reach. Tables and "
        "pictures of classes and clips are of the first split."
    ]


def _paired_note(name: str, difference: Estimate) -> str:
    beyond = "beyond chance" if difference.low > 0 or difference.high < 0 else "not beyond chance"
    return (
        f"Against {name} on the same clips: {100 * difference.value:+.1f} points of accuracy "
        f"[{100 * difference.low:+.1f}, {100 * difference.high:+.1f}], {beyond}."
    )
