"""The table of named, measured models, and what builds and measures them."""

from .build import classes_in, create_model, find_preset, preset_in, start_from_checkpoint, variant_in
from .convert import Conversion, Inspection, Misfit, convert_weights, inspect_weights
from .costs import cost_of, costs_json
from .fit import Diff
from .flow_network import load_spynet
from .hub_text import shared_space
from .imagenet import imagenet_is_installed, lite0_tensors
from .labels import LABEL_LISTS, label_list
from .listing import ModelRow, model_row, model_rows, models_markdown
from .measure import Cost, LayerRow, count, counted_in_part, layer_table, trace_layers
from .preset import Build, Mini, Preset, Score
from .stages import StageRow, stage_table
from .table import PRESETS
from .training_memory import training_bytes

__all__ = [
    "LABEL_LISTS",
    "PRESETS",
    "Build",
    "Conversion",
    "Cost",
    "Diff",
    "Inspection",
    "LayerRow",
    "Mini",
    "Misfit",
    "ModelRow",
    "Preset",
    "Score",
    "StageRow",
    "classes_in",
    "convert_weights",
    "cost_of",
    "costs_json",
    "count",
    "counted_in_part",
    "create_model",
    "find_preset",
    "imagenet_is_installed",
    "inspect_weights",
    "label_list",
    "layer_table",
    "lite0_tensors",
    "load_spynet",
    "model_row",
    "model_rows",
    "models_markdown",
    "preset_in",
    "shared_space",
    "stage_table",
    "start_from_checkpoint",
    "trace_layers",
    "training_bytes",
    "variant_in",
]
