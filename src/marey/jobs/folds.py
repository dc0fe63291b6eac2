"""Grouped cross-validation: every clip is tested once a seed by a model that never saw its source.

Protocol: folds keep each group on one side, are stratified by class and assigned anew by each of the seeds. For every
seed the out-of-fold answers of all clips are pooled. The figures are means over the seeds; their intervals resample
sources, with each clip's correctness averaged over the seeds. The same folds, clips and seeds serve the single-frame
model, and the difference is paired clip by clip.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import Manifest, Quarantine, grouped_folds, view_batches
from ..errors import UsageError
from ..metrics import estimate_class_mean, estimate_mean, paired_difference
from ..presets import Preset, create_model, find_preset, imagenet_is_installed
from ..report import render_html, write_text
from ..results import Estimate, Evaluation
from ..tasks import Recognition
from ..training import pick_device
from ..video import to_input
from .choose import choose_preset, choose_recipe, default_balance
from .evaluate import score_arrays
from .learn import Lesson, encode_all, learn, learn_head
from .narrate import Narrator, Silent, progress_of
from .prepare import ClassEdits, duplicates_of, load_data, pick_decoder, pick_workers, refuse_hopeless
from .publish import make_report
from .run import Run, begin_run, default_folder, write_json
from .scores import spec_stamp

SINGLE_FRAME = "efficientnet_lite0_frame"


@dataclass(frozen=True)
class CrossValidation:
    """Figures of grouped folds, averaged over fold seeds.

    figures   preset -> {"accuracy", "balanced_accuracy"} -> Estimate
    paired    preset -> accuracy of the model less that of this preset, on the same clips
    evaluations  preset -> Evaluation of the first seed's pooled answers, whose headline figures are the averages
    """

    folder: Path
    preset: str
    folds: int
    seeds: tuple[int, ...]
    figures: Mapping[str, Mapping[str, Estimate]]
    paired: Mapping[str, Estimate]
    per_seed: Mapping[str, tuple[float, ...]]
    evaluations: Mapping[str, Evaluation]
    minutes: float

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
            "protocol": dict(self.evaluations[self.preset].protocol),
            "minutes": self.minutes,
        }


def cross_validate(
    data: str | Path,
    *,
    folds: int = 5,
    fold_seeds: int = 5,
    preset: str | None = None,
    out: str | Path | None = None,
    kind: str | None = None,
    root: str | Path | None = None,
    group_by: str | None = None,
    edits: ClassEdits | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    weight_decay: float | None = None,
    max_bad: int = 3,
    use_cache: bool = True,
    device: str = "auto",
    decoder: str = "pyav",
    workers: int | None = None,
    seed: int = 0,
    narrator: Narrator | None = None,
) -> CrossValidation:
    """Cross-validate a preset (by rule when None) and the single-frame model on DATA; writes `folds.json` into the run.

    Folds are assigned by the seeds 0 to fold_seeds - 1. Raises UsageError and its kinds before any work.
    """
    narrator, edits = narrator or Silent(), edits or ClassEdits()
    for flag, value in (("--folds", folds), ("--fold-seeds", fold_seeds)):
        least = 2 if flag == "--folds" else 1
        if not least <= value <= 1000:
            raise UsageError(f"{flag} is {value}; give a number from {least} to 1000")
    place, processes, reader = pick_device(device), pick_workers(workers), pick_decoder(decoder)
    manifest = load_data(data, kind=kind, root=root, group_by=group_by, edits=edits)
    refuse_hopeless(manifest)
    if len(manifest.heads) > 1 or manifest.multi_label:
        raise UsageError(
            "--folds takes data with one class a clip; train without it for several heads or classes a clip"
        )
    choice = choose_preset(manifest, name=preset, device=place)
    duplicates = duplicates_of(manifest, workers=processes, narrator=narrator)
    assignments = [
        grouped_folds(manifest, folds=folds, seed=s, near_duplicate_groups=duplicates) for s in range(fold_seeds)
    ]
    arguments = {
        "data": str(data),
        "folds": folds,
        "fold_seeds": fold_seeds,
        "preset": preset,
        "kind": kind,
        "group_by": group_by,
        "edits": asdict(edits),
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "weight_decay": weight_decay,
        "decoder": decoder,
        "seed": seed,
    }
    run = begin_run(
        Path(out) if out else default_folder(f"{Path(data).stem}-folds"),
        arguments,
        manifest,
        {"preset": choice.preset.name},
    )
    narrator.say(f"{manifest.source}: {manifest.kind}, {len(manifest)} clips, {folds} folds x {fold_seeds} seeds")
    narrator.say(f"preset: {choice.preset.name}" + (f" ({choice.why})" if choice.why else ""))
    begun = perf_counter()
    contenders = [choice.preset]
    if imagenet_is_installed() and choice.preset.name != SINGLE_FRAME:
        contenders.append(find_preset(SINGLE_FRAME))
    quarantine = Quarantine(total=len(manifest), limit=max_bad)
    answers, stamps = {}, {}
    for contender in contenders:
        recipe, batch = choose_recipe(
            contender,
            clips=len(manifest) * (folds - 1) // folds,
            batch_size=batch_size,
            epochs=epochs,
            lr=lr,
            weight_decay=weight_decay,
            seed=seed,
        )
        task = Recognition.of(manifest)
        torch.manual_seed(seed)
        lesson = Lesson(
            model=create_model(contender.name, num_classes=task.classes),
            spec=contender.clip,
            task=task,
            recipe=recipe,
            batch_size=batch,
            device=place,
            workers=processes,
            decoder=reader,
            use_cache=use_cache,
            balance=default_balance(contender),
        )
        answers[contender.name] = out_of_fold(lesson, contender, manifest, assignments, quarantine, narrator)
        stamps[contender.name] = spec_stamp(contender.clip, contender.name, views="1x1", decoder=reader)
    result = _summarize(
        answers, manifest, quarantine, stamps, run=run, folds=folds, seed=seed, minutes=(perf_counter() - begun) / 60
    )
    publish_folds(run, result, manifest)
    return result


def out_of_fold(
    lesson: Lesson,
    preset: Preset,
    manifest: Manifest,
    assignments: list[list[tuple[np.ndarray, np.ndarray]]],
    quarantine: Quarantine,
    narrator: Narrator,
) -> np.ndarray:
    """float (seeds, samples, classes): what models that never saw a sample's group say of it; nan where unreadable."""
    samples, task = manifest.samples, lesson.task
    answers = np.full((len(assignments), len(samples), task.classes), np.nan)
    encoded = None
    if lesson.model.frozen:
        encoded = encode_all(lesson, samples, quarantine, narrator, what=f"encode for {preset.name}")
    tell, done = progress_of(narrator, f"folds of {preset.name}"), 0
    total = sum(map(len, assignments))
    for number, folds in enumerate(assignments):
        for train, test in folds:
            fresh = replace(lesson, model=deepcopy(lesson.model))  # every fold starts from the same fresh weights
            rows = _fold_answers(fresh, manifest, encoded, train, test, quarantine)
            for index, row in rows.items():
                answers[number, index] = row
            done += 1
            tell(done, total)
    return answers


