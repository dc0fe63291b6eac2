"""What is asked of a representation: targets, loss, and the decoding of scores into results."""

from .calibration import UNKNOWN, WAYS, Calibration, Outputs, UnknownRule, parse_rate
from .decide import Cells, cells_of, class_thresholds, decide, named, rule_stamp
from .mirror import mirror_columns, sided_pairs
from .recognize import EventRule, Recognition, cell_scores, events

__all__ = [
    "UNKNOWN",
    "WAYS",
    "Calibration",
    "Cells",
    "EventRule",
    "Outputs",
    "Recognition",
    "UnknownRule",
    "cell_scores",
    "cells_of",
    "class_thresholds",
    "decide",
    "events",
    "mirror_columns",
    "named",
    "parse_rate",
    "rule_stamp",
    "sided_pairs",
]
