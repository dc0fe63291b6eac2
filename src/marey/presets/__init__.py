"""The table of named, measured models, and what makes and measures them."""

from .build import classes_in, create_model, find_preset, is_frozen
from .imagenet import lite0_tensors
from .preset import Build, Mini, Preset, Score
from .table import PRESETS

__all__ = [
    "PRESETS",
    "Build",
    "Mini",
    "Preset",
    "Score",
    "classes_in",
    "create_model",
    "find_preset",
    "is_frozen",
    "lite0_tensors",
]
