"""The state of a training run: all that a later process needs to go on as if nothing had happened."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from ..errors import UsageError
from .checkpoint import check_format, code_version, load_into
from .ema import MovingAverage
from .optimizer import load_optimizer, optimizer_tensors
from .tensorfile import read_tensors, write_tensors

FORMAT = 1


@dataclass
class Position:
    """Where a run is. Plain JSON; floats survive the trip exactly.

    epoch, batch   epochs finished; batches of the next one that are done
    step           optimizer steps in all
    samples, sums  of the epoch under way: samples seen, and each figure's sum over them
    seconds, waited  of the epoch under way: time spent, and the part of it that waited for data
    micro          samples that fit into memory at once, once that was found too many
    best, best_epoch, stale  of the monitored figure: best value, its epoch, epochs since
    untrained, high  loss of the first step; steps in a row whose loss was far above it
    rate_factor    of the recipe's learning rate: halved whenever training diverged
    setbacks       what was told of each time
    good           the last good position, which `Parts.good` belongs to
    history        the rows of the finished epochs
    done           nothing is left to train
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    samples: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    waited: float = 0.0
    micro: int | None = None
    best: float | None = None
    best_epoch: int | None = None
    stale: int = 0
    untrained: float | None = None
    high: int = 0
    rate_factor: float = 1.0
    setbacks: list[dict[str, Any]] = field(default_factory=list)
    good: dict[str, Any] | None = None
    history: list[dict[str, float | int]] = field(default_factory=list)
    done: bool = False


@dataclass(frozen=True)
class Parts:
    """The tensors of a run.

    best  the model's state at its best epoch, but for frozen parameters; empty before
    good  all others, as they were at the last good position, but for frozen parameters
    """

    model: nn.Module
    optimizer: Optimizer
    average: MovingAverage | None
    best: dict[str, Tensor]
    good: dict[str, Tensor]

    def tensors(self) -> dict[str, Tensor]:
        return self.present() | {f"good.{name}": tensor for name, tensor in self.good.items()}

    def present(self) -> dict[str, Tensor]:
        """All but the last good state."""
        groups: dict[str, Mapping[str, Tensor]] = {
            "model": self.model.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer),
            "average": self.average.tensors if self.average else {},
            "best": self.best,
        }
        return {f"{group}.{name}": tensor for group, named in groups.items() for name, tensor in named.items()}

    def load(self, tensors: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
        """The inverse of `tensors`, or of `present`."""
        groups: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "average": {}, "best": {}, "good": {}}
        for key, tensor in tensors.items():
            group, name = key.split(".", 1)
            groups[group][name] = tensor
        load_into(self.model, groups["model"], path=path)
        load_optimizer(self.optimizer, groups["optimizer"])
        if self.average:
            self.average.load(groups["average"])
        for held, group in ((self.best, "best"), (self.good, "good")):
            held.clear()
            held.update(groups[group])


def save_state(path: Path, position: Position, parts: Parts, plan: Mapping[str, Any]) -> None:
    """`plan` is what must be the same when the run goes on: recipe, batches an epoch, processes."""
    header = {"kind": "state", "format": FORMAT, **code_version(), "plan": plan, "position": asdict(position)}
    write_tensors(path, parts.tensors(), header)


def load_state(path: Path, parts: Parts, plan: Mapping[str, Any]) -> Position:
    """Fills `parts` and returns the position. Raises CheckpointError for a file that is no such state, and UsageError
    where the run was started with another plan, naming what differs."""
    header, tensors = read_tensors(path)
    check_format(path, header, FORMAT)
    if header.get("kind") != "state":
        raise UsageError(f"{path}: is not the state of a training run; move it away or give another folder")
    before = header["plan"]
    differing = [f"{key} was {before.get(key)}, now {plan.get(key)}" for key in plan if before.get(key) != plan[key]]
    if differing:
        raise UsageError(
            f"{path}: the run was started with other settings ({'; '.join(differing)}); "
            "give the same ones to go on with it, or another folder to start anew"
        )
    parts.load(tensors, path)
    return Position(**header["position"])
