"""A network of clips begins where one of images ended: a ViT's weights in Motionformer, a ResNet's under new blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..models import Motionformer, TimeSformer
from ..nn import DoubleAttention, GloRe, NonLocal
from ..weights.vit import is_image_vit, start_from_image
from .blank import blank
from .fit import Diff, Fit
from .preset import Build

LONG_RANGE = (DoubleAttention, GloRe, NonLocal)  # a fresh one is the identity, so a network may begin without


def fresh_state(build: Build, *, classes: int) -> dict[str, Tensor]:
    """The tensors of a new network, the same every time."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return build(num_classes=classes).state_dict()


def image_start(
    path: Path, fits: Sequence[Fit], tensors: Mapping[str, Tensor], *, variant: str | None, classes: int
) -> Fit | None:
    """The file as the start of a build of the preset, with what a network of images lacks fresh.

    Of a ViT that is what it says of time; of a residual network, whose kernels are spread over time, the blocks of long
    range. None where the file is neither, where it fits that build but for the head, or where it cannot start it.
    CheckpointError for a ViT of another width or depth.
    """
    fit = next(fit for fit in fits if fit.variant == variant)
    build = fit.preset.builder(variant)
    if fit.inflated:
        return without_blocks(fit, classes=classes)
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


def without_blocks(fit: Fit, *, classes: int) -> Fit | None:
    """An inflated network that lacks nothing but its blocks of long range, with fresh ones; None for any other."""
    build = fit.preset.builder(fit.variant)
    lacking = fit.diff.names - set(fit.head)
    named = blank(build, classes=classes).named_modules()
    blocks = tuple(f"{name}." for name, module in named if isinstance(module, LONG_RANGE))
    begins = [name for name in fit.diff.missing if name.startswith(blocks)]
    if not fit.inflated or not lacking or lacking - set(begins):
        return None
    fresh = fresh_state(build, classes=classes)
    begun = {name: tensor for name, tensor in fresh.items() if name in lacking or name in fit.head}
    return replace(fit, tensors={**fit.tensors, **begun}, diff=Diff(), begun=tuple(begun))
