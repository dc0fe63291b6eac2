"""Who plays what where: the list of shots of a data set, with splits by actor and by scene."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, get_args

import numpy as np

from ...errors import UsageError
from .classes import CLASSES
from .scenery import Level

Style = Literal["figure", "point-light"]
Condition = Literal["train", "val", "both-unseen", "seen", "actor-unseen", "scene-unseen"]
_SHARES = {"test": 0.25, "val": 0.15}  # of clips, actors and scenes; training has the rest
_CROSS: dict[Condition, tuple[str, str]] = {  # which actors and which scenes
    "seen": ("train", "train"),
    "actor-unseen": ("test", "train"),
    "scene-unseen": ("train", "test"),
}


@dataclass(frozen=True)
class Shot:
    """All that decides one clip: the same shot gives the same bytes."""

    name: str
    label: str
    actor: int
    scene: int
    split: str
    condition: Condition
    duration_s: float
    fps: int
    size: tuple[int, int]
    level: Level
    style: Style
    seed: int
    key: int

    @property
    def path(self) -> str:
        return f"videos/{slug(self.label)}/{self.name}.mp4"


@dataclass(frozen=True)
class Plan:
    """What `render` was asked for, checked.

    clips_per_class of all three splits; cross_per_class adds as many clips of the classes for each of the conditions
    seen, actor-unseen and scene-unseen, which no split contains
    """

    level: Level
    style: Style
    classes: tuple[str, ...]
    clips_per_class: int
    cross_per_class: int
    actors: int
    scenes: int
    seconds: float
    fps: int
    size: tuple[int, int]
    seed: int

    def __post_init__(self) -> None:
        for name, value, known in (("level", self.level, get_args(Level)), ("style", self.style, get_args(Style))):
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
            "actors": (3, 1000, "training, validation and test have actors of their own"),
            "scenes": (3, 1000, "training, validation and test have scenes of their own"),
            "seconds": (0.8, 600, "shorter clips cannot hold an action"),
            "fps": (5, 120, "frames per second"),
            "seed": (0, 2**32 - 1, "any number in between"),
        }
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
    count = plan.clips_per_class
    test, val = (max(1, round(_SHARES[split] * count)) for split in ("test", "val"))
    parts: list[tuple[str, Condition, str, str]] = [
        *[("train", "train", "train", "train")] * (count - test - val),
        *[("val", "val", "val", "val")] * val,
        *[("test", "both-unseen", "test", "test")] * test,
        *(("test", name, *where) for name, where in _CROSS.items() for _ in range(plan.cross_per_class)),
    ]
    numbers = {name: index for index, name in enumerate(CLASSES)}
    planned = []
    for label in plan.classes:
        pair = min(numbers[label], numbers[CLASSES[label].twin or label])
        for index, (split, condition, who, where) in enumerate(parts):
            rng = np.random.default_rng([plan.seed, 6, pair, index])
            key = 100_000 * numbers[label] + index
            length = np.random.default_rng([plan.seed, 7, key]).uniform(0.92, 1.08) * plan.seconds
            planned.append(
                Shot(
                    name=f"{slug(label)}_{index:04d}",
                    label=label,
                    actor=_pick(actors[who], index, rng),
                    scene=_pick(scenes[where], index, rng),
                    split=split,
                    condition=condition,
                    duration_s=round(length * plan.fps) / plan.fps,
                    fps=plan.fps,
                    size=plan.size,
                    level=plan.level,
                    style=plan.style,
                    seed=plan.seed,
                    key=key,
                )
            )
    return planned


def _pick(numbers: Sequence[int], index: int, rng: np.random.Generator) -> int:
    return numbers[(index + int(rng.integers(len(numbers)))) % len(numbers)]
