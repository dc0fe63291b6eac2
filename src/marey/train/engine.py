"""Accelerate, set up for one run and cleared away after it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState, GradientState

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
        # Buffers stay each process's own while training: a broadcast in every forward pass would come out of step when
        # one process repeats a pass that did not fit.
        handler = DistributedDataParallelKwargs(broadcast_buffers=False, find_unused_parameters=True)
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
