"""How many clips fit into memory at once while a whole network learns from them."""

import torch

from ..models import VideoModel
from ..presets import training_bytes
from ..training import free_bytes
from ..video import ClipSpec

USABLE = {"cuda": 0.9, "cpu": 0.7}  # of what is free; decoded frames may take the rest of a CPU's


def most_at_once(model: VideoModel, spec: ClipSpec, device: torch.device) -> int | None:
    """Clips of a batch, 0 where not even the network fits; None where the free memory of the device is unknown."""
    free = free_bytes(device)
    if free is None:
        return None
    fixed, each = training_bytes(model, model.studied(spec))
    return max(0, int(USABLE[device.type] * free - fixed) // each)
