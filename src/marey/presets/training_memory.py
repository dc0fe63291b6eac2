"""What memory training a model takes, found on the meta device: nothing is allocated, nothing is computed."""

import copy

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from ..models import VideoModel
from ..video import ClipSpec

WORKING = (
    2  # times what is kept: measured peaks were 1.4 to 2.2 times, with gradients of maps and room for convolutions
)
CLIPS = 2  # batch normalization does not learn from one


def training_bytes(model: VideoModel, spec: ClipSpec) -> tuple[int, int]:
    """(bytes that every batch takes, bytes a clip of `spec`), about.

    Weights, their gradients and Adam's two averages; and of each clip what is kept for the backward pass.
    """
    blank = copy.deepcopy(model).to("meta").train()
    weights = {p.untyped_storage()._cdata for p in blank.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}  # storages, which several tensors may share

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage
        return tensor

    video = torch.empty(CLIPS, spec.channels, spec.frames, spec.side_px, spec.side_px, device="meta")
    with torch.random.fork_rng([]), saved_tensors_hooks(keep, lambda tensor: tensor):
        answers = blank.study(video)
    held = sum(storage.nbytes() for storage in kept.values())
    del answers  # which the storages belonged to
    fixed = sum(p.nbytes * (4 if p.requires_grad else 1) for p in blank.parameters())
    return fixed, WORKING * held // CLIPS
