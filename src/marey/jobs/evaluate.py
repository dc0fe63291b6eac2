"""Score a trained model on labelled clips, with the protocol that makes the figures reproducible."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Manifest, Quarantine, Sample, drawn_together
from ..errors import DataError, UsageError
from ..metrics import evaluate_scores, wilson
from ..report import counted
from ..results import Evaluation
from ..tasks import Recognition, class_thresholds
from ..tasks.long_tail import SHOTS, class_counts, parse_shots, shot_classes
from .clips_of_run import found_again, manifest_of
from .fitted_on import tell_fitted
from .flow_source import tell_stored
from .learned import Learned, learned_by, tell_shown
from .narrate import Narrator, Silent, tell_left_out, timed
from .prepare import ClassEdits, load_data, pick_workers
from .run import read_run
from .scores import Answer, Trained, model_file, open_model, sample_answers, stamp
from .without_vectors import refuse_without_vectors


def evaluate(
    model: str | Path | Trained,
    data: str | Path | Manifest | None = None,
    *,
    split: str | None = None,
    views: str = "1x1",
    kind: str | None = None,
    root: str | Path | None = None,
    group_by: str | None = None,
    edits: ClassEdits | None = None,
    device: str = "auto",
    decoder: str = "pyav",
    flow: str | Path | None = None,
    workers: int | None = None,
    max_bad: int = 3,
    seed: int = 0,
    shots: str | None = None,
    use_cache: bool = True,
    narrator: Narrator | None = None,
) -> dict[str, Evaluation]:
    """Head -> Evaluation; data of one head have the one key "label".

    model  a run folder, a .safetensors file, or what `open_model` returned
    data   labelled clips; None is the run's own held-out split, and root then says where its videos were moved to
    split  "train", "val" or "test" of the data; None is the test split of the run's own data, and all of other data
    views  "TxS": clips in time x crops in space, averaged
    shots  "FEWEST,MOST" training clips of medium-shot classes; None is 20,100, told where classes are on two sides
    flow   a folder that `marey flow` wrote, whose flow is read in place of computing it: made as the model learned it
    device, decoder, flow  count where the model is a path: an open one has its own
    """
    bounds = None if shots is None else parse_shots(shots)
    narrator, processes = narrator or Silent(), pick_workers(workers)
    if not isinstance(model, Trained):
        model_file(Path(model))  # a run without a model is refused before anything is read
    manifest, samples, split = clips_to_score(
        model, data, split=split, kind=kind, root=root, group_by=group_by, edits=edits
    )
    trained = (
        model if isinstance(model, Trained) else open_model(Path(model), device=device, decoder=decoder, flow=flow)
    )
    tell_stored(trained.spec.flow, [sample.path for sample in samples], narrator)
    refuse_without_vectors(
        replace(manifest, samples=tuple(samples)), trained.spec, workers=processes, kind=kind, root=root
    )
    return score(
        trained,
        samples,
        manifest,
        split=split,
        views=views,
        workers=processes,
        max_bad=max_bad,
        seed=seed,
        use_cache=use_cache,
        learned=learned_by(trained.path),
        shots=bounds,
        narrator=narrator,
    )


def clips_to_score(
    model: str | Path | Trained,
    data: str | Path | Manifest | None,
    *,
    split: str | None,
    kind: str | None,
    root: str | Path | None,
    group_by: str | None,
    edits: ClassEdits | None,
) -> tuple[Manifest, Sequence[Sample], str]:
    """The data, which of its samples are asked for, and what that choice is called; for arguments see `evaluate`."""
    if data is None:
        if isinstance(model, Trained) or not Path(model).is_dir():
            raise UsageError(f"{model} is no run folder and so has no held-out split; name the data to evaluate on")
        refuse_without_data(kind=kind, group_by=group_by, edits=edits)
        manifest = manifest_of(read_run(Path(model)))
        split = split or ("test" if any(s.split == "test" for s in manifest.samples) else "val")
    elif isinstance(data, Manifest):
        manifest = data
    else:
        manifest = load_data(data, kind=kind, root=root, group_by=group_by, edits=edits)
    samples = [s for s in manifest.samples if split is None or s.split == split]
    if not samples:
        raise UsageError(f"{manifest.source} has no clips in its {split} split; {_splits(manifest)}")
    if data is None and not isinstance(model, Trained):
        samples = found_again(samples, read_run(Path(model)), root=root)
    return manifest, samples, split or "all"


def score(
    trained: Trained,
    samples: Sequence[Sample],
    manifest: Manifest,
    *,
    split: str,
    views: str,
    workers: int,
    max_bad: int,
    seed: int,
    use_cache: bool,
    learned: Learned,
    narrator: Narrator,
    shots: tuple[int, int] | None = None,
) -> dict[str, Evaluation]:
    """The evaluation of every head on these samples of a manifest.

    learned  what the model was trained on; samples that show the same are counted and stamped
    shots    bounds of medium-shot classes, whose table is wanted whatever it says
    """
    classes = shots_of(trained.task, learned.own, shots)
    trained.task.targets(samples)  # a label that the model does not know is refused before anything is decoded
    quarantine = Quarantine(total=len(samples), limit=max_bad)
    with timed(narrator, "scoring"):
        found = sample_answers(
            trained, samples, quarantine, views=views, workers=workers, narrator=narrator, use_cache=use_cache
        )
    tell_left_out(narrator, quarantine.reasons)
    if not found:
        raise DataError(
            f"none of the {counted(len(samples), 'clip')} of {manifest.source} could be read; `marey validate` says why"
        )
    kept = [samples[index] for index in sorted(found)]
    answers = [found[index] for index in sorted(found)]
    scores = np.stack([answer.probabilities for answer in answers])
    protocol = stamp(trained, quarantine, views=views, clips=len(kept), split=split)
    protocol["clips_trained_on"] = tell_shown(kept, learned, narrator)
    if trained.calibration is not None:
        protocol["clips_calibrated_on"] = tell_fitted(kept, trained.calibration, narrator)
    unknown = unknown_clips(trained, answers)
    if unknown is not None:
        protocol["unknown_clips"] = int(unknown.sum())
    said = score_arrays(
        scores,
        kept,
        trained.task,
        protocol,
        manifest=manifest,
        quarantined=quarantine.reasons,
        seed=seed,
        shots=classes,
    )
    return at_thresholds(said, trained, scores, unknown)


def unknown_clips(trained: Trained, answers: Sequence[Answer]) -> np.ndarray | None:
    """bool (n,): which clips the model takes for unknown; None where it takes none for that."""
    rule = trained.calibration.unknown if trained.calibration else None
    if rule is None:
        return None
    return rule.strangeness(np.array([answer.novelty for answer in answers], np.float64)) >= rule.level


def at_thresholds(
    evaluations: dict[str, Evaluation], trained: Trained, scores: np.ndarray, unknown: np.ndarray | None
) -> dict[str, Evaluation]:
    """With the breakdown "at its threshold" where the model has calibrated thresholds: precision and recall of a class.

    Wilson's intervals count clips as independent; a figure that no clip determines is absent.
    """
    found = dict(evaluations)
    for head, part in trained.task.parts().items():
        limits = class_thresholds(trained.task, head, trained.calibration)
        if limits is None:
            continue
        on = scores[:, part] >= limits
        if unknown is not None:
            on &= ~unknown[:, None]
        own, figures = evaluations[head], {}
        for column, label in enumerate(own.labels):
            if not np.isfinite(limits[column]):
                continue
            shown = np.array([label in clip.truth for clip in own.clips])
            right = int((on[:, column] & shown).sum())
            over = {"precision": int(on[:, column].sum()), "recall": int(shown.sum())}
            figures[label] = {name: wilson(right, count) for name, count in over.items() if count}
        found[head] = replace(own, breakdowns={**own.breakdowns, "at its threshold": figures})
    return found


def score_arrays(
    scores: np.ndarray,
    samples: Sequence[Sample],
    task: Recognition,
    protocol: dict[str, object],
    *,
    manifest: Manifest,
    quarantined: dict[str, str],
    seed: int = 0,
    shots: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Evaluation]:
    """(n, classes) probabilities of n samples to one Evaluation a head; `shots` as `shots_of` has them."""
    truth = task.targets(samples).numpy()
    found = {}
    for head, part in task.parts().items():
        found[head] = evaluate_scores(
            scores[:, part],
            truth[:, part].astype(bool) if task.multi_label else truth[:, part].argmax(1),
            task.heads[head],
            paths=[sample.path for sample in samples],
            spans=[(sample.start_s, sample.end_s) for sample in samples],
            groups=drawn_together(samples),
            class_groups=manifest.class_groups,
            parts=seen_parts(samples, manifest),
            shots=(shots or {}).get(head),
            protocol=protocol,
            quarantined=quarantined,
            seed=seed,
        )
    return found


def shots_of(
    task: Recognition, learned: Sequence[Sample] | None, bounds: tuple[int, int] | None
) -> dict[str, dict[str, str]]:
    """Head -> class -> many, medium or few, by its training clips, of heads whose classes differ or that are asked for.

    UsageError where bounds are asked for and the clips that were trained on are not known, or have several classes.
    """
    if bounds is not None and learned is None:
        raise UsageError("--shots counts training clips, and those of this model are not known; name its run folder")
    if bounds is not None and task.multi_label:
        raise UsageError("--shots is for clips of one class each, and these may have several; drop it")
    if learned is None or task.multi_label:
        return {}
    found = {
        head: shot_classes(class_counts(learned, head), labels, bounds or SHOTS) for head, labels in task.heads.items()
    }
    return {head: parts for head, parts in found.items() if bounds or len(set(parts.values())) > 1}


def seen_parts(samples: Sequence[Sample], manifest: Manifest) -> dict[str, list[str | None]]:
    """The breakdown "seen": was each sample's group trained on; empty where none was, or groups are unknown."""
    trained = {sample.group for sample in manifest.samples if sample.split == "train" and sample.group is not None}
    parts = [None if s.group is None else "seen" if s.group in trained else "unseen" for s in samples]
    return {"seen": parts} if "seen" in parts else {}


