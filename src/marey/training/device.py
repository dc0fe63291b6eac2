"""Which device to compute on, how many processes there are, and what memory the work takes."""

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import UsageError


def pick_device(name: str = "auto") -> torch.device:
    """The device called "cpu", "cuda", "cuda:1" or "mps"; "auto" takes the first of CUDA, MPS and CPU that is there.

    Under torchrun "auto" and "cuda" are the GPU of the process's local rank. Raises UsageError for a device that this
    machine, or this build of torch, does not have, and names those that it has.
    """
    there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        there.append("mps")
    wanted = name
    if name == "auto":
        wanted = "cuda" if len(there) > 1 and there[1] != "mps" else there[-1]
    if wanted == "cuda":
        wanted = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    if wanted not in there:
        cure = "" if torch.backends.cuda.is_built() else " (this torch is built for CPU only)"
        raise UsageError(f"device {name!r} is not on this machine{cure}; use one of {', '.join(there)}, or auto")
    return torch.device(wanted)


def process_place() -> tuple[int, int]:
    """(rank, processes) of this process under torchrun; (0, 1) without it."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def seed_device(seed: int, device: torch.device) -> None:
    """`torch.manual_seed` for the CPU and this device only: 5 us instead of 140 us, which every step pays."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a CUDA, MPS or CPU allocator said that memory is short (each says so in its own way)."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    phrases = ("out of memory", "not enough memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in phrases)


@dataclass
class Memory:
    """`peak_bytes` over the block, above what was in use when it began; final once the block ends."""

    peak_bytes: int = 0


@contextmanager
def measure_memory(device: torch.device, *, every_s: float = 0.01) -> Iterator[Memory]:
    """Measures the block's peak memory: torch's own count on CUDA, else resident memory sampled every `every_s`.

    A peak on the CPU that comes and goes between two samples is missed; on other systems than Linux it stays 0. What
    earlier work has freed is given back to the system first: taken again, it would not be counted.
    """
    memory = Memory()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        try:
            yield memory
        finally:
            memory.peak_bytes = torch.cuda.max_memory_allocated(device) - before
        return
    _give_freed_back()
    before, ended = resident_bytes(), threading.Event()

    def sample() -> None:
        while not ended.wait(every_s):
            memory.peak_bytes = max(memory.peak_bytes, resident_bytes() - before)

    watcher = threading.Thread(target=sample, daemon=True)
    watcher.start()
    try:
        yield memory
    finally:
        ended.set()
        watcher.join()
        memory.peak_bytes = max(memory.peak_bytes, resident_bytes() - before)


def _give_freed_back() -> None:
    """Return to the system what glibc's allocator keeps for later; nothing happens where there is another one."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def resident_bytes() -> int:
    """Resident memory of this process; 0 where /proc is not."""
    path = Path("/proc/self/statm")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if path.exists() else 0


def free_bytes(device: torch.device) -> int | None:
    """Memory that new work on the device could take now; None where that cannot be known.

    On the CPU the smaller of the machine's available memory and what is left of the container's limit (cgroup v2).
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu" or not (meminfo := Path("/proc/meminfo")).exists():
        return None
    line = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable:"))
    free = int(line.split()[1]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and (most := limit.read_text().strip()) != "max":
        free = min(free, max(0, int(most) - int(used.read_text())))
    return free
