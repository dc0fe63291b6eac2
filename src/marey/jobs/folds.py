"""Grouped cross-validation: every clip is tested once a seed by a model that never saw its source.

Protocol: folds keep each group on one side, are stratified by class and assigned anew by each of the seeds. For every
seed the out-of-fold answers of all clips are pooled. The figures are means over the seeds; their intervals resample
sources, with each clip's correctness averaged over the seeds. The same folds, clips and seeds serve the single-frame
model, and the difference is paired clip by clip.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..data import Manifest, Quarantine, grouped_folds
from ..errors import UsageError
from ..metrics import estimate_class_mean, estimate_mean, paired_difference
from ..presets import Preset, find_preset, imagenet_is_installed
from ..report import counted, render_html, write_text
from ..results import Estimate, Evaluation
from ..tasks import Recognition
from ..training import pick_device
from ..video import ClipSpec
from .choose import Wishes, choose_preset
from .evaluate import score_arrays
from .flow_source import tell_stored, with_flow
from .fold_answers import out_of_fold
from .lesson import make_lesson
from .narrate import Narrator, Silent, tell_left_out
from .prepare import ClassEdits, check_range, duplicates_of, load_data, pick_decoder, pick_workers, refuse_hopeless
from .publish import make_report
from .run import (
    Run,
    arguments_of,
    begin_run,
    cleared_unless,
    command_line,
    default_folder,
    defaults_of,
    named_on_interrupt,
    resume_run,
    write_json,
)
from .scores import spec_stamp
from .without_vectors import refuse_without_vectors

KEPT_FOLDS = "folds"  # folder in the run with the answers of every fold that is done
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
    flow: str | Path | None = None,
    workers: int | None = None,
    seed: int = 0,
    narrator: Narrator | None = None,
) -> CrossValidation:
    """Cross-validate a preset (by rule when None) and the single-frame model on DATA; writes `folds.json` into the run.

    Folds are assigned by the seeds 0 to fold_seeds - 1. Where `out` holds an unfinished run of the same arguments and
    data, the folds that are done are kept; a finished one is returned as it is. Raises UsageError and its kinds before
    any work.
    """
    asked = arguments_of(locals(), but=("out", "device", "workers", "use_cache", "narrator"))
    narrator, wishes = narrator or Silent(), Wishes.of(asked)
    for flag, value, least, most in (
        ("--folds", folds, 2, 1000),
        ("--fold-seeds", fold_seeds, 1, 1000),
        ("--max-bad", max_bad, 0, 10**9),
    ):
        check_range(flag, value, least, most)
    place, processes, reader = pick_device(device), pick_workers(workers), pick_decoder(decoder)
    manifest = _for_folds(load_data(data, kind=kind, root=root, group_by=group_by, edits=edits))
    choice = choose_preset(manifest, name=preset, device=place)
    refuse_without_vectors(manifest, choice.preset.clip, workers=processes, root=root)
    fed = with_flow(choice.preset.clip, flow, who=f"preset {choice.preset.name}")
    folder = Path(out) if out else default_folder(f"{Path(data).stem}-folds")
    defaults = {name: value for name, value in defaults_of(cross_validate).items() if name != "folds"}
    before = resume_run(folder, asked, manifest, defaults=defaults)
    if before and before.finished:
        narrator.say(f"{folder} is finished already; nothing is left to do")
        return read_folds(folder)
    tell_stored(fed.flow, [sample.path for sample in manifest.samples], narrator)
    duplicates = duplicates_of(manifest, workers=processes, narrator=narrator)
    assignments = [
        grouped_folds(manifest, folds=folds, seed=s, near_duplicate_groups=duplicates) for s in range(fold_seeds)
    ]
    command = command_line("train", {**asked, "out": str(folder)}, defaults)
    fresh = not folder.exists()
    details = {"preset": choice.preset.name, "command": command, **({"flow": str(fed.flow)} if fed.fed_flow else {})}
    run = begin_run(folder, asked, manifest, details, defaults=defaults)
    rounds = f"{folds} folds x {counted(fold_seeds, 'seed')}"
    narrator.say(f"{manifest.source}: {manifest.kind}, {counted(len(manifest), 'clip')}, {rounds}")
    narrator.say(f"preset: {choice.preset.name}" + (f" ({choice.why})" if choice.why else "") + f"; run: {folder}")
    quarantine, begun = Quarantine(total=len(manifest), limit=max_bad), perf_counter()
    answers, stamps = {}, {}
    with named_on_interrupt(run), cleared_unless(run, KEPT_FOLDS, fresh=fresh):
        for contender in _contenders(choice.preset):
            clips = len(manifest) * (folds - 1) // folds
            lesson = make_lesson(
                contender,
                manifest,
                wishes,
                clips=clips,
                device=place,
                workers=processes,
                decoder=reader,
                flow=flow if contender is choice.preset else None,
                use_cache=use_cache,
            )
            kept = run.folder / KEPT_FOLDS / contender.name
            answers[contender.name] = out_of_fold(lesson, contender, manifest, assignments, quarantine, kept, narrator)
            stamps[contender.name] = spec_stamp(lesson.spec, contender.name, views="1x1", decoder=reader)
    tell_left_out(narrator, quarantine.reasons)
    result = _summarize(
        answers, manifest, quarantine, stamps, run=run, folds=folds, seed=seed, minutes=(perf_counter() - begun) / 60
    )
    publish_folds(run, result, manifest, fed)
    return result


def _for_folds(manifest: Manifest) -> Manifest:
    """The data as folds take them: one class a clip; declared splits are set aside."""
    manifest = replace(manifest, samples=tuple(replace(sample, split=None) for sample in manifest.samples))
    refuse_hopeless(manifest)
    if len(manifest.heads) > 1 or manifest.multi_label:
        raise UsageError(
            "--folds takes data with one class a clip; train without it for several heads or classes a clip"
        )
    return manifest


def _contenders(preset: Preset) -> list[Preset]:
    """The preset, and the single-frame model beside it where its weights are installed."""
    others = [SINGLE_FRAME] if imagenet_is_installed() and preset.name != SINGLE_FRAME else []
    return [preset, *map(find_preset, others)]


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


def publish_folds(run: Run, result: CrossValidation, manifest: Manifest, fed: ClipSpec) -> None:
    """Write report.html and folds.json of a cross-validation."""
    model, *others = result.evaluations
    evaluation = result.evaluations[model]
    report = make_report(
        run,
        evaluation,
        title=f"{run.folder.name}: {result.folds} folds",
        manifest=manifest,
        fed=fed,
        efficiency={"train_minutes": result.minutes},
        baselines={name: result.evaluations[name] for name in others},
        notes=[_paired_note(name, difference) for name, difference in result.paired.items()],
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
    )


def _paired_note(name: str, difference: Estimate) -> str:
    beyond = "beyond chance" if difference.low > 0 or difference.high < 0 else "not beyond chance"
    return (
        f"Against {name} on the same clips: {100 * difference.value:+.1f} points of accuracy "
        f"[{100 * difference.low:+.1f}, {100 * difference.high:+.1f}], {beyond}."
    )
