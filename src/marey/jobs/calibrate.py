"""Make the scores of a run mean what they say, on clips that it was not trained on, and keep that in the run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import Manifest, Quarantine, Sample
from ..errors import DataError, UsageError
from ..metrics import (
    ClassMeans,
    accepted,
    clips_to_accept,
    fit_temperature,
    negative_log_likelihood,
)
from ..metrics.calibration import calibration_statistic
from ..metrics.temperature import MOST
from ..report import counted
from ..tasks import UNKNOWN, WAYS, Calibration, Cells, Outputs, Recognition, UnknownRule
from ..training import file_hash
from ..video import open_video
from .calibration_file import write_calibration
from .clips_of_run import found_again, manifest_of
from .evaluate import clips_to_score, learned_by, tell_shown
from .narrate import Narrator, Silent, progress_of, tell_left_out
from .predict import look
from .prepare import ClassEdits, pick_workers
from .run import read_run
from .scores import Trained, model_file, open_model, sample_outputs
from .thresholds import CONFIDENCE, Clips, Wanted, choose_thresholds, share

ACCEPT = 0.95


@dataclass(frozen=True)
class Calibrated:
    """What `calibrate` left in a run: the file, and what it holds."""

    file: Path
    calibration: Calibration

    def sentences(self) -> list[str]:
        """What must be known to read its figures, and where it is kept."""
        c = self.calibration
        said = [f"fitted on {counted(c.protocol['clips'], 'clip')} ({c.protocol['split']}), counted as independent"]
        if "hours" in str(c.protocol.get("classes")):
            said.append(
                "false alarms are events that predict makes, with its own --hop and --merge-gap, of clips that do not "
                "show the class; the hours are those of the clips, so video that is unlike them may raise more"
            )
        if c.unknown is not None:
            said.append(
                f"unknown by {c.unknown.by}: the next clip like these {len(c.unknown.known)} is taken for known with "
                f"a chance of {100 * c.unknown.accept:g} % at least"
            )
        if c.background is not None:
            said.append(f"background: {c.background} makes no events")
        return [*said, f"kept in {self.file}: predict and evaluate obey it until it is made anew or deleted"]

    def to_dict(self) -> dict[str, Any]:
        c = self.calibration
        rule = c.unknown and {"by": c.unknown.by, "accept": c.unknown.accept, "known_clips": len(c.unknown.known)}
        return {
            "file": str(self.file),
            "temperature": dict(c.temperature),
            "thresholds": {head: dict(values) for head, values in c.thresholds.items()},
            "unknown": rule,
            "background": c.background,
            "protocol": dict(c.protocol),
        }


def calibrate(
    run: str | Path,
    data: str | Path | Manifest | None = None,
    *,
    precision: float | None = None,
    recall: float | None = None,
    false_alarms: str | None = None,
    confidence: float | None = None,
    unknown: str | None = None,
    accept: float | None = None,
    background: str | None = None,
    split: str | None = None,
    kind: str | None = None,
    root: str | Path | None = None,
    edits: ClassEdits | None = None,
    device: str = "auto",
    decoder: str = "pyav",
    workers: int | None = None,
    max_bad: int = 3,
    use_cache: bool = True,
    narrator: Narrator | None = None,
) -> Calibrated:
    """Fit the temperature of a run's scores, and what else is asked for; `open_model` obeys it from then on.

    data        labelled clips to fit on; None is the run's own validation clips, and root then says where they are now
    precision, recall, false_alarms  what each class's threshold is for: one of them, false alarms such as "1/hour"
    confidence  with which that must be shown; None is 0.95
    unknown     "energy" or "distance": how clips unlike the training clips are known
    accept      share of known clips that must not be taken for unknown; None is 0.95
    background  the class that means that nothing happens

    What an earlier call left is replaced. Raises UsageError, and leaves the run as it was, where the clips cannot
    show what is wanted.
    """
    narrator = narrator or Silent()
    wanted = _asked(precision, recall, false_alarms, confidence, unknown, accept)
    folder = Path(run)
    if not folder.is_dir():
        raise UsageError(f"{run} is no run folder, and what is fitted is kept in one; name the run of the model")
    file = model_file(folder)
    manifest, samples, split = _clips(folder, data, split=split, kind=kind, root=root, edits=edits)
    trained = open_model(folder, device=device, decoder=decoder, calibrated=False)
    task = trained.task
    truth = task.targets(samples).numpy().astype(bool)
    _refuse_names(task, unknown=unknown, background=background)
    listen = _Listener(trained, max_bad, pick_workers(workers), narrator, use_cache)
    kept, outputs = listen.outputs(samples, manifest.source, what="calibrate", features=unknown == "distance")
    truth, samples = truth[kept], [samples[index] for index in kept]
    shown = tell_shown(samples, learned_by(trained) or (), narrator)
    logits = outputs.logits.numpy()
    where = f"the {counted(len(samples), f'{split} clip' if split != 'all' else 'clip')} of {manifest.source}"
    temperature, protocol = _temperatures(task, logits, truth, narrator)
    protocol = {"clips": len(samples), "split": split, "source": manifest.source, "clips_trained_on": shown} | protocol
    rule = None
    if unknown is not None:
        means = _class_means(listen, folder, root if data is None else None) if unknown == "distance" else None
        rule = _unknown_rule(task, outputs, by=unknown, accept=accept or ACCEPT, means=means, where=where)
    found = Calibration(file_hash(file), temperature, {}, rule, background, protocol)
    if wanted:
        found = _with_thresholds(replace(trained, calibration=found), samples, outputs, truth, wanted, where, narrator)
    tell_left_out(narrator, listen.quarantine.reasons)
    return Calibrated(write_calibration(file, found), found)


def _asked(
    precision: float | None,
    recall: float | None,
    false_alarms: str | None,
    confidence: float | None,
    unknown: str | None,
    accept: float | None,
) -> Wanted:
    """What thresholds are for; UsageError for what makes no sense, or has no effect."""
    sure = CONFIDENCE if confidence is None else confidence
    wanted = Wanted(precision=precision, recall=recall, false_alarms=false_alarms, confidence=sure)
    if confidence is not None and not wanted:
        raise UsageError("--confidence has no effect without --precision, --recall or --false-alarms; add one")
    if accept is not None and unknown is None:
        raise UsageError("--accept has no effect without --unknown; add it")
    if unknown is not None and unknown not in WAYS:
        raise UsageError(f"--unknown is {unknown!r}; it can be {' or '.join(WAYS)}")
    share("--accept", accept)
    return wanted


def _clips(
    folder: Path,
    data: str | Path | Manifest | None,
    *,
    split: str | None,
    kind: str | None,
    root: str | Path | None,
    edits: ClassEdits | None,
) -> tuple[Manifest, Sequence[Sample], str]:
    """The clips to fit on, with the data that they are of and what they are called."""
    if data is None:
        if split not in (None, "val"):
            raise UsageError(
                f"--split is {split!r}, and a run is calibrated on its val clips; name other data with --data"
            )
        if not manifest_of(read_run(folder)).part("val"):
            raise UsageError(
                f"{folder} kept no validation clips; name labelled clips that it was not trained on with --data"
            )
        split = "val"
    return clips_to_score(folder, data, split=split, kind=kind, root=root, group_by=None, edits=edits)


def _refuse_names(task: Recognition, *, unknown: str | None, background: str | None) -> None:
    labels = [label for names in task.heads.values() for label in names]
    if background is not None and background not in labels:
        near = get_close_matches(background, labels, n=1)
        cure = (
            f"did you mean {near[0]}?"
            if near
            else f"its classes are {', '.join(labels[:5])}{', ...' * (len(labels) > 5)}"
        )
        raise UsageError(f"--background is {background!r}, which is no class of the model; {cure}")
    if unknown is not None and UNKNOWN in labels:
        raise UsageError(f"the model has a class {UNKNOWN!r} of its own; train with --rename to use --unknown")


@dataclass
class _Listener:
    """Hears what a model says of clips; those that cannot be read are set aside together."""

    trained: Trained
    max_bad: int
    workers: int
    narrator: Narrator
    use_cache: bool

    def __post_init__(self) -> None:
        self.quarantine = Quarantine(total=0, limit=self.max_bad)

    def outputs(
        self, samples: Sequence[Sample], source: str, *, what: str, features: bool
    ) -> tuple[list[int], Outputs]:
        """(which of the samples could be read, what is said of the middle view of each)."""
        self.quarantine.total += len(samples)
        found = sample_outputs(
            self.trained,
            samples,
            self.quarantine,
            views="1x1",
            workers=self.workers,
            narrator=self.narrator,
            use_cache=self.use_cache,
            what=what,
            features=features,
        )
        if not found:
            raise DataError(
                f"none of the {counted(len(samples), 'clip')} of {source} could be read; `marey validate` says why"
            )
        kept = sorted(found)
        read = [rows for index in kept if (rows := found[index].features) is not None]
        return kept, Outputs(torch.cat([found[index].logits for index in kept]), torch.cat(read) if read else None)


def _temperatures(
    task: Recognition, logits: np.ndarray, truth: np.ndarray, narrator: Narrator
) -> tuple[dict[str, float], dict[str, Any]]:
    """The temperature of every head, and what it does to calibration error and likelihood on the same clips."""
    found, errors, losses = {}, {}, {}
    plain = Calibration("", dict.fromkeys(task.heads, 1.0))
    for head, part in task.parts().items():
        if part.stop - part.start < 2 and not task.multi_label:
            found[head] = 1.0
            continue
        rows = np.ones(len(truth), bool) if task.multi_label else truth[:, part].any(1)
        answer = truth[rows, part] if task.multi_label else truth[rows, part].argmax(1)
        found[head] = fit_temperature(logits[rows, part], answer)
        if found[head] >= MOST * 0.999:
            narrator.say(f"warning: on these clips the scores of {head} say no more than chance")
        both = []
        for calibration in (plain, replace(plain, temperature={**plain.temperature, head: found[head]})):
            scores = calibration.probabilities(task, torch.from_numpy(logits)).numpy()[rows, part].astype(np.float64)
            both.append((_calibration_error(scores, answer), negative_log_likelihood(scores, answer)))
        errors[head], losses[head] = ({"before": before, "after": after} for before, after in zip(*both, strict=True))
    return found, {"calibration_error": errors, "negative_log_likelihood": losses}


def _calibration_error(scores: np.ndarray, truth: np.ndarray) -> float:
    """As `evaluate` has it: of the top class, or of every class's score where clips may have several."""
    if truth.ndim == 1:
        scores, truth = scores.max(1, keepdims=True), scores.argmax(1, keepdims=True) == truth[:, None]
    return float(calibration_statistic(scores, truth)(np.ones((len(truth), 1)))[0])


