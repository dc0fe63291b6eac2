"""Who may train how long: one budget shared among candidates, and who goes on to the next folds.

Successive halving (Karnin, Koren and Somekh, ICML 2013; Jamieson and Talwalkar, AISTATS 2016). What grows from rung to
rung is the number of folds, so that scores of the same folds are of the same clips. Training grows once, before the
last rung: networks that had too little time share what stopped ones left, and learn the folds before again, so that
all answers of a candidate are of as many epochs, or an epoch less where a fold took too long.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from time import perf_counter

from ..report import duration_text
from .run import write_json

LONGER = 1.5  # times the epochs it had: fewer more are not worth learning the folds before again
SLACK = 1.5  # times what a fold was measured to take, after which it ends all the same
KEEP_EVERY_S = 2.0
FEWEST_EPOCHS = 10  # a whole network that gets fewer has not begun to learn


@dataclass(frozen=True)
class Need:
    """Seconds that a candidate takes.

    once     whatever it does: a frozen encoder's look at every clip
    fold     of every fold, but for its epochs: decoding
    epoch    of every epoch of a fold; 0 where epochs cost nothing to speak of
    epochs   that it should have
    """

    once: float
    fold: float
    epoch: float
    epochs: int

    def seconds(self, folds: float, epochs: int) -> float:
        return self.once + folds * (self.fold + epochs * self.epoch)


@dataclass(frozen=True)
class Share:
    """What a candidate gets: epochs in every fold, and seconds after which a fold's training ends with its epoch."""

    epochs: int
    within_s: float


class Clock:
    """Seconds spent of a budget, kept in a file, so that what an interrupted job spent counts too.

    begun_s  what `perf_counter` said when the job began: reading data counts
    """

    def __init__(self, file: Path, budget_s: float, *, begun_s: float) -> None:
        self._file, self._budget_s, self._begun = file, budget_s, begun_s
        self._before = json.loads(file.read_text(encoding="utf-8"))["seconds"] if file.exists() else 0.0
        self._kept_s = self._before

    @property
    def spent_s(self) -> float:
        return self._before + perf_counter() - self._begun

    @property
    def left_s(self) -> float:
        """Less than 0 where more was spent than there was."""
        return self._budget_s - self.spent_s

    def keep(self) -> None:
        self._kept_s = self.spent_s
        write_json(self._file, {"seconds": self._kept_s})

    def keep_often(self) -> None:
        """Keep, if that was not done for a while: a job may be killed at any time."""
        if self.spent_s > self._kept_s + KEEP_EVERY_S:
            self.keep()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Whatever ends the block, what was spent until then counts, unless the run's folder has gone with it."""
        try:
            yield
        finally:
            if self._file.parent.exists():
                self.keep()


def rungs(folds: int) -> list[tuple[int, ...]]:
    """Which folds each rung adds: the first, the second, all others."""
    return [rung for rung in ((0,), (1,), tuple(range(2, folds))) if rung and max(rung) < folds]


def places(candidates: int, rung: int) -> int:
    """How many go on to a rung: half as many as to the one before, two at least."""
    return min(candidates, max(2, ceil(candidates / 2**rung)))


def trainings(candidates: int, folds: int) -> float:
    """In how many folds a candidate is trained, on average."""
    tried = sum(places(candidates, number) * len(rung) for number, rung in enumerate(rungs(folds)))
    return tried / candidates


def go_on(scores: Mapping[str, float], rung: int, *, always: str, cheap: Collection[str], of: int) -> list[str]:
    """The best, as many as the rung has places for `of` candidates, in the order of `scores`.

    `always` is among them; beside them go those that are so `cheap` that stopping them would save nothing.
    """
    best = sorted((name for name in scores if name != always), key=lambda name: -scores[name])
    kept = {always, *best[: max(1, places(of, rung) - (always in scores))], *cheap}
    return [name for name in scores if name in kept]


def longer(before: Share, fold_s: float, *, epoch_s: float, most: int) -> Share | None:
    """What a network that was cut short gets where it may have `fold_s` a fold; None where that is not worth while.

    epoch_s  what an epoch was measured to take
    most     epochs that it should have
    """
    epochs = min(most, floor(fold_s / epoch_s))
    if epochs < LONGER * before.epochs and epochs < most:
        return None
    return Share(epochs, min(fold_s, SLACK * epochs * epoch_s))


def share_of(need: Need, ceiling_s: float, *, folds: float) -> Share:
    """As many epochs as so many folds can have below the ceiling; it is passed rather than go below FEWEST_EPOCHS."""
    fold_s = (ceiling_s - need.once) / folds
    affords = floor((fold_s - need.fold) / need.epoch) if need.epoch else need.epochs
    epochs = min(need.epochs, max(affords, min(FEWEST_EPOCHS, need.epochs)))
    return Share(epochs, max(fold_s, need.fold + epochs * need.epoch))


def share_out(needs: Mapping[str, Need], budget_s: float, *, folds: int) -> dict[str, Share | str]:
    """What each candidate gets of the budget, or why it gets nothing.

    All have the same ceiling; what the cheap ones leave of theirs is shared among the others.
    """
    tried, left, found = trainings(len(needs), folds), budget_s, {}
    order: Sequence[str] = sorted(needs, key=lambda name: needs[name].seconds(tried, needs[name].epochs))
    for number, name in enumerate(order):
        need, ceiling = needs[name], left / (len(order) - number)
        fewest = need.seconds(1, min(FEWEST_EPOCHS, need.epochs))
        if fewest > ceiling:
            found[name] = (
                f"it needs {duration_text(fewest)} at least, and its share of the budget is "
                f"{duration_text(max(ceiling, 0))}"
            )
            continue
        found[name] = share = share_of(need, ceiling, folds=tried)
        left -= min(ceiling, need.seconds(tried, share.epochs))
    return {name: found[name] for name in needs}
