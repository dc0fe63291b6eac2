"""Preset: one exact model, how to build it and what to feed it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

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
    dead_keys   parameters that the official checkpoint carries and the network never uses
    scores      published figures of the official weights, which Marey does not ship
    frozen      whether the encoder is used as it is and only the head learns
    linear      whether that head is linear: its problem is convex, and gradient descent with weight decay solves it
    """

    name: str
    family: str
    paper: str
    build: Build
    classes: int
    clip: ClipSpec
    mini: Mini
    pretrained: Callable[[VideoModel], None] | None = None
    dead_keys: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    frozen: bool = False
    linear: bool = False
