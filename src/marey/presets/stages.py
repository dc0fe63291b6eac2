"""The stages of a model as a paper's table has them: the map that each puts out."""

from dataclasses import dataclass
from functools import cache

import torch

from .preset import Preset


@dataclass(frozen=True)
class StageRow:
    """One stage, by the name that `features` gives it. `size` is channels, frames, rows, columns for one clip."""

    name: str
    size: tuple[int, ...]


@cache
def stage_table(preset: Preset) -> tuple[StageRow, ...]:
    """Every stage of a preset at its own input, shallow to deep; of two pathways the faster first."""
    clip = preset.clip
    # Only frozen encoders may look at values (of optical flow, say), which the meta device does not have.
    with torch.device("cpu" if preset.frozen else "meta"):
        model = preset.build(num_classes=preset.classes).eval()
        video = torch.zeros(1, clip.channels, clip.frames, clip.side_px, clip.side_px)
    with torch.no_grad():
        maps = model.features(video)
    return tuple(StageRow(name, tuple(x.shape[1:])) for name, x in maps.items())
