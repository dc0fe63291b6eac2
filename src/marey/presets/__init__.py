"""The table of named, measured models, and what builds and measures them."""

from .build import classes_in, create_model, find_preset, start_from_checkpoint, variant_in
from .costs import cost_of, costs_json
from .imagenet import imagenet_is_installed, lite0_tensors
from .labels import LABEL_LISTS, label_list
from .listing import ModelRow, model_row, model_rows, models_markdown
from .measure import Cost, LayerRow, count, layer_table, trace_layers
from .preset import Build, Mini, Preset, Score
from .table import PRESETS

__all__ = [
    "LABEL_LISTS",
    "PRESETS",
    "Build",
    "Cost",
    "LayerRow",
    "Mini",
    "ModelRow",
    "Preset",
    "Score",
    "classes_in",
    "cost_of",
    "costs_json",
    "count",
    "create_model",
    "find_preset",
    "imagenet_is_installed",
    "label_list",
    "layer_table",
    "lite0_tensors",
    "model_row",
    "model_rows",
    "models_markdown",
    "start_from_checkpoint",
    "trace_layers",
    "variant_in",
]
