"""The table of models as rows for a person, a program and the documentation."""

from dataclasses import asdict, dataclass
from typing import Any

from .costs import cost_of
from .preset import Preset
from .table import PRESETS


@dataclass(frozen=True)
class ModelRow:
    """One line of `marey models`. `footprint_s` is how many seconds of a video at the given frame rate it sees."""

    name: str
    family: str
    paper: str
    params: int
    gmacs: float
    classes: int
    frames: int
    stride: int
    side_px: int
    footprint_s: float | None
    pretrained: bool
    frozen: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types: name, family, params, gmacs, classes, input {frames, stride, side}, paper and the rest."""
        row = asdict(self)
        return row | {"input": {"frames": row.pop("frames"), "stride": row.pop("stride"), "side": row.pop("side_px")}}


def model_rows(*, fps: float = 25.0) -> list[ModelRow]:
    """Every preset in the order of the table; raises ValueError for a frame rate that is not positive."""
    return [model_row(preset, fps=fps) for preset in PRESETS.values()]


def model_row(preset: Preset, *, fps: float = 25.0) -> ModelRow:
    """One preset; 16 frames of every second frame of a video at 25 frames a second see 1.28 s of it.

    The footprint is None where the frames are spread over the whole clip, however long it is.
    """
    if fps <= 0:
        raise ValueError(f"fps is {fps}; it must be positive")
    clip, cost = preset.clip, cost_of(preset)
    return ModelRow(
        name=preset.name,
        family=preset.family,
        paper=preset.paper,
        params=cost.params,
        gmacs=cost.gmacs,
        classes=preset.classes,
        frames=clip.frames,
        stride=clip.stride,
        side_px=clip.side_px,
        footprint_s=None if clip.sampling == "uniform" else clip.frames * clip.stride / (clip.fps or fps),
        pretrained=preset.pretrained is not None,
        frozen=preset.frozen,
    )


def models_markdown() -> str:
    """The text of docs/models.md."""
    lines = [
        "# Models",
        "",
        "Made by `make tables` from the table of presets; a test holds it to the code.",
        "Parameters are exact. GMACs: billions of multiply-adds of convolutions and matrix products for one clip.",
        "What is computed by hand besides, as the flow of `motion` and `two_stream_flow` is, is not in them.",
        "Frames x stride is what a clip holds; the footprint is what it spans of a video at 25 frames a second.",
        "",
        "| name | family | classes | parameters | GMACs | frames x stride | side | footprint | paper |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in model_rows():
        footprint = "whole clip" if row.footprint_s is None else f"{row.footprint_s:.2f} s"
        frames = f"{row.frames} spread" if row.footprint_s is None else f"{row.frames} x {row.stride}"
        lines.append(
            f"| `{row.name}` | {row.family} | {row.classes} | {row.params:,} | {row.gmacs:.3f} | {frames} "
            f"| {row.side_px} | {footprint} | {row.paper} |"
        )
    lines += [
        "",
        "## Published scores of the official weights",
        "",
        "Measured by the authors of the weights, not by Marey, which brings only those of `marey[imagenet]`.",
        "",
        "| name | data | metric | score | protocol | source |",
        "|---|---|---|---|---|---|",
    ]
    for preset in PRESETS.values():
        for s in preset.scores:
            lines.append(f"| `{preset.name}` | {s.dataset} | {s.metric} | {s.value:.2f} | {s.protocol} | {s.source} |")
    return "\n".join(lines) + "\n"
