"""What models say of clips whose source they never saw: one model a fold, and every fold that is done is kept."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data import Manifest, Quarantine
from ..presets import Preset
from ..training import Fitted
from ..video import FrameOrder
from .learn import encode_all, learn, learn_head
from .lesson import Lesson
from .narrate import Narrator, Silent, progress_of, timed
from .scores import Trained, sample_probabilities

Fold = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class FoldAnswers:
    """index int64 (n,) of the samples that were tested, scores float (n, classes); path -> why it was left out; what of
    the training a reader must not miss."""

    index: np.ndarray
    scores: np.ndarray
    quarantined: dict[str, str]
    notes: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            np.savez(
                file,
                index=self.index,
                scores=self.scores,
                quarantined=json.dumps(self.quarantined),
                notes=json.dumps(self.notes),
            )
        Path(file.name).replace(path)

    @classmethod
    def read(cls, path: Path) -> "FoldAnswers":
        with np.load(path, allow_pickle=False) as held:
            notes = json.loads(str(held["notes"])) if "notes" in held else []  # those of older runs have none
            return cls(held["index"], held["scores"], json.loads(str(held["quarantined"])), tuple(notes))


def out_of_fold(
    lesson: Lesson,
    preset: Preset,
    manifest: Manifest,
    assignments: Sequence[Sequence[Fold]],
    quarantine: Quarantine,
    kept: Path,
    narrator: Narrator,
) -> tuple[np.ndarray, list[str]]:
    """float (seeds, samples, classes): what models that never saw a sample's group say of it, nan where unreadable;
    and what of their training a reader must not miss.

    kept  folder with a file for every fold that is done; those are not trained again
    """
    notes: list[str] = []
    answers = np.full((len(assignments), len(manifest), lesson.task.classes), np.nan)
    work = [(number, fold, *sides) for number, folds in enumerate(assignments) for fold, sides in enumerate(folds)]
    missing = [number for number, fold, *_ in work if not _file(kept, number, fold).exists()]
    if len(missing) < len(work):
        narrator.say(f"{len(work) - len(missing)} of {len(work)} folds of {preset.name} are done already")
    encoded = None
    if missing and lesson.reads_features:
        encoded = encode_all(lesson, manifest.samples, quarantine, narrator, what=f"encode for {preset.name}")
    tell = progress_of(narrator, f"folds of {preset.name}")
    for done, (number, fold, train, test) in enumerate(work, 1):
        path = _file(kept, number, fold)
        if path.exists():
            found = FoldAnswers.read(path)
            quarantine.reasons.update(found.quarantined)
        else:
            fresh = replace(lesson, model=deepcopy(lesson.model))  # every fold starts from the same fresh weights
            with timed(narrator, f"seed {number}, fold {fold} of {preset.name}"):
                taught = teach(fresh, manifest, encoded, train, quarantine, Silent()).notes
                rows = ask(fresh, manifest, encoded, test, quarantine)
            told = tuple(f"Seed {number}, fold {fold} of {preset.name}: {note}" for note in taught)
            for note in told:
                narrator.say(note)
            index = np.array(sorted(rows), np.int64)
            scores = np.array([rows[i] for i in index]).reshape(len(index), lesson.task.classes)
            found = FoldAnswers(index, scores, dict(quarantine.reasons), told)
            found.write(path)
        answers[number, found.index] = found.scores
        notes += found.notes
        tell(done, len(work))
    return answers, notes


def _file(kept: Path, number: int, fold: int) -> Path:
    return kept / f"seed{number}-fold{fold}.npz"


def teach(
    lesson: Lesson,
    manifest: Manifest,
    encoded: Mapping[int, Tensor] | None,
    train: np.ndarray,
    quarantine: Quarantine,
    narrator: Narrator,
) -> Fitted:
    """Train the lesson's model on the samples `train`; `encoded` has what its frozen encoder says, if it has one."""
    seen = [manifest.samples[i] for i in train]
    if encoded is None:
        return learn(lesson, manifest, seen, [], out=None, quarantine=quarantine, narrator=narrator)
    rows = {place: encoded[i] for place, i in enumerate(train.tolist()) if i in encoded}
    return learn_head(lesson, rows, seen, {}, [], out=None, narrator=narrator)


def ask(
    lesson: Lesson,
    manifest: Manifest,
    encoded: Mapping[int, Tensor] | None,
    test: np.ndarray,
    quarantine: Quarantine,
    *,
    order: FrameOrder = "as filmed",
) -> dict[int, np.ndarray]:
    """Index of the sample -> (classes,) probabilities from the lesson's model; unreadable samples are absent.

    order  of the frames that a whole network is shown; `encoded` has its own
    """
    if encoded is not None:
        tested = [i for i in test.tolist() if i in encoded]
        if not tested:
            return {}
        with torch.inference_mode():
            logits = lesson.model.eval().classify(torch.stack([encoded[i][0] for i in tested]).to(lesson.device))
            found = lesson.task.probabilities(logits.float()).cpu().numpy()
        return dict(zip(tested, found, strict=True))
    found = sample_probabilities(
        trained_of(lesson),
        [manifest.samples[i] for i in test],
        quarantine,
        views="1x1",
        workers=lesson.workers,
        narrator=Silent(),
        order=order,
    )
    return {int(test[place]): row for place, row in found.items()}


def trained_of(lesson: Lesson) -> Trained:
    """The lesson's model, as it now is, to be asked about clips as wholes."""
    return Trained(
        model=lesson.model.eval(),
        spec=lesson.spec,
        task=lesson.task,
        window_s=0.0,  # nothing longer than a clip is shown to it
        header={},
        path=None,
        device=lesson.device,
        decoder=lesson.decoder,
    )
