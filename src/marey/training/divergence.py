"""Divergence, and training in vain: how they are known, and what is done about them."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from torch import Tensor, nn

from ..errors import MareyError
from .state import Parts, Position

TOO_HIGH = 10.0  # times the loss of the untrained model, or 10 where that is below 1, which no untrained one stays at
TOO_LONG = 50  # steps in a row: a few that are too high are noise, or a first overshoot
SHARE = 10  # of a short run, one part in so many is too long
FEWEST = 3  # steps, in the shortest run
GOOD_EVERY = 200  # steps; so many are lost at most, and those it took to know
HALVINGS = 5
LEAST_GAIN = 0.01  # of the loss of blind guesses; what gains less has learned nothing that can be told from them


class Diverged(MareyError):
    """Training cannot go on from here. `what` became of it, at which `step`; `rate` is the one that led there."""

    def __init__(self, what: str, step: int, rate: float) -> None:
        super().__init__(f"{what} at step {step} (learning rate {rate:.3g})")
        self.what, self.step, self.rate = what, step, rate


@dataclass(frozen=True)
class Setback:
    """Training diverged at `step`, and went on from step `back_to` with the rate times `rate_factor` ever since.

    seconds  that were lost
    """

    what: str
    step: int
    back_to: int
    rate_factor: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.what} at step {self.step}; training went back to step {self.back_to}, "
            f"and on at {self.rate_factor:g} times the learning rate"
        )


def too_long(steps: int) -> int:
    """How many steps in a row a loss may not be too high, in a run of so many."""
    return min(TOO_LONG, max(FEWEST, steps // SHARE))


def judge(at: Position, figures: Mapping[str, float], step: int, rate: float, *, longest: int) -> None:
    """Takes note of a step's figures; raises Diverged for one that is not finite, or a loss too high for too long."""
    for name, what in (("loss", "the loss"), ("grad_norm", "the gradient")):
        if not isfinite(figures[name]):
            raise Diverged(f"{what} became {figures[name]}", step, rate)
    if at.untrained is None:
        at.untrained = figures["loss"]
    bound = _bound(at.untrained)
    at.high = at.high + 1 if figures["loss"] > bound else 0
    if at.high == longest:
        what = f"the loss stayed above {bound:.3g} for {longest} steps, from {at.untrained:.3g} before training,"
        raise Diverged(what, step, rate)


def judge_validation(at: Position, loss: float, rate: float) -> None:
    """Raises Diverged after an epoch whose validation loss is not finite, or too high: batch normalization may hide
    from the training loss what has become of the weights."""
    assert at.untrained is not None
    if not loss <= _bound(at.untrained):
        what = f"the validation loss came to {loss:.3g}, from a loss of {at.untrained:.3g} before training,"
        raise Diverged(what, at.step, rate)


def unlearned(at: Position, chance: float | None) -> str | None:
    """What is to be told of a finished run whose loss is hardly better than `chance`, that of blind guesses.

    None for others, and for a single epoch, whose mean has the steps before anything was learned.
    """
    if chance is None or len(at.history) == 1:
        return None
    loss = at.history[(at.best_epoch or len(at.history)) - 1]["loss"]
    if loss < (1 - LEAST_GAIN) * chance:
        return None
    return (
        f"Training has not learned: its loss ended at {loss:.3g}, and blind guesses have {chance:.3g}; "
        "try another learning rate (--lr), a lower one first, or more --epochs, and look at the labels."
    )


def _bound(untrained: float) -> float:
    return TOO_HIGH * max(1.0, untrained)


class LastGood:
    """The last good state: one whose next step had finite figures and no loss that was too high.

    Kept in `at.good` and `parts.good`, which are part of the saved state: a run that was killed goes back to the same
    place as one that was not. It is taken at given steps, never by the clock.
    """

    def __init__(self, parts: Parts, model: nn.Module) -> None:
        self._parts = parts
        self._frozen = {f"model.{name}" for name, p in model.named_parameters() if not p.requires_grad}
        self._candidate: tuple[dict[str, Any], dict[str, Tensor]] | None = None

    def is_due(self, at: Position) -> bool:
        return at.good is None or at.step % GOOD_EVERY == 0

    def take(self, at: Position) -> None:
        """Before a step: a candidate, all figures up to here being known."""
        tensors = {n: t.to("cpu", copy=True) for n, t in self._parts.present().items() if n not in self._frozen}
        self._candidate = asdict(at) | {"good": None}, tensors
        if at.good is None:  # the start, from where one goes on however the first step turns out
            self._keep(at)

    def confirm(self, at: Position) -> None:
        """After the step behind a candidate: it is good, unless the loss was too high."""
        if self._candidate and at.high == 0:
            self._keep(at)
        self._candidate = None

    @property
    def waits(self) -> bool:
        """Whether a candidate waits for the figures of the step behind it."""
        return self._candidate is not None

    def go_back(self, at: Position, found: Diverged) -> tuple[Position, Setback]:
        """Fills the parts with the last good state; returns its position and what is to be told.

        MareyError where that cannot help: nothing was learned in between, or the rate was halved HALVINGS times.
        """
        good = at.good
        assert good is not None  # the start at least
        if found.step == good["step"] or len(at.setbacks) == HALVINGS:
            again = f", after the rate was halved {len(at.setbacks)} times from the last good state" * bool(at.setbacks)
            raise MareyError(
                f"{found}{again}, so training cannot go on: start again with a lower learning rate "
                f"(--lr {found.rate / 10:.2g}), and look for clips or labels that are not as they should be"
            )
        self._candidate = None
        tensors = {name: tensor.clone() for name, tensor in self._parts.good.items()}  # some are learned on in place
        frozen = {name: tensor for name, tensor in self._parts.present().items() if name in self._frozen}
        self._parts.load(
            frozen | tensors | {f"good.{n}": t for n, t in self._parts.good.items()}, "the last good state"
        )
        seconds = _seconds(at) - sum(row["seconds"] for row in good["history"]) - good["seconds"]
        factor = at.rate_factor / 2
        setback = Setback(found.what, found.step, good["step"], factor, seconds)
        kept = {"good": good, "micro": at.micro, "rate_factor": factor, "setbacks": [*at.setbacks, asdict(setback)]}
        return Position(**deepcopy(good) | kept), setback

    def forget(self, at: Position) -> None:
        """At the end there is nothing to go back for."""
        at.good = None
        self._parts.good.clear()

    def _keep(self, at: Position) -> None:
        assert self._candidate
        at.good, tensors = self._candidate
        self._parts.good.clear()
        self._parts.good.update(tensors)


def _seconds(at: Position) -> float:
    return sum(row["seconds"] for row in at.history) + at.seconds