def _class_means(listen: _Listener, folder: Path, root: str | Path | None) -> ClassMeans:
    """The classes as the run's training clips show them."""
    run = read_run(folder)
    manifest = manifest_of(run)
    train = found_again(manifest.part("train"), run, root=root)
    kept, outputs = listen.outputs(train, manifest.source, what="encode training clips", features=True)
    assert outputs.features is not None
    truth = listen.trained.task.targets([train[index] for index in kept]).numpy()
    return ClassMeans.of(outputs.features.numpy(), truth)


def _unknown_rule(
    task: Recognition, outputs: Outputs, *, by: str, accept: float, means: ClassMeans | None, where: str
) -> UnknownRule:
    rule = UnknownRule(by=by, accept=accept, known=(), means=means)
    novelty = Calibration("", dict.fromkeys(task.heads, 1.0), unknown=rule).novelty(task, outputs)
    assert novelty is not None
    if accepted(len(novelty), accept) is None:
        most = len(novelty) / (len(novelty) + 1)
        raise UsageError(
            f"{where} are too few to say what {100 * accept:g} % of known clips look like, which takes "
            f"{clips_to_accept(accept)}; give more with --data, or --accept {int(1000 * most) / 1000:g}"
        )
    return replace(rule, known=tuple(np.sort(novelty).tolist()))


