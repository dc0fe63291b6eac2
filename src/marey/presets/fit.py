"""Which preset a file's tensors belong to: every release's names tried, compared with networks on the meta device."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from ..weights import RELEASES, Release
from .blank import blank
from .costs import cost_of
from .preset import Preset
from .table import PRESETS

Shape = tuple[int, ...]
OWN_NAMES = Release("Marey", "a plain state dict of one of our own networks", (), dict)


@dataclass(frozen=True)
class Diff:
    """How a file differs from a network, under our names.

    misshapen  (name, shape in the file, shape in the network)
    in_file    what the file calls those of the unexpected and misshapen that it has as they are, where that is another
               name than ours
    """

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[tuple[str, Shape, Shape], ...] = ()
    in_file: Mapping[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.misshapen)

    @property
    def names(self) -> set[str]:
        return {*self.missing, *self.unexpected, *(name for name, _, _ in self.misshapen)}

    def origin(self, name: str) -> str:
        """ " in the file as NAME", or nothing where that is not known or the same."""
        return f" in the file as {self.in_file[name]}" if name in self.in_file else ""

    def __str__(self) -> str:
        shapes = [
            f"{name} is {there}{self.origin(name) or ' in the file'} and {here} in the network"
            for name, there, here in self.misshapen
        ]
        unexpected = [f"{name}{self.origin(name)}" for name in self.unexpected]
        parts = (("missing", self.missing), ("unexpected", unexpected), ("of another shape", shapes))
        return ", ".join(f"{len(names)} {what} ({first(names)})" for what, names in parts if names)


@dataclass(frozen=True)
class Fit:
    """A file read as one release's and held against one build of a preset.

    tensors   under our names, kernels of images spread over time where the release says so
    classes   how many the file's head tells apart, or None where it has no such head
    head      the tensors of the network whose shape depends on the classes
    supplied  counters of normalization that older files lack; they are zero
    inflated  kernels that were spread over time
    diff      against the network for `classes`, or for the preset's own number
    left      tensors of other networks in the same file
    heads     names and classes of the heads that are one here, where the file has several
    begun     tensors with fresh values, of a network that starts from one of images
    """

    preset: Preset
    variant: str | None
    release: str
    tensors: Mapping[str, Tensor]
    classes: int | None
    head: tuple[str, ...]
    supplied: tuple[str, ...]
    inflated: tuple[str, ...]
    diff: Diff
    left: tuple[str, ...] = ()
    heads: Mapping[str, int] = field(default_factory=dict)
    begun: tuple[str, ...] = ()


@cache
def blank_state(preset: Preset, variant: str | None, classes: int) -> dict[str, Tensor]:
    """The state dict of a network on the meta device: names, shapes and types without values."""
    return blank(preset.builder(variant), classes=classes).state_dict()


def shapes_of(preset: Preset, variant: str | None, classes: int) -> dict[str, Shape]:
    return {name: tuple(tensor.shape) for name, tensor in blank_state(preset, variant, classes).items()}


@cache
def head_of(preset: Preset, variant: str | None) -> dict[str, int]:
    """Tensors whose shape depends on the number of classes -> the axis that counts them."""
    less, more = (shapes_of(preset, variant, preset.classes + extra) for extra in (0, 1))
    return {
        name: next(axis for axis, size in enumerate(shape) if size != more[name][axis])
        for name, shape in less.items()
        if shape != more[name]
    }


def readings(tensors: Mapping[str, Tensor]) -> Iterator[tuple[Release, dict[str, Tensor]]]:
    """(release, tensors under our names) for every release that the names may be of."""
    for release in (*RELEASES, OWN_NAMES):
        if release.fits(tensors) and (named := _translated(release, tensors)) is not None:
            yield release, named


def fits_of(preset: Preset, tensors: Mapping[str, Tensor], *, variant: str | None = None) -> list[Fit]:
    """Every way to read the file as this preset, best first; a variant named as the release wins among equals.

    `variant` is the only build to compare with; without it, all are.
    """
    found = [
        _fit(preset, build, release, named, tensors)
        for release, named in readings(tensors)
        for build in ((None, *preset.variants) if variant is None else (variant,))
    ]
    return sorted(found, key=lambda fit: (fit.diff.count, _distance(fit)))


def best_fits(tensors: Mapping[str, Tensor]) -> list[Fit]:
    """The best reading as each preset of about the file's size, best first; one that fits exactly has an empty diff.

    A head for other classes at most doubles or halves a network, and spreading kernels over time triples it.
    """
    size = sum(tensor.numel() for tensor in tensors.values())
    alike = [
        preset
        for preset in PRESETS.values()
        if size / 2 <= cost_of(preset).params <= 3.5 * size
        and (preset.mark is None or any(preset.mark in name for name in tensors))
    ]
    return sorted((fits_of(preset, tensors)[0] for preset in alike), key=lambda fit: fit.diff.count)


def alike_builds(fit: Fit, fits: Iterable[Fit]) -> tuple[str, ...]:
    """Variants whose tensors are those of `fit` too, so that the file does not tell which of them it is of.

    A variant that is called as a release is the build of that one's files only.
    """
    releases = {release.name.casefold() for release in RELEASES}
    return tuple(
        other.variant
        for other in fits
        if other.variant not in (None, fit.variant)
        and other.variant.casefold() not in releases
        and (other.release, other.diff.count) == (fit.release, fit.diff.count)
    )


def known_releases(tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The releases that the names may be of."""
    return tuple(f"{release.name} ({release.holds})" for release in RELEASES if release.fits(tensors))


