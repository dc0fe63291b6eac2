"""Data: what a data set is written as, its one internal manifest, splits that do not leak, and the way to batches."""

from .classes import edit_classes
from .duplicates import Duplicates, near_duplicates
from .formats import FORMATS, Format, read_manifest, write_manifest
from .loader import FrameStore, Quarantine, TrainingBatches, view_batches
from .manifest import Manifest, Sample
from .problems import ClassBalance, Problem, class_problems, group_leaks
from .reading import Views, canvas_frames, cut, cut_views, read_canvas, read_grid, read_views, sliding_views, square
from .split_lists import official_lists
from .splits import SIDES, drawn_together, grouped_folds, leaks, split_manifest, unit_of
from .validation import Validation, validate

__all__ = [
    "FORMATS",
    "SIDES",
    "ClassBalance",
    "Duplicates",
    "Format",
    "FrameStore",
    "Manifest",
    "Problem",
    "Quarantine",
    "Sample",
    "TrainingBatches",
    "Validation",
    "Views",
    "canvas_frames",
    "class_problems",
    "cut",
    "cut_views",
    "drawn_together",
    "edit_classes",
    "group_leaks",
    "grouped_folds",
    "leaks",
    "near_duplicates",
    "official_lists",
    "read_canvas",
    "read_grid",
    "read_manifest",
    "read_views",
    "sliding_views",
    "split_manifest",
    "square",
    "unit_of",
    "validate",
    "view_batches",
    "write_manifest",
]
