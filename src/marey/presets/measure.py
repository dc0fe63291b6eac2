"""What a model costs and what its layers see, found on the meta device: nothing is allocated, nothing is computed."""

import copy
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
from torch import nn

from ..models import VideoModel
from ..nn.fields import Field
from ..nn.receptive import FieldTrace
from ..nn.transformer import DropPath
from ..video import ClipSpec
from .blank import blank
from .preset import Preset

NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm)
SILENT = (
    nn.Identity,
    nn.Sequential,
    nn.Dropout,
    nn.ReLU,
    nn.ReLU6,
    nn.GELU,
    DropPath,
    nn.SiLU,
    nn.Tanh,
)  # neither parameters nor another size or field


@dataclass(frozen=True)
class Cost:
    """Exact parameters, and the multiply-adds of convolutions and matrix products for one clip, in billions."""

    params: int
    gmacs: float


@dataclass(frozen=True)
class LayerRow:
    """One layer in the order in which it runs.

    size    output: channels, frames, rows, columns; of tokens that hold no axis of the video: features, tokens, 1, 1
    field   how many input frames, rows and columns one output value sees, at most all that the preset is fed
    jump    how far apart, in the input, neighbouring outputs look
    params  with those of the normalization that follows
    """

    name: str
    kind: str
    size: tuple[int, int, int, int]
    field: tuple[int, int, int]
    jump: tuple[int, int, int]
    params: int
    gmacs: float


def count(model: Preset | VideoModel, spec: ClipSpec | None = None) -> Cost:
    """What a preset costs for its own input, or a model for a clip of `spec`; frozen parameters count too."""
    if isinstance(model, Preset):
        return _preset_cost(model, spec or model.clip)
    if spec is None:
        raise ValueError("a model is counted for the input of a clip specification; give its spec")
    return _trace(_on_meta(model), spec)[1]


def counted_in_part(model: VideoModel, spec: ClipSpec) -> bool:
    """Whether an answer takes more than `count` holds: features computed by hand, by the model or before it."""
    return model.by_hand or spec.modality != "rgb"


@cache
def _preset_cost(preset: Preset, spec: ClipSpec) -> Cost:
    return _trace(blank(preset.build, classes=preset.classes), spec)[1]


@cache
def layer_table(preset: Preset) -> tuple[LayerRow, ...]:
    """Every layer of a preset at its own input, in the order in which a clip runs through them.

    Multiplications outside of any layer (attention weights on tokens, say) are in `count` but in no row.
    """
    return tuple(_trace(blank(preset.build, classes=preset.classes), preset.clip)[0])


def trace_layers(model: VideoModel, spec: ClipSpec) -> list[LayerRow]:
    """The same of any model for a clip of `spec`; the model is left alone."""
    return _trace(_on_meta(model), spec)[0]


def _on_meta(model: VideoModel) -> VideoModel:
    return copy.deepcopy(model).to("meta")


def _trace(model: VideoModel, spec: ClipSpec) -> tuple[list[LayerRow], Cost]:
    model.eval()
    trace, rows, counted = FieldTrace(), [], set[int]()
    started: list[int] = []

    def enter(module: nn.Module, args: tuple[Any, ...]) -> None:
        started.append(trace.macs)

    def leave(name: str, module: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        macs = trace.macs - started.pop()
        result = out[0] if isinstance(module, nn.RNNBase) else out
        if isinstance(module, nn.RNNBase):
            trace.recur(args[0], result)
        params = sum(p.numel() for p in module.parameters() if id(p) not in counted)
        counted.update(map(id, module.parameters()))
        if isinstance(module, NORMS) and rows:
            rows[-1] = replace(rows[-1], params=rows[-1].params + params)
        elif isinstance(module, SILENT) or not isinstance(result, torch.Tensor):
            return  # tables of positions, say, come as pairs
        elif (seen := trace.field(result)) is not None:
            rows.append(LayerRow(name, kind_of(module), size_of(result, seen), *seen.sight, params, macs / 1e9))

    for name, module in model.named_modules():
        if not any(True for _ in module.children()):
            module.register_forward_pre_hook(enter)
            module.register_forward_hook(partial(leave, name))
    video = torch.empty(1, spec.channels, spec.frames, spec.side_px, spec.side_px, device="meta")
    trace.watch(video)
    with torch.no_grad(), trace:
        model(video)
    return rows, Cost(sum(p.numel() for p in model.parameters()), trace.macs / 1e9)


def size_of(result: torch.Tensor, seen: Field) -> tuple[int, int, int, int]:
    """Of a layer's output, a clip's: see `LayerRow`."""
    if result.ndim == 5 and len(result) == 1:  # a clip's map, even where the trace sees no axes behind attention
        return (result.shape[1], result.shape[2], result.shape[3], result.shape[4])
    holds_axes = any(axis for dim in seen.dims for axis, _ in dim)
    return seen.extent if holds_axes or result.ndim != 3 else (result.shape[2], result.shape[1], 1, 1)


def kind_of(module: nn.Module) -> str:
    """What a layer does, as in conv 3x3x3, stride 1x2x2."""
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        groups = "" if module.groups == 1 else f", {module.groups} groups"
        dilation = "" if set(module.dilation) == {1} else f", dilation {_times(module.dilation)}"
        stride = "" if set(module.stride) == {1} else f", stride {_times(module.stride)}"
        return f"conv {_times(module.kernel_size)}{stride}{dilation}{groups}"
    if isinstance(module, nn.MaxPool2d | nn.MaxPool3d):
        dims = 2 if isinstance(module, nn.MaxPool2d) else 3
        return f"max pool {_times(module.kernel_size, dims)}, stride {_times(module.stride, dims)}"
    if isinstance(module, nn.AvgPool3d):
        return f"mean {_times(module.kernel_size, 3)}, stride {_times(module.stride, 3)}"
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveAvgPool3d):
        return f"mean to {_times(module.output_size, 2 if isinstance(module, nn.AdaptiveAvgPool2d) else 3)}"
    if isinstance(module, nn.Linear):
        return "fully connected"
    return type(module).__name__


def _times(sizes: Any, dims: int = 1) -> str:
    return "x".join(map(str, sizes if isinstance(sizes, tuple) else (sizes,) * dims))