def _fit(
    preset: Preset,
    variant: str | None,
    release: Release,
    named: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
) -> Fit:
    shapes = shapes_of(preset, variant, preset.classes)
    if len(shapes.keys() & named.keys()) < len(shapes) // 2:  # another network, whose head need not be known
        return Fit(preset, variant, release.name, named, None, (), (), (), _diff(named, shapes, tensors))
    head = head_of(preset, variant)
    held = _classes_held(named, shapes, head, preset.classes)
    shapes = shapes_of(preset, variant, held or preset.classes)
    filled, supplied = _with_counters(named, shapes)
    flat = [name for name, tensor in filled.items() if release.inflates and _is_flat(tensor, shapes.get(name))]
    filled |= {name: _inflated(filled[name], shapes[name]) for name in flat}
    return Fit(
        preset,
        variant,
        release.name,
        filled,
        held,
        tuple(head),
        supplied,
        tuple(flat),
        _diff(filled, shapes, tensors),
        left=_left(release, tensors),
        heads=release.heads(tensors) if release.heads else {},
    )


def _classes_held(
    named: Mapping[str, Tensor], shapes: Mapping[str, Shape], head: Mapping[str, int], classes: int
) -> int | None:
    """How many classes all of the file's head tensors agree on."""
    counts = set()
    for name, axis in head.items():
        if name in named and named[name].ndim == len(shapes[name]):
            counts.add(named[name].shape[axis] - shapes[name][axis] + classes)
    return counts.pop() if len(counts) == 1 else None


def _with_counters(
    named: Mapping[str, Tensor], shapes: Mapping[str, Shape]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    lacking = tuple(name for name in shapes if name.endswith(".num_batches_tracked") and name not in named)
    return {**named, **{name: torch.zeros((), dtype=torch.int64) for name in lacking}}, lacking


def _is_flat(tensor: Tensor, shape: Shape | None) -> bool:
    """Whether it is a kernel of images for a place where the network has one of clips."""
    return shape is not None and tensor.ndim == 4 and len(shape) == 5 and tuple(tensor.shape) == shape[:2] + shape[3:]


def _inflated(tensor: Tensor, shape: Shape) -> Tensor:
    return tensor[:, :, None].expand(shape) / shape[2]


def _diff(named: Mapping[str, Tensor], shapes: Mapping[str, Shape], tensors: Mapping[str, Tensor]) -> Diff:
    unexpected = tuple(name for name in named if name not in shapes)
    misshapen = tuple(
        (name, tuple(named[name].shape), shape)
        for name, shape in shapes.items()
        if name in named and tuple(named[name].shape) != shape
    )
    shown = {*unexpected, *(name for name, _, _ in misshapen)}
    names = {id(tensor): name for name, tensor in tensors.items()} if shown else {}
    return Diff(
        missing=tuple(name for name in shapes if name not in named),
        unexpected=unexpected,
        misshapen=misshapen,
        in_file={name: names[id(named[name])] for name in shown if names.get(id(named[name]), name) != name},
    )


def _translated(release: Release, tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """None where the file lacks what the release must have, or has it in a shape that cannot be rearranged."""
    left = _left(release, tensors)
    try:
        return release.translate({name: tensor for name, tensor in tensors.items() if name not in left})
    except (KeyError, IndexError, ValueError, RuntimeError):
        return None


def _left(release: Release, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Tensors of other networks in the file."""
    return tuple(name for name in tensors if release.left and re.match(release.left, name))


def _distance(fit: Fit) -> int:
    """0 for the build that is named as the release is, 1 for the preset's own, 2 for other variants."""
    if fit.variant is None:
        return 1
    return 0 if fit.variant.casefold() == fit.release.casefold() else 2


def first(names: Iterable[str], count: int = 3) -> str:
    """The first few of them, for a sentence."""
    names = list(names)
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")
