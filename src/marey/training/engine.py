"""Accelerate, set up for one run and cleared away after it."""

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState, GradientState
from torch import Tensor, nn

from ..errors import UsageError
from .device import pick_device, process_place
from .recipe import Precision


@contextmanager
def engine(device: str, precision: Precision) -> Iterator[Accelerator]:
    """An Accelerator on the device, with the processes of torchrun where it started us.

    Accelerate keeps its choices for the life of the process; they are forgotten before and after, so that runs of
    different devices and precisions can follow each other. The random state of the caller is kept from harm.
    """
    _, processes = process_place()
    chosen = pick_device(device)
    if processes > 1 and chosen.type == "cuda" and chosen != pick_device("cuda"):
        raise UsageError(f"device is {device!r} under torchrun, which gives each process its own GPU; say cuda or auto")
    if precision == "bf16" and not _has_bf16(chosen):
        raise UsageError(f"{chosen} does not compute in bf16; use precision fp32 there")
    _forget()
    with ExitStack() as stack:
        stack.callback(_forget)
        stack.enter_context(torch.random.fork_rng([chosen.index] if chosen.type == "cuda" else []))
        if processes == 1:
            stack.enter_context(_environment("ACCELERATE_TORCH_DEVICE", str(chosen)))
        # A broadcast of the buffers in every forward pass would come out of step when one process repeats a pass that
        # did not fit; `share` brings them together where that matters.
        handler = DistributedDataParallelKwargs(broadcast_buffers=False)
        yield Accelerator(
            cpu=chosen.type == "cpu", mixed_precision="bf16" if precision == "bf16" else "no", kwargs_handlers=[handler]
        )


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu"


def _forget() -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def spread(accelerator: Accelerator, module: nn.Module, *, unused: bool) -> nn.Module:
    """The module prepared for training, in DistributedDataParallel where there are several processes; `unused` tells
    whether it has parameters that a step does not use."""
    if accelerator.ddp_handler is not None:
        accelerator.ddp_handler.find_unused_parameters = unused
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)  # torch 2.13
        return accelerator.prepare(module)


def share(accelerator: Accelerator, tensors: Iterable[Tensor]) -> None:
    """Gives every process the main one's values."""
    if accelerator.num_processes > 1:
        for tensor in tensors:
            values = tensor.detach().contiguous()
            torch.distributed.broadcast(values, src=0)
            tensor.detach().copy_(values)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
