"""Preset: one exact model, how to build it and what to feed it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from ..errors import UsageError
from ..models import VideoModel
from ..video import ClipSpec


@runtime_checkable
class Build(Protocol):
    """Builds the network with fresh weights; nothing is read or downloaded, so it works on the meta device too."""

    def __call__(self, *, num_classes: int) -> VideoModel: ...


@dataclass(frozen=True)
class Score:
    """A published figure: `value` per cent of `metric` on `dataset`, under `protocol`, read in `source`."""

    dataset: str
    metric: str
    value: float
    protocol: str
    source: str


@dataclass(frozen=True)
class Mini:
    """The same constructor at a size at which the contract suite takes a moment."""

    build: Build
    frames: int
    side_px: int


@dataclass(frozen=True)
class Preset:
    """One row of the table of models.

    name        as `--preset` takes it
    family      the name that the literature uses for the idea
    paper       authors, venue, arXiv number; what is our own says so
    build       the network for a number of classes
    classes     how many classes unless asked otherwise
    clip        what it is fed
    mini        the same at miniature size, for the contract suite
    pretrained  fills a built network with the weights it is meant to start from; None starts from random ones
    variants    other builds of the same network, by the release whose weights need them; what they differ in are
                arguments of the constructor
    clips       what a variant is fed, where its release trained on other clips than `clip`
    dense       whether it answers every pixel of an image, with logits (b, classes, h, w)
    dead_keys   parameters that the official checkpoint carries and the network never uses
    scores      published figures of the official weights, which Marey does not ship
    frozen      whether the encoder is used as it is and only the head learns
    linear      whether that head is linear: its problem is convex, and gradient descent with weight decay solves it
    mark        part of names that some of its tensors have and those of plain networks lack; a file without any such
                name is not compared with it unless asked
    lr          the rate at which a whole network that starts from `pretrained` goes on to learn; None leaves it to rule
    arguments   what a checkpoint must say, besides the name, for `build` to be made anew, as plain JSON
    """

    name: str
    family: str
    paper: str
    build: Build
    classes: int
    clip: ClipSpec
    mini: Mini
    pretrained: Callable[[VideoModel], None] | None = None
    variants: Mapping[str, Build] = field(default_factory=dict, hash=False)
    clips: Mapping[str, ClipSpec] = field(default_factory=dict, hash=False)
    dense: bool = False
    dead_keys: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    frozen: bool = False
    linear: bool = False
    mark: str | None = None
    lr: float | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def builder(self, variant: str | None = None) -> Build:
        """`build`, or that of a variant; UsageError names those there are."""
        if variant is None:
            return self.build
        if variant not in self.variants:
            known = f"has {', '.join(self.variants)}" if self.variants else "has none"
            raise UsageError(f"preset {self.name} has no variant {variant!r}; it {known}")
        return self.variants[variant]

    def fed(self, variant: str | None = None) -> ClipSpec:
        """What that build is fed: the variant's own clip where it has one."""
        return self.clip if variant is None else self.clips.get(variant, self.clip)
