"""Devices, memory, and batches that are cut when memory is short."""

import ctypes
import gc
import os
import sys
from collections import namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import UsageError
from marey.training import free_bytes, measure_memory, pick_device, process_place
from marey.training.batch import batch_size, split_batch
from marey.training.device import is_out_of_memory
from marey.training.engine import engine

CPU = torch.device("cpu")
Pair = namedtuple("Pair", "frames label")


def test_devices_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device("cpu") == CPU
    assert pick_device("auto") == pick_device("cuda") == torch.device("cuda:0")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(
        UsageError, match=r"device 'cuda:2' is not on this machine.*; use one of cpu, cuda:0, cuda:1, or auto"
    ):
        pick_device("cuda:2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert pick_device("cuda") == torch.device("cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert pick_device("auto") == CPU
    for name in ("mps", "tpu", "cuda:x"):
        with pytest.raises(UsageError, match=f"device '{name}' is not on this machine.*; use one of cpu, or auto"):
            pick_device(name)


def test_a_fixed_gpu_under_torchrun_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert process_place() == (1, 2)
    with (
        pytest.raises(UsageError, match="device is 'cuda:0' under torchrun, which gives each process its own GPU"),
        engine("cuda:0", "fp32"),
    ):
        pass


def test_bf16_needs_a_device_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with (
        pytest.raises(UsageError, match="mps does not compute in bf16; use precision fp32 there"),
        engine("mps", "bf16"),
    ):
        pass


def test_place_without_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert process_place() == (0, 1)


def test_memory_is_measured() -> None:
    with measure_memory(CPU) as memory:
        block = np.ones(300_000_000, np.uint8)
    assert 200_000_000 < memory.peak_bytes < 500_000_000
    assert len(block) and (free := free_bytes(CPU)) and free < 2**50
    assert free_bytes(torch.device("meta")) is None


@pytest.mark.parametrize(
    "error, expected",
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_allocators_are_understood(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) == expected


def test_the_real_allocator_is_understood() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value)


def tree(count: int):
    return {
        "video": torch.arange(count),
        "names": [str(i) for i in range(count)],
        "pair": Pair(np.arange(count), (torch.arange(2 * count).view(count, 2), 5)),
        "scale": torch.tensor(2.0),
        "note": "all",
    }


@given(st.integers(1, 40), st.integers(1, 40))
def test_parts_put_together_are_the_batch(count: int, most: int) -> None:
    batch = tree(count)
    assert batch_size(batch) == count
    parts = split_batch(batch, most)
    sizes = [batch_size(part) for part in parts]
    assert sum(sizes) == count and max(sizes) <= most and max(sizes) - min(sizes) <= 1
    assert torch.equal(torch.cat([part["video"] for part in parts]), batch["video"])
    assert [name for part in parts for name in part["names"]] == batch["names"]
    assert all(isinstance(part["pair"], Pair) and part["pair"].label[1] == 5 for part in parts)
    assert torch.equal(torch.cat([part["pair"].label[0] for part in parts]), batch["pair"].label[0])


def test_batches_without_samples_and_uneven_ones() -> None:
    assert batch_size(None) == 1 and split_batch(3, 1) == [3] and split_batch([1, 2], None) == [[1, 2]]
    with pytest.raises(
        ValueError, match=r"parts of one batch hold \[2, 3\] samples; their first dimensions must be equal"
    ):
        batch_size((torch.ones(2), [1, 2, 3]))


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_TORCH_DEVICE", "meta")
    with engine("cpu", "fp32") as accelerator:
        assert accelerator.device == CPU
    assert os.environ["ACCELERATE_TORCH_DEVICE"] == "meta"


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc only")
def test_memory_that_was_used_before_counts_again() -> None:
    """Small tensors, which the allocator keeps when they are freed."""
    gc.collect()  # what other tests left must not go in the middle of this one
    peaks = []
    for _ in range(2):
        with measure_memory(CPU) as memory:
            held = [torch.ones(4096) for _ in range(2000)]  # 32 MB, 16 kB each, until the block ends
        del held
        peaks.append(memory.peak_bytes / 2**20)
    assert all(20 < peak < 80 for peak in peaks), peaks
