"""The stages of a model as a paper's table has them: the map that each puts out, and the layers that make it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import torch

from .measure import LayerRow, layer_table
from .preset import Preset


@dataclass(frozen=True)
class StageRow:
    """One stage, by the name that `features` gives it.

    size    channels, frames, rows, columns for one clip
    layers  its convolutions in the papers' notation, as in [1x1x1, 64; 1x3x3, 64; 1x1x1, 256] x 3: kernel and channels
            of each, blocks in brackets; shortcuts and strides are left to the table of layers. Empty where the names of
            its layers do not show which are its own
    """

    name: str
    size: tuple[int, ...]
    layers: str


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
    layers = layer_table(preset)
    return tuple(StageRow(name, tuple(x.shape[1:]), _layers_of(name, list(maps), layers)) for name, x in maps.items())


def _layers_of(stage: str, stages: Sequence[str], layers: Iterable[LayerRow]) -> str:
    """The blocks of a stage, runs of equal ones counted."""
    blocks: dict[str, list[str]] = {}
    for row in layers:
        name = f".{row.name}"
        places = {other: name.find(f".{other}.") for other in stages}
        if places[stage] < 0 or any(0 <= place < places[stage] for place in places.values()):
            continue  # not of a stage, or of another, inside of which a part is called like this one
        inside = name[places[stage] + len(stage) + 2 :]
        if row.kind.startswith("conv ") and "shortcut" not in inside:
            block, nested, _ = inside.partition(".")
            kernel = row.kind.removeprefix("conv ").split(",")[0]
            blocks.setdefault(block if nested else "", []).append(f"{kernel}, {row.size[0]}")
    runs = [(block, len(list(run))) for block, run in groupby("; ".join(convs) for convs in blocks.values())]
    several = len(blocks) > 1 or any(";" in block for block, _ in runs)
    return ", ".join(f"[{block}]" + (f" x {times}" if times > 1 else "") if several else block for block, times in runs)
