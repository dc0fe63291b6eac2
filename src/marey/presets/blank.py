"""Networks without values, on the meta device: their names, shapes and operations cost no memory and little time."""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ..models import VideoModel
from .preset import Build


class _Unfilled(TorchFunctionMode):
    """There are no values to fill, and torch takes longer over drawing none than over everything else."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.Tensor.normal_, torch.Tensor.uniform_):
            return args[0]
        return func(*args, **(kwargs or {}))


def blank(build: Build, *, classes: int) -> VideoModel:
    """The network for so many classes, on the meta device."""
    with torch.device("meta"), _Unfilled():
        return build(num_classes=classes)
