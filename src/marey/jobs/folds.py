"""Cross-validation in rounds: seeds, each of which has every clip tested by a model that never saw its source, or the
official splits of a data set, each of which tests its own clips.

Protocol of seeds: folds keep each group on one side, are stratified by class and assigned anew by each of the seeds.
For every seed the out-of-fold answers of all clips are pooled. The figures are means over the seeds; their intervals
resample sources, with each clip's correctness averaged over the seeds. The same folds, clips and seeds serve the
single-frame model, and the difference is paired clip by clip. Official splits are taken as they are: the figure is the
mean of theirs, and a source is resampled for all of them at once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..data import Manifest, Quarantine, grouped_folds
from ..errors import UsageError
from ..metrics import estimate_rounds
from ..presets import Preset, find_preset, imagenet_is_installed
from ..report import counted, render_html, write_text
from ..results import Estimate, Evaluation
from ..tasks import Recognition
from ..training import pick_device
from ..video import ClipSpec
from .choose import Wishes, choose_preset
from .evaluate import score_arrays
from .flow_source import tell_stored, with_flow
from .fold_answers import Fold, out_of_fold
from .lesson import make_lesson
from .narrate import Narrator, Silent, tell_left_out
from .official import load_official
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
SPLITS = "splits"  # in the place of a number of folds


@dataclass(frozen=True)
class CrossValidation:
    """Figures of grouped folds, averaged over fold seeds, or of official splits, averaged over them.

    folds     of a seed; None where the rounds are official splits
    seeds     the numbers of the rounds: seeds from 0, splits from 1
    per_seed  preset -> accuracy of each round
    figures   preset -> {"accuracy", "balanced_accuracy"} -> Estimate
    paired    preset -> accuracy of the model less that of this preset, on the same clips
    evaluations  preset -> Evaluation of the first round's answers, whose headline figures are the averages
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
        }


def cross_validate(
    data: str | Path,
    *,
    folds: int | str = 5,
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

    Folds are assigned by the seeds 0 to fold_seeds - 1; `folds` "splits" takes the official splits of the data instead,
    UCF-101's and HMDB-51's three. Where `out` holds an unfinished run of the same arguments and
    data, the folds that are done are kept; a finished one is returned as it is. Raises UsageError and its kinds before
    any work.
    """
    asked = arguments_of(locals(), but=("out", "device", "workers", "use_cache", "narrator"))
    narrator, wishes = narrator or Silent(), Wishes.of(asked)
    for flag, value, least, most in (
        ("--folds", None if folds == SPLITS else int(folds), 2, 1000),
        ("--fold-seeds", fold_seeds, 1, 1000),
        ("--max-bad", max_bad, 0, 10**9),
    ):
        check_range(flag, value, least, most)
    place, processes, reader = pick_device(device), pick_workers(workers), pick_decoder(decoder)
    source = {"kind": kind, "root": root, "group_by": group_by, "edits": edits}
    manifest, official = load_official(data, **source) if folds == SPLITS else (load_data(data, **source), None)
    manifest = _for_folds(manifest)
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
    assignments = official or _assigned(manifest, int(folds), fold_seeds, workers=processes, narrator=narrator)
    command = command_line("train", {**asked, "out": str(folder)}, defaults)
    fresh = not folder.exists()
    details = {"preset": choice.preset.name, "command": command, **({"flow": str(fed.flow)} if fed.fed_flow else {})}
    run = begin_run(folder, asked, manifest, details, defaults=defaults)
    rounds = f"{len(official)} official splits" if official else f"{folds} folds x {counted(fold_seeds, 'seed')}"
    narrator.say(f"{manifest.source}: {manifest.kind}, {counted(len(manifest), 'clip')}, {rounds}")
    narrator.say(f"preset: {choice.preset.name}" + (f" ({choice.why})" if choice.why else "") + f"; run: {folder}")
    quarantine, begun = Quarantine(total=len(manifest), limit=max_bad), perf_counter()
    answers, stamps = {}, {}
    with named_on_interrupt(run), cleared_unless(run, KEPT_FOLDS, fresh=fresh):
        for contender in _contenders(choice.preset):
            clips = len(official[0][0][0]) if official else len(manifest) * (int(folds) - 1) // int(folds)
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
    minutes = (perf_counter() - begun) / 60
    result = _summarize(
        answers, manifest, assignments, quarantine, stamps, run=run, official=bool(official), seed=seed, minutes=minutes
    )
    publish_folds(run, result, manifest, fed)
    return result


def _assigned(manifest: Manifest, folds: int, fold_seeds: int, *, workers: int, narrator: Narrator) -> list[list[Fold]]:
    """Grouped folds by each of the seeds."""
    duplicates = duplicates_of(manifest, workers=workers, narrator=narrator)
    return [grouped_folds(manifest, folds=folds, seed=s, near_duplicate_groups=duplicates) for s in range(fold_seeds)]


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
    assignments: Sequence[Sequence[Fold]],
    quarantine: Quarantine,
    lesson_stamps: Mapping[str, dict[str, Any]],
    *,
    run: Run,
    official: bool,
    seed: int,
    minutes: float,
) -> CrossValidation:
    task, names = Recognition.of(manifest), list(answers)
    asked = np.zeros((len(assignments), len(manifest)), bool)
    for row, folds in zip(asked, assignments, strict=True):
        row[np.concatenate([test for _, test in folds])] = True
    read = np.isfinite(np.stack(list(answers.values()))).all((0, 3))
    kept = asked.any(0) & (read | ~asked).all(0)  # what one model, or one round, could not read is left out for all
    asked, samples = asked[:, kept], [manifest.samples[i] for i in np.flatnonzero(kept)]
    truth = task.targets(samples).numpy().argmax(1)
    groups = [s.group for s in samples] if all(s.group for s in samples) else None
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
        notes=[*_split_notes(result), *(_paired_note(name, found) for name, found in result.paired.items())],
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
