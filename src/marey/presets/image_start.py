"""A network of clips begins where one of images ended: a ViT's weights in Motionformer and TimeSformer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..models import Motionformer, TimeSformer
from ..weights.vit import is_image_vit, start_from_image
from .blank import blank
from .fit import Diff, Fit
from .preset import Build


def fresh_state(build: Build, *, classes: int) -> dict[str, Tensor]:
    """The tensors of a new network, the same every time."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return build(num_classes=classes).state_dict()


def image_start(
    path: Path, fits: Sequence[Fit], tensors: Mapping[str, Tensor], *, variant: str | None, classes: int
) -> Fit | None:
    """The file as the start of a build of the preset, with what a network of images lacks fresh.

    None where the file is no ViT of images, where it fits that build but for the head, or where the build is none that
    a ViT can start. CheckpointError for one of another width or depth.
    """
    fit = next(fit for fit in fits if fit.variant == variant)
    build = fit.preset.builder(variant)
    if not is_image_vit(tensors) or fit.diff.names <= set(fit.head):
        return None
    if not isinstance(blank(build, classes=classes), Motionformer | TimeSformer):
        return None
    fresh = fresh_state(build, classes=classes)
    try:
        started = start_from_image(tensors, fresh)
    except ValueError as error:
        raise CheckpointError(f"{path}: cannot start {fit.preset.name}: {error}") from error
    begun = tuple(name for name, tensor in fresh.items() if started[name] is tensor)
    return replace(fit, release="ViT of images", tensors=started, diff=Diff(), left=(), begun=begun)