def _fold_answers(
    lesson: Lesson,
    manifest: Manifest,
    encoded: dict[int, Tensor] | None,
    train: np.ndarray,
    test: np.ndarray,
    quarantine: Quarantine,
) -> dict[int, np.ndarray]:
    """Index of the sample -> (classes,) probabilities from a model trained on the other side of the fold."""
    seen = [manifest.samples[i] for i in train]
    if encoded is not None:
        rows = {place: encoded[i] for place, i in enumerate(train.tolist()) if i in encoded}
        learn_head(lesson, rows, seen, {}, [], out=None, narrator=Silent())
        tested = [i for i in test.tolist() if i in encoded]
        with torch.inference_mode():
            logits = lesson.model.eval().classify(torch.stack([encoded[i][0] for i in tested]).to(lesson.device))
            found = lesson.task.probabilities(logits.float()).cpu().numpy()
        return dict(zip(tested, found, strict=True))
    learn(lesson, manifest, seen, [], out=None, quarantine=quarantine, narrator=Silent())
    batches = view_batches(
        [manifest.samples[i] for i in test],
        lesson.spec,
        quarantine,
        views=1,
        crop_count=1,
        clips_per_batch=8,
        workers=lesson.workers,
        decoder=lesson.decoder,
    )
    answers = {}
    for batch in batches:
        with torch.inference_mode():
            logits = lesson.model.eval()(to_input(batch["video"][:, 0].to(lesson.device), lesson.spec))
        rows = lesson.task.probabilities(logits.float()).cpu().numpy()
        answers |= {int(test[place]): row for place, row in zip(batch["index"].tolist(), rows, strict=True)}
    return answers


