"""Clips whose frames come otherwise than they were filmed: what a network answers to them shows what it looks at."""

from typing import Literal, get_args

import torch
from jaxtyping import UInt8
from torch import Tensor

from .clip import Modality

FrameOrder = Literal["as filmed", "frozen", "shuffled", "reversed"]
FRAME_ORDERS: tuple[FrameOrder, ...] = get_args(FrameOrder)
_STILL = 128  # the byte of no motion, and of no residual
_CHANNELS = {"rgb": 3, "flow": 2, "vectors": 2, "residual": 3}


def reorder(
    clips: UInt8[Tensor, "*n t h w c"], order: FrameOrder, modality: Modality = "rgb"
) -> UInt8[Tensor, "*n t h w c"]:
    """Bytes as they are read of a modality, in another order of frames.

    as filmed  the clips themselves
    frozen     the middle frame stands still, so that nothing moves
    shuffled   in one random order, the same for all clips of that many frames
    reversed   from the last to the first; motion turns round

    Motion is that of the frames as filmed, put into the new order, not that between the frames as they then follow one
    another. ValueError for sound, which has no frames.
    """
    if order == "as filmed":
        return clips
    if modality == "sound":
        raise ValueError("sound has no frames whose order could be changed")
    names = modality.split("+")
    parts = clips.split([_CHANNELS[name] for name in names], -1)
    return torch.cat([_reordered(part, order, name) for name, part in zip(names, parts, strict=True)], -1)


def _reordered(part: Tensor, order: FrameOrder, name: str) -> Tensor:
    frames = part.shape[-4]
    if order == "frozen":
        middle = part.narrow(-4, frames // 2, 1).expand_as(part)
        return middle if name == "rgb" else torch.full_like(part, _STILL)
    if order == "shuffled":
        places = torch.randperm(frames, generator=torch.Generator().manual_seed(frames))
        return part.index_select(-4, places.to(part.device))
    turned = part.flip(-4)
    return (2 * _STILL - turned.short()).clamp(0, 255).byte() if name in ("flow", "vectors") else turned
