"""What is asked of a representation: targets, loss, and the decoding of scores into results."""

from .mirror import mirror_columns, sided_pairs
from .recognize import EventRule, Recognition, cell_scores, events

__all__ = ["EventRule", "Recognition", "cell_scores", "events", "mirror_columns", "sided_pairs"]
