"""Who plays what where: the list of shots of a data set, with splits by actor and by scene."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from ...errors import UsageError
from .classes import CLASSES
from .scenery import LEVELS

STYLES = ("figure", "point-light")
_SHARES = {"test": 0.25, "val": 0.15}  # of clips, actors and scenes; training has the rest
_CAST = {  # condition -> the split, and whose actors and scenes are seen
    "train": ("train", "train", "train"),
    "val": ("val", "val", "val"),
    "both-unseen": ("test", "test", "test"),
    "seen": ("test", "train", "train"),
    "actor-unseen": ("test", "test", "train"),
    "scene-unseen": ("test", "train", "test"),
}


@dataclass(frozen=True)
class Shot:
    """All that decides one clip: the same shot gives the same bytes.

    label is the class of a trimmed clip; a long recording has None and draws its actions from `repertoire`
    """

    name: str
    label: str | None
    repertoire: tuple[str, ...]
    actor: int
    scene: int
    split: str
    condition: str
    duration_s: float
    fps: int
    size: tuple[int, int]
    level: str
    style: str
    seed: int
    key: int

    @property
    def path(self) -> str:
        return f"videos/{slug(self.label or 'untrimmed')}/{self.name}.mp4"


@dataclass(frozen=True)
class Plan:
    """What `render` was asked for, checked.

    clips_per_class  of all three splits together
    cross_per_class  clips of each class in each of the conditions seen, actor-unseen and scene-unseen, in no split
    untrimmed        long recordings, each of untrimmed_s
    flow             whether the exact optical flow is written too, 8 bytes a pixel and frame
    """

    level: str
    style: str
    classes: tuple[str, ...]
    clips_per_class: int
    cross_per_class: int
    untrimmed: int
    untrimmed_s: float
    actors: int
    scenes: int
    seconds: float
    fps: int
    size: tuple[int, int]
    seed: int
    flow: bool

    def __post_init__(self) -> None:
        for name, value, known in (("level", self.level, LEVELS), ("style", self.style, STYLES)):
            if value not in known:
                raise UsageError(f"stage {name} {value!r} is unknown; take one of {', '.join(known)}")
        for name in self.classes:
            if name not in CLASSES:
                near = get_close_matches(name, CLASSES, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"the classes are {', '.join(CLASSES)}"
                raise UsageError(f"stage class {name!r} is unknown; {hint}")
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise UsageError("stage classes must be at least one, each named once; leave them out for all")
        limits = {
            "clips_per_class": (3, 4000, "one each for training, validation and test"),
            "cross_per_class": (0, 4000, "0 renders none"),
            "untrimmed": (0, 10_000, "long recordings; 0 renders none"),
            "untrimmed_s": (5, 3600, "long enough for an action, and an hour at most"),
            "actors": (3, 1000, "training, validation and test have actors of their own"),
            "scenes": (3, 1000, "training, validation and test have scenes of their own"),
            "seconds": (0.8, 600, "shorter clips cannot hold an action"),
            "fps": (5, 120, "frames per second"),
            "seed": (0, 2**32 - 1, "any number in between"),
        }
        if 0 < self.untrimmed < 3:
            raise UsageError(f"stage untrimmed is {self.untrimmed}; it must be 0, or 3 or more, one for every split")
        if self.untrimmed and not any(CLASSES[name].group in ("tempo", "order") for name in self.classes):
            raise UsageError(
                "stage untrimmed recordings need a class of the tempo or the order group; add one or leave them out"
            )
        for name, (low, high, why) in limits.items():
            if not low <= (value := getattr(self, name)) <= high:
                raise UsageError(f"stage {name} is {value}; it must lie in {low}..{high} ({why})")
        if not all(48 <= side <= 2160 for side in self.size):
            raise UsageError(f"stage size is {self.size[0]} x {self.size[1]}; both sides must lie in 48..2160 pixels")


def slug(label: str) -> str:
    return label.replace(" ", "_")


def partition(count: int, seed: int, stream: int) -> dict[str, list[int]]:
    """Numbers 0..count-1 dealt out to train, val and test; every part has at least one."""
    shuffled = np.random.default_rng([seed, stream]).permutation(count).tolist()
    test = max(1, round(_SHARES["test"] * count))
    val = max(1, round(_SHARES["val"] * count))
    return {"test": shuffled[:test], "val": shuffled[test : test + val], "train": shuffled[test + val :]}


def shots(plan: Plan) -> list[Shot]:
    """Every clip of the plan. Twins are played by the same actors in the same scenes, equally often."""
    actors, scenes = partition(plan.actors, plan.seed, 10), partition(plan.scenes, plan.seed, 11)
    numbers = {name: index for index, name in enumerate(CLASSES)}
    planned = []

    def add(labels: Sequence[str | None], conditions: Sequence[str], first: int) -> None:
        for label in labels:
            number = numbers[label] if label else len(CLASSES)
            pair = min(number, numbers[CLASSES[label].twin or label]) if label else number
            for index, condition in enumerate(conditions, first):
                _, who, where = _CAST[condition]
                chance = np.random.default_rng([plan.seed, 6, pair, index])
                played = (_pick(actors[who], chance), _pick(scenes[where], chance))
                planned.append(_shot(plan, label, index, condition, played, 100_000 * number + index))

    trimmed = _conditions(plan.clips_per_class)
    add(plan.classes, trimmed, 0)
    if plan.untrimmed:
        add([None], _conditions(plan.untrimmed), 0)
    training = [shot for shot in planned if shot.condition == "train" and shot.label]
    actors["train"], scenes["train"] = sorted({s.actor for s in training}), sorted({s.scene for s in training})
    across = [name for name in ("seen", "actor-unseen", "scene-unseen") for _ in range(plan.cross_per_class)]
    add(plan.classes, across, len(trimmed))
    return planned


def _conditions(count: int) -> list[str]:
    """The conditions of `count` clips of one kind: training first, then validation, then test."""
    test, val = (max(1, round(_SHARES[split] * count)) for split in ("test", "val"))
    return ["train"] * (count - test - val) + ["val"] * val + ["both-unseen"] * test


def _shot(plan: Plan, label: str | None, index: int, condition: str, played: tuple[int, int], key: int) -> Shot:
    length = plan.untrimmed_s
    if label:
        length = plan.seconds * np.random.default_rng([plan.seed, 7, key]).uniform(0.92, 1.08)
    return Shot(
        name=f"{slug(label or 'untrimmed')}_{index:04d}",
        label=label,
        repertoire=() if label else plan.classes,
        actor=played[0],
        scene=played[1],
        split=_CAST[condition][0],
        condition=condition,
        duration_s=round(length * plan.fps) / plan.fps,
        fps=plan.fps,
        size=plan.size,
        level=plan.level,
        style=plan.style,
        seed=plan.seed,
        key=key,
    )


def _pick(numbers: Sequence[int], chance: np.random.Generator) -> int:
    return numbers[int(chance.integers(len(numbers)))]
