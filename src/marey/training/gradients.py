"""Gradients of the batches of one optimizer step, in as small pieces as the memory asks for."""

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import Tensor, nn

from ..errors import MareyError
from .batch import batch_size, split_batch
from .device import is_out_of_memory
from .engine import spread

Step = Callable[[Any], Mapping[str, Tensor | float]]


class Whole(nn.Module):
    """Model and step as one module, so that autocast and data parallelism wrap the whole of it."""

    def __init__(self, model: nn.Module, step: Step) -> None:
        super().__init__()
        self.model, self.step = model, step

    def forward(self, batch: Any) -> dict[str, Tensor | float]:
        figures = dict(self.step(batch))
        if not isinstance(figures.get("loss"), Tensor):
            raise ValueError(f'a step must return a dict with a tensor "loss"; it returned {list(figures)}')
        return figures


class Gradients:
    """Fills the gradients of the model that `step` uses, for a window of batches at a time.

    `micro` is the number of samples that are known to fit at once; None while every batch did.
    """

    def __init__(self, accelerator: Accelerator, model: nn.Module, step: Step, *, micro: int | None) -> None:
        self._accelerator, self._whole, self.micro = accelerator, Whole(model, step), micro
        self._alone = accelerator.num_processes == 1
        self._rehearsed = self._alone
        if self._alone:
            self._whole = spread(accelerator, self._whole, unused=False)

    def fill(
        self, window: Sequence[Any], *, seed: Callable[[], None], say: Callable[[str], None]
    ) -> tuple[int, dict[str, Tensor | float]]:
        """Gradients of the mean loss over all samples of the window; returns (samples, mean figures).

        What does not fit is cut in two and the window started again, with the same seed. Raises MareyError when one
        sample does not fit.
        """
        if not self._rehearsed:
            self._rehearse(window, seed, say)
            self._rehearsed = True
        figures = self._fitting(window, seed, say)
        return sum(map(batch_size, window)), figures

    def _rehearse(self, window: Sequence[Any], seed: Callable[[], None], say: Callable[[str], None]) -> None:
        """Agrees with the other processes on `micro` before the first step, and finds out whether parameters go unused.

        Once gradients travel between processes, running out of memory can no longer be mended. Gradients and buffers
        are left as they were.
        """
        buffers = [buffer.clone() for buffer in self._whole.buffers()]
        with self._accelerator.autocast():
            self._fitting(window, seed, say)
        unused = any(p.grad is None for p in self._whole.parameters() if p.requires_grad)
        self._whole.zero_grad(set_to_none=True)
        for buffer, before in zip(self._whole.buffers(), buffers, strict=True):
            buffer.copy_(before)
        largest = max(map(batch_size, window))
        found = torch.tensor([-(self.micro or largest), int(unused)], device=self._accelerator.device)
        torch.distributed.all_reduce(found, op=torch.distributed.ReduceOp.MAX)
        if -int(found[0]) < largest:
            self.micro = -int(found[0])
        self._whole = spread(self._accelerator, self._whole, unused=bool(found[1]))

    def _fitting(
        self, window: Sequence[Any], seed: Callable[[], None], say: Callable[[str], None]
    ) -> dict[str, Tensor | float]:
        while True:
            seed()
            if (figures := self._try(window)) is not None:
                return figures
            self._whole.zero_grad(set_to_none=True)
            self._halve(window, say)

    def _try(self, window: Sequence[Any]) -> dict[str, Tensor | float] | None:
        """The figures, or None when memory ran out; gradients are then incomplete."""
        parts = [part for batch in window for part in split_batch(batch, self.micro)]
        total = sum(map(batch_size, parts))
        means: dict[str, Tensor | float] = {}
        travelling = False
        try:
            for number, part in enumerate(parts, 1):
                travels = number == len(parts)
                with nullcontext() if travels else self._accelerator.no_sync(self._whole):
                    figures = self._whole(send_to_device(part, self._accelerator.device, non_blocking=True))
                    share, loss = batch_size(part) / total, figures["loss"]
                    travelling = travels and self._rehearsed and not self._alone
                    self._accelerator.backward(loss * share)
                for name, value in figures.items():
                    value = value.detach() if isinstance(value, Tensor) else value
                    means[name] = means.get(name, 0.0) + value * share
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if travelling:
                raise MareyError(
                    f"out of memory on {self._accelerator.device} while gradients travelled between processes; "
                    "start again with a smaller batch (--batch-size)"
                ) from error
            return None
        return means

    def _halve(self, window: Sequence[Any], say: Callable[[str], None]) -> None:
        """Called outside the handler: there the traceback would keep alive the very tensors that were too many."""
        first, largest = self.micro is None, max(map(batch_size, window))
        fitted = min(self.micro or largest, largest)
        if fitted == 1:
            raise MareyError(
                f"one sample alone does not fit into the memory of {self._accelerator.device}: "
                "take a smaller model, or fewer or smaller frames"
            )
        self.micro = (fitted + 1) // 2
        gc.collect()
        if self._accelerator.device.type == "cuda":
            torch.cuda.empty_cache()
        if first:
            say(
                f"A batch of {largest} does not fit into the memory of {self._accelerator.device}; it goes in parts, "
                "whose gradients add up to the same step."
            )
