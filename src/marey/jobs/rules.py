"""Batch, rate and epochs by rule, each with its reason."""

from collections.abc import Mapping
from typing import NamedTuple

from ..report import counted
from ..training import RANGES, Recipe

HEAD_EPOCHS, LINEAR_BATCH = 100, 32
LINEAR_RECIPE = (HEAD_EPOCHS, 0.3, 0.004)  # epochs, rate and weight decay of linear heads
BATCHES = {"linear heads": LINEAR_BATCH, "heads": 64, "whole networks": 16}  # that their rates were found for
LEAST_BATCH = 2  # batch normalization does not learn from one
STEPS_FROM_SCRATCH, LEAST_EPOCHS, MOST_EPOCHS = 2400, 10, 200


class Chosen(NamedTuple):
    """A recipe for batches of so many clips; "epochs", "batch" and "rate" -> why."""

    recipe: Recipe
    batch_size: int
    reasons: Mapping[str, str]

    def told(self) -> str:
        """The three, each with its reason."""
        recipe, why = self.recipe, self.reasons
        epochs = f"{counted(recipe.epochs, 'epoch')} ({why['epochs']})"
        times = f" x {recipe.accumulate}" * (recipe.accumulate > 1)
        return f"{epochs}, batch {self.batch_size}{times} ({why['batch']}), rate {recipe.lr:.3g} ({why['rate']})"


def choose_batch(given: int | None, *, kind: str, most: int | None) -> tuple[int, str]:
    """(clips a batch, why): those that the rate was found for, halved until they fit.

    kind  one of BATCHES
    most  clips that fit into memory; None where that is unknown, or does not matter
    """
    if given is not None:
        return given, "given"
    batch = usual = BATCHES[kind]
    while most is not None and batch > max(most, LEAST_BATCH):
        batch //= 2
    return batch, f"usual for {kind}" if batch == usual else f"memory has no room for the usual {usual}"


def choose_rate(given: float | None, *, usual: float, kind: str, seen: int) -> tuple[float, str]:
    """(learning rate, why): the `usual` one, times the root of how many more clips a step has `seen` than is usual.

    The noise of a step stays the same then (Krizhevsky 2014, arXiv:1404.5997; for Adam Malladi et al., NeurIPS 2022,
    arXiv:2205.10287). Proportional rates (Goyal et al. 2017, arXiv:1706.02677) are for plain SGD with a warm-up.
    """
    if given is not None:
        return given, "given"
    if seen == BATCHES[kind]:
        return usual, f"usual for batch {seen}"
    rate = min(usual * (seen / BATCHES[kind]) ** 0.5, RANGES["lr"][1])
    return rate, f"{usual:g} for batch {BATCHES[kind]}, times the root of {seen}/{BATCHES[kind]}"


def choose_epochs(given: int | None, *, heads: bool, clips: int, batch: int) -> tuple[int, str]:
    """(passes over the data, why): as many as make STEPS_FROM_SCRATCH steps, within bounds; heads are cheap."""
    if given is not None:
        return given, "given"
    if heads:
        return HEAD_EPOCHS, "cheap on kept features"
    steps = max(1, clips // batch)
    epochs = max(LEAST_EPOCHS, min(MOST_EPOCHS, round(STEPS_FROM_SCRATCH / steps)))
    bound = {LEAST_EPOCHS: "the fewest", MOST_EPOCHS: "the most"}.get(epochs)
    return epochs, bound or f"about {STEPS_FROM_SCRATCH} steps over {counted(clips, 'clip')}"
