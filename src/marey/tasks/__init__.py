"""What is asked of a representation: targets, loss, and the decoding of scores into results."""

from .recognize import EventRule, Recognition, cell_scores, events

__all__ = ["EventRule", "Recognition", "cell_scores", "events"]
