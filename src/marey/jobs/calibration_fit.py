"""The parts of a calibration, each fitted on what a model says of labelled clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import Quarantine, Sample
from ..errors import DataError, UsageError
from ..metrics import ClassMeans, accepted, clips_to_accept, fit_temperature, negative_log_likelihood
from ..metrics.calibration import calibration_statistic
from ..metrics.temperature import MOST
from ..report import counted
from ..tasks import Calibration, Cells, Outputs, Recognition, UnknownRule
from ..video import open_input, probe
from .clips_of_run import found_again, manifest_of
from .narrate import Narrator, Silent, progress_of
from .predict import Look, look, windows_of
from .run import read_run
from .scores import Answers, Trained, sample_outputs
from .thresholds import Clips, Wanted, choose_thresholds


@dataclass
class Listener:
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


def fit_temperatures(
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
        if not rows.any():
            raise UsageError(f"no clip has a {head}, so its scores cannot be judged; give clips that do with --data")
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


def class_means(listen: Listener, folder: Path, root: str | Path | None) -> ClassMeans:
    """The classes as the run's training clips show them."""
    run = read_run(folder)
    manifest = manifest_of(run)
    train = found_again(manifest.part("train"), run, root=root)
    kept, outputs = listen.outputs(train, manifest.source, what="encode training clips", features=True)
    assert outputs.features is not None
    truth = listen.trained.task.targets([train[index] for index in kept]).numpy()
    return ClassMeans.of(outputs.features.numpy(), truth)


def unknown_rule(
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


def with_thresholds(
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
    cells = _cells(trained, samples, answers, narrator) if wanted.false_alarms else []
    classes: dict[str, Mapping[str, Mapping[str, Any]]] = {}
    for head, part in task.parts().items():
        own = [replace(each, scores=each.scores[:, part]) for each in cells]
        clips = Clips(task.heads[head], scores[:, part], truth[:, part], own, where)
        classes[head] = choose_thresholds(clips, wanted, background=found.background)
    thresholds = {head: {label: row["threshold"] for label, row in rows.items()} for head, rows in classes.items()}
    protocol = {**found.protocol, "wanted": str(wanted), "confidence": wanted.confidence, "classes": classes}
    return replace(found, thresholds=thresholds, protocol=protocol)


def _cells(trained: Trained, samples: Sequence[Sample], answers: Answers, narrator: Narrator) -> list[Cells]:
    """Every clip as `predict` would see it; one that is a single window has its answer already.

    They have been read once before, so one that cannot be is an error.
    """
    tell, found = progress_of(narrator, "count false alarms"), []
    for place, sample in enumerate(samples):
        stretch = {"hop_s": None, "start_s": sample.start_s or 0.0, "end_s": sample.end_s}
        starts, window_s, hop_s, duration_s = windows_of(trained, probe(sample.path), **stretch)
        if len(starts) == 1:
            scores = answers.probabilities[[place]].numpy()
            novelty = None if answers.novelty is None else answers.novelty[[place]]
            seen = Look(starts, window_s, hop_s, duration_s, scores, novelty)
        else:
            with open_input(sample.path, trained.spec, decoder=trained.decoder) as video:
                seen = look(trained, video, **stretch, narrator=Silent(), what="")
        found.append(seen.cells(trained))
        tell(place + 1, len(samples))
    return found
