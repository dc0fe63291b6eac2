"""Data: what a data set is written as, its one internal manifest, splits that do not leak, and the way to batches."""

from .formats import FORMATS, Format, read_manifest, write_manifest
from .manifest import Manifest, Sample
from .splits import grouped_folds, leaks, split_manifest, unit_of

__all__ = [
    "FORMATS",
    "Format",
    "Manifest",
    "Sample",
    "grouped_folds",
    "leaks",
    "read_manifest",
    "split_manifest",
    "unit_of",
    "write_manifest",
]