def evaluation_dict(evaluations: Mapping[str, Evaluation]) -> dict[str, Any]:
    """JSON of one evaluation with its plain figures at the top (`top1`, ...); of several heads, by their names."""
    plain = {
        head: {**{name: e.value for name, e in evaluation.metrics.items()}, **evaluation.to_dict()}
        for head, evaluation in evaluations.items()
    }
    if len(plain) == 1:
        return next(iter(plain.values()))
    return {"top1": next(iter(plain.values())).get("top1"), "heads": plain}


def read_evaluations(folder: Path) -> dict[str, Evaluation]:
    """What a finished run's evaluation.json holds, by head."""
    data = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    return {head: Evaluation.from_dict(part) for head, part in data.get("heads", {"label": data}).items()}


def refuse_without_data(*, kind: str | None, group_by: str | None, edits: ClassEdits | None) -> None:
    """UsageError for what says how to read data where none are named."""
    edits = edits or ClassEdits()
    given = {"--kind": kind, "--group-by": group_by}
    given |= {"--merge": edits.merge, "--rename": edits.rename, "--leave-out": edits.leave_out}
    flag = next((flag for flag, value in given.items() if value), None)
    if flag is not None:
        raise UsageError(f"{flag} has no effect on the run's own clips; name other data, or drop it")


def _splits(manifest: Manifest) -> str:
    found = sorted({sample.split for sample in manifest.samples if sample.split})
    return f"its splits are {', '.join(found)}" if found else "it names no splits: drop --split, or add a column split"