def _with_thresholds(
    trained: Trained,
    samples: Sequence[Sample],
    outputs: Outputs,
    truth: np.ndarray,
    wanted: Wanted,
    where: str,
    narrator: Narrator,
) -> Calibration:
    """The calibration of `trained` with a threshold for every class."""
    found, task = trained.calibration, trained.task
    assert found is not None
    answers = trained.answers(outputs)
    scores = answers.probabilities.numpy().astype(np.float64)
    if found.unknown is not None and answers.novelty is not None:
        scores[found.unknown.strangeness(answers.novelty) >= found.unknown.level] = -1.0
    cells = _cells(trained, samples, narrator) if wanted.false_alarms else []
    classes: dict[str, Mapping[str, Mapping[str, Any]]] = {}
    for head, part in task.parts().items():
        own = [replace(each, scores=each.scores[:, part]) for each in cells]
        clips = Clips(task.heads[head], scores[:, part], truth[:, part], own, where)
        classes[head] = choose_thresholds(clips, wanted, background=found.background)
    thresholds = {head: {label: row["threshold"] for label, row in rows.items()} for head, rows in classes.items()}
    protocol = {**found.protocol, "wanted": str(wanted), "confidence": wanted.confidence, "classes": classes}
    return replace(found, thresholds=thresholds, protocol=protocol)


def _cells(trained: Trained, samples: Sequence[Sample], narrator: Narrator) -> list[Cells]:
    """Every clip as `predict` would see it; they have been read once before, so one that cannot be is an error."""
    tell, found = progress_of(narrator, "count false alarms"), []
    for done, sample in enumerate(samples, 1):
        with open_video(sample.path, decoder=trained.decoder) as video:
            seen = look(
                trained,
                video,
                hop_s=None,
                start_s=sample.start_s or 0.0,
                end_s=sample.end_s,
                narrator=Silent(),
                what="",
            )
        found.append(seen.cells(trained))
        tell(done, len(samples))
    return found
