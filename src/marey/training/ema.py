"""Moving average of the parameters, which usually generalizes better than their last value."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """Exponential moving average of a module's trainable parameters.

    After Polyak & Juditsky (SIAM J. Control Optim. 1992) in the usual exponential form. The decay of update n is
    min(decay, (1 + n) / (10 + n)), as in TensorFlow's ExponentialMovingAverage, so that short runs forget their start.
    Buffers (batch-norm statistics) are averages already and stay the module's own.
    """

    def __init__(self, module: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self._live = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.tensors: dict[str, Tensor] = {name: p.detach().clone() for name, p in self._live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the parameters after optimizer step `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, p in self._live.items():
            self.tensors[name].lerp_(p, 1 - decay)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Inside, the module has the averaged parameters; afterwards its own again, whatever happened."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def copy_to_module(self) -> None:
        """For good: the module's parameters become the averages."""
        for name, p in self._live.items():
            p.copy_(self.tensors[name])

    def _swap(self) -> None:
        for name, p in self._live.items():
            p.data, self.tensors[name] = self.tensors[name], p.data
