"""Averages of what the steps report."""

from collections.abc import Mapping
from math import isfinite

import torch
from accelerate import Accelerator
from torch import Tensor

from .divergence import judge
from .state import Position


class Tally:
    """Adds up figures into a Position. They stay on the device until `flush`, so that a GPU need not be waited for.

    longest  how many steps in a row a loss may not be too high
    """

    def __init__(self, accelerator: Accelerator, at: Position, *, longest: int) -> None:
        self._accelerator, self._at, self._longest = accelerator, at, longest
        self._waiting: list[tuple[int, int, float, dict[str, Tensor | float]]] = []

    def add(self, samples: int, figures: dict[str, Tensor | float], *, step: int, rate: float) -> None:
        self._waiting.append((samples, step, rate, figures))

    def flush(self) -> Mapping[str, float]:
        """Brings the sums up to date, over all processes; returns the figures of the last step.

        Raises Diverged, naming the step, where training cannot go on.
        """
        last: dict[str, float] = {}
        if not self._waiting:
            return last
        names = list(self._at.sums or self._waiting[0][3])
        figures = torch.stack([self._row(names, f) for _, _, _, f in self._waiting])
        weights = torch.tensor([[float(n)] for n, *_ in self._waiting], device=self._accelerator.device)
        if self._accelerator.num_processes > 1:
            figures, weights = self._accelerator.reduce((figures * weights, weights), "sum")
            figures = figures / weights
        for (_, step, rate, _), row, (weight,) in zip(self._waiting, figures.tolist(), weights.tolist(), strict=True):
            last = dict(zip(names, row, strict=True))
            judge(self._at, last, step, rate, longest=self._longest)
            self._at.samples += weight
            for name, value in last.items():
                self._at.sums[name] = self._at.sums.get(name, 0.0) + value * weight
        self._waiting.clear()
        return last

    def means(self) -> dict[str, float]:
        """The finite ones of the epoch; the sums start again."""
        means = {name: total / self._at.samples for name, total in self._at.sums.items() if isfinite(total)}
        self._at.sums, self._at.samples = {}, 0.0
        return means

    def _row(self, names: list[str], figures: dict[str, Tensor | float]) -> Tensor:
        if list(figures) != names:
            raise ValueError(f"a step reported {list(figures)}, an earlier one {names}; each must report the same")
        device = self._accelerator.device
        return torch.stack([torch.as_tensor(figures[n], dtype=torch.float32, device=device).reshape(()) for n in names])
