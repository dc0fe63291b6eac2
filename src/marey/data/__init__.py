"""Data: what a data set is written as, its one internal manifest, splits that do not leak, and the way to batches."""

from .formats import FORMATS, Format, read_manifest, write_manifest
from .loader import FrameStore, Quarantine, TrainingBatches, view_batches
from .manifest import Manifest, Sample
from .reading import canvas_frames, cut, cut_views, read_canvas, read_grid, read_views, square
from .splits import grouped_folds, leaks, split_manifest, unit_of

__all__ = [
    "FORMATS",
    "Format",
    "FrameStore",
    "Manifest",
    "Quarantine",
    "Sample",
    "TrainingBatches",
    "canvas_frames",
    "cut",
    "cut_views",
    "grouped_folds",
    "leaks",
    "read_canvas",
    "read_grid",
    "read_manifest",
    "read_views",
    "split_manifest",
    "square",
    "unit_of",
    "view_batches",
    "write_manifest",
]
