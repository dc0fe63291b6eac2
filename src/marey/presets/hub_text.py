"""Which `hf:` checkpoints know what text means."""

import torch

from ..models.hub_text import NETWORKS, SharedSpace
from .hub import folder_of, is_hub_name, parse_hub_name
from .hub_clip import read_json


def shared_space(name: str, *, device: torch.device) -> SharedSpace | None:
    """The space that an `hf:` checkpoint shares with text; None for one of pixels alone, and for any other preset."""
    if not is_hub_name(name):
        return None
    folder = folder_of(parse_hub_name(name))
    kind = read_json(folder / "config.json").get("model_type")
    return SharedSpace(folder, kind=kind, device=device) if kind in NETWORKS else None
