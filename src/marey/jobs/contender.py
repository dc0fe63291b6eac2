"""One candidate of a comparison: trained in one fold after another, and asked; every answer is kept in a file."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data import Manifest, Quarantine
from ..presets import Preset
from ..training import Fitted, interleaved_order
from ..video import FRAME_ORDERS, FrameOrder
from .fold_answers import FoldAnswers, ask, teach
from .halving import Share
from .learn import encode_all
from .lesson import Lesson
from .narrate import Narrator
from .plan import Plan
from .run import write_json

CHANGED: tuple[FrameOrder, ...] = FRAME_ORDERS[1:]
SHARES = (0.05, 0.1, 0.25, 0.5)  # of the labels; what the whole of them gives, the folds have found already


class Part(NamedTuple):
    """Places of samples: those trained on, those held out of the groups that are trained on, those of other groups."""

    train: np.ndarray
    known: np.ndarray
    test: np.ndarray


@dataclass(eq=False)
class Contender:
    """A candidate, what it may spend, and what `answering` one clip costs, as `measure_efficiency` says.

    Answers are kept apart by how many epochs it learned.
    """

    preset: Preset
    lesson: Lesson
    cost: Plan
    share: Share
    answering: Mapping[str, float]
    kept: Path
    encoded: dict[FrameOrder, dict[int, Tensor]] = field(default_factory=dict)

    @property
    def needs_training(self) -> bool:
        """Whether training costs more than the encoding that all folds share."""
        return not self.lesson.model.frozen

    @property
    def is_cut_short(self) -> bool:
        """Whether it learns for fewer epochs than `marey train` would give it."""
        return self.share.epochs < self.cost.epochs

    @property
    def epoch_s(self) -> float:
        """What an epoch takes, all that is done once a fold included: as measured in a fold, if there was one."""
        if not self.done(1):
            return self.share.within_s / self.share.epochs
        facts = self.facts(0)
        return facts["seconds"] / len(facts["history"])

    def file(self, fold: int, what: str = "as filmed") -> Path:
        return self.kept / f"{self.share.epochs}-epochs" / f"fold{fold}-{what.replace(' ', '-')}.npz"

    def done(self, folds: int) -> list[int]:
        """The folds that it has answered."""
        return [number for number in range(folds) if self.file(number).exists()]

    def read(self, fold: int, what: str = "as filmed") -> FoldAnswers:
        return FoldAnswers.read(self.file(fold, what))

    def notes(self, folds: Sequence[int]) -> list[str]:
        """What went wrong in its training in these folds."""
        return [f"{self.preset.name}, fold {fold + 1}: {note}" for fold in folds for note in self.read(fold).notes]

    def facts(self, fold: int) -> dict[str, Any]:
        """{"seconds", "history"} of its training in a fold."""
        return json.loads(self.file(fold).with_suffix(".json").read_text(encoding="utf-8"))


def try_fold(
    contender: Contender, manifest: Manifest, fold: int, part: Part, quarantine: Quarantine, narrator: Narrator
) -> None:
    """Train in a fold and keep what the model says of the clips that it did not learn from.

    A whole network is asked at once about changed orders of frames too: its weights are not kept.
    """
    begun = perf_counter()
    lesson, fitted = _taught(contender, manifest, part.train, quarantine, narrator)
    found: dict[FrameOrder, FoldAnswers] = {}
    for order in FRAME_ORDERS if has_order(contender) and contender.needs_training else FRAME_ORDERS[:1]:
        tested = np.concatenate([part.test, part.known]) if order == "as filmed" else part.test
        answers = _answers(contender, lesson, manifest, tested, quarantine, order)
        found[order] = replace(answers, notes=fitted.notes)
    write_json(
        contender.file(fold).with_suffix(".json"),
        {"seconds": perf_counter() - begun, "history": [dict(row) for row in fitted.history]},
    )
    for order in reversed(found):  # the file that says that the fold is done comes last
        found[order].write(contender.file(fold, order))


def ask_orders(
    contender: Contender, manifest: Manifest, parts: Sequence[Part], quarantine: Quarantine, narrator: Narrator
) -> None:
    """Keep what a frozen encoder's heads say of the clips of every fold when the order of frames is changed."""
    for fold, part in enumerate(parts):
        if all(contender.file(fold, order).exists() for order in CHANGED):
            continue
        lesson, _ = _taught(contender, manifest, part.train, quarantine, narrator)
        for order in CHANGED:
            _encode(contender, manifest, quarantine, narrator, order)
            _answers(contender, lesson, manifest, part.test, quarantine, order).write(contender.file(fold, order))


def ask_with_fewer(
    contender: Contender,
    manifest: Manifest,
    fold: int,
    part: Part,
    quarantine: Quarantine,
    narrator: Narrator,
    *,
    seed: int,
) -> None:
    """Keep what the model says of a fold's clips when it has learned from some of the others only."""
    rng, (head,) = np.random.default_rng((seed, len(part.train))), manifest.heads
    labels = np.array([manifest.samples[i].labels[head][0] for i in part.train])
    order = part.train[interleaved_order(labels, q=1, rng=rng)]
    for share in SHARES:
        file = contender.file(fold, share_name(share))
        if not file.exists():
            train = np.sort(order[: label_count(share, len(order))])
            lesson, _ = _taught(contender, manifest, train, quarantine, narrator)
            _answers(contender, lesson, manifest, part.test, quarantine, "as filmed").write(file)


def share_name(share: float) -> str:
    return f"labels{100 * share:g}"


def label_count(share: float, clips: int) -> int:
    return max(2, round(share * clips))


def has_order(contender: Contender) -> bool:
    """Whether there are frames whose order could matter."""
    spec = contender.lesson.spec
    return spec.modality != "sound" and (spec.frames > 1 or spec.whole)


def _taught(
    contender: Contender, manifest: Manifest, train: np.ndarray, quarantine: Quarantine, narrator: Narrator
) -> tuple[Lesson, Fitted]:
    """A lesson whose model, fresh before, has learned from these clips."""
    if not contender.needs_training:
        _encode(contender, manifest, quarantine, narrator, "as filmed")
    share, lesson = contender.share, contender.lesson
    recipe = replace(lesson.recipe, epochs=share.epochs, within_s=share.within_s)
    fresh = replace(lesson, model=deepcopy(lesson.model), recipe=recipe)
    torch.manual_seed(recipe.seed)
    return fresh, teach(fresh, manifest, contender.encoded.get("as filmed"), train, quarantine, narrator)


def _answers(
    contender: Contender,
    lesson: Lesson,
    manifest: Manifest,
    tested: np.ndarray,
    quarantine: Quarantine,
    order: FrameOrder,
) -> FoldAnswers:
    encoded = None if contender.needs_training else contender.encoded[order]
    rows = ask(lesson, manifest, encoded, tested, quarantine, order=order)
    index = np.array(sorted(rows), np.int64)
    scores = np.array([rows[i] for i in index]).reshape(len(index), lesson.task.classes)
    return FoldAnswers(index, scores, dict(quarantine.reasons))


def _encode(
    contender: Contender, manifest: Manifest, quarantine: Quarantine, narrator: Narrator, order: FrameOrder
) -> None:
    """Have what the frozen encoder says of all clips in memory, from the cache where it is kept."""
    if order in contender.encoded:
        return
    what = f"encode for {contender.preset.name}" + ("" if order == "as filmed" else f", {order}")
    contender.encoded[order] = encode_all(
        contender.lesson, manifest.samples, quarantine, narrator, what=what, order=order
    )
