"""What a model has learned from: clips and classes of its own training, and of every run that it goes on from.

A run that begins with the weights of another keeps what that one had learned from, so that the answer outlives it.
What is not known, as of a file away from its run or of a run begun before this was kept, is unknown and never nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data import Sample
from ..errors import UsageError
from ..report import counted
from ..training import load_checkpoint
from .clips_of_run import count_shown, manifest_of
from .narrate import Narrator
from .run import Run, read_run, write_json

BEFORE = "learned_before.json"  # in a run that did not begin from scratch


@dataclass(frozen=True)
class Learned:
    """own      training clips of the run that the model lies in; None where they are not known
    before   clips of the runs that it goes on from, as far as they are known, without labels
    classes  of all these trainings
    whole    whether that is everything, and nothing of it unknown
    """

    own: tuple[Sample, ...] | None = ()
    before: tuple[Sample, ...] = ()
    classes: frozenset[str] = frozenset()
    whole: bool = True

    @property
    def clips(self) -> tuple[Sample, ...]:
        return (*(self.own or ()), *self.before)


def learned_by(model: Path | None) -> Learned:
    """What the model in a file has learned from, or is going to, as the run that it lies in has it; None is no file."""
    if model is None:
        return Learned(own=None, whole=False)
    try:
        run = read_run(model.parent)
        manifest = manifest_of(run)
    except UsageError:  # a file away from its run, or one whose manifest is lost: the model answers without them
        return Learned(own=None, classes=_classes_in(model), whole=False)
    before, classes = _before(run), frozenset(label for labels in manifest.heads.values() for label in labels)
    return Learned(manifest.part("train"), before.clips, classes | before.classes, before.whole)


def joined(several: Sequence[Learned]) -> Learned:
    """What any of several models has learned from."""
    return Learned(
        own=None,
        before=tuple(sample for learned in several for sample in learned.clips),
        classes=frozenset(label for learned in several for label in learned.classes),
        whole=all(learned.whole for learned in several),
    )


def keep_before(run: Run, start: Path) -> None:
    """Keep, once, what the weights that a run began with have learned from: their file may be deleted or made anew."""
    if (run.folder / BEFORE).exists():
        return
    before = learned_by(start)
    clips = list(dict.fromkeys((sample.path, sample.start_s, sample.end_s) for sample in before.clips))
    write_json(run.folder / BEFORE, {"clips": clips, "classes": sorted(before.classes), "whole": before.whole})


def tell_shown(
    samples: Sequence[Sample],
    learned: Learned,
    narrator: Narrator,
    *,
    who: str = "the model",
    does: str = "it does",
) -> int | str:
    """How many of the samples were learned from, for the stamp of their figures; where there are any, a warning.

    "unknown" or "3 or more" where not all of what was learned from is known.
    """
    shown = count_shown(samples, learned.clips)
    if shown:
        narrator.say(
            f"warning: {who} was trained on {shown} of the {counted(len(samples), 'clip')}, "
            f"so these figures say too little of what {does} on others"
        )
    if learned.whole:
        return shown
    return f"{shown} or more" if shown else "unknown"


def _before(run: Run) -> Learned:
    """What a run has kept of what it began with, which is nothing where it began from scratch."""
    if not (run.folder / BEFORE).is_file():
        parent = "of" in run.info or run.info.get("arguments", {}).get("start_from") is not None
        return Learned(whole=not parent)
    try:
        kept = json.loads((run.folder / BEFORE).read_text(encoding="utf-8"))
        clips = tuple(Sample(path, {}, start_s, end_s) for path, start_s, end_s in kept["clips"])
        return Learned(before=clips, classes=frozenset(kept["classes"]), whole=bool(kept["whole"]))
    except (ValueError, KeyError, TypeError):  # damaged
        return Learned(whole=False)


def _classes_in(model: Path) -> frozenset[str]:
    labels = load_checkpoint(model)[0]["labels"]
    return frozenset(label for names in (labels.values() if isinstance(labels, dict) else [labels]) for label in names)