def _summarize(
    answers: Mapping[str, np.ndarray],
    manifest: Manifest,
    quarantine: Quarantine,
    lesson_stamps: Mapping[str, dict[str, Any]],
    *,
    run: Run,
    folds: int,
    seed: int,
    minutes: float,
) -> CrossValidation:
    task, names = Recognition.of(manifest), list(answers)
    readable = np.isfinite(np.stack(list(answers.values()))).all((0, 1, 3))
    samples = [manifest.samples[i] for i in np.flatnonzero(readable)]
    truth = task.targets(samples).numpy().argmax(1)
    groups = [s.group for s in samples] if all(s.group for s in samples) else None
    figures, paired, per_seed, evaluations, right = {}, {}, {}, {}, {}
    for name in names:
        scores = answers[name][:, readable]
        hits = (scores.argmax(2) == truth).astype(float)
        right[name] = hits.mean(0)
        per_seed[name] = tuple(hits.mean(1).tolist())
        figures[name] = {
            "accuracy": estimate_mean(right[name], groups=groups, seed=seed),
            "balanced_accuracy": estimate_class_mean(right[name], truth, groups=groups, seed=seed),
        }
        protocol = {
            **lesson_stamps[name],
            "folds": folds,
            "fold_seeds": len(scores),
            "missing_videos": len(quarantine.reasons),
        }
        first = score_arrays(
            scores[0], samples, task, protocol, manifest=manifest, quarantined=quarantine.reasons, seed=seed
        )
        evaluation = next(iter(first.values()))
        averaged = {"top1": figures[name]["accuracy"], "mean_per_class": figures[name]["balanced_accuracy"]}
        evaluations[name] = replace(evaluation, metrics={**evaluation.metrics, **averaged})
    for name in names[1:]:
        paired[name] = paired_difference(right[names[0]], right[name], groups=groups, seed=seed)
    return CrossValidation(
        run.folder,
        names[0],
        folds,
        tuple(range(len(answers[names[0]]))),
        figures,
        paired,
        per_seed,
        evaluations,
        minutes,
    )


def publish_folds(run: Run, result: CrossValidation, manifest: Manifest) -> None:
    """Write report.html and folds.json of a cross-validation."""
    model, *others = result.evaluations
    evaluation = result.evaluations[model]
    report = make_report(
        run,
        evaluation,
        title=f"{run.folder.name}: {result.folds} folds",
        manifest=manifest,
        efficiency={"train_minutes": result.minutes},
        baselines={name: result.evaluations[name] for name in others},
        notes=[_paired_note(name, difference) for name, difference in result.paired.items()],
    )
    write_text(render_html(report), run.folder / "report.html")
    write_json(run.folder / "folds.json", result.to_dict())


def _paired_note(name: str, difference: Estimate) -> str:
    beyond = "beyond chance" if difference.low > 0 or difference.high < 0 else "not beyond chance"
    return (
        f"Against {name} on the same clips: {100 * difference.value:+.1f} points of accuracy "
        f"[{100 * difference.low:+.1f}, {100 * difference.high:+.1f}], {beyond}."
    )
