"""One training loop, checkpoint, schedule, log. Knows no task, no video and no model family."""

from .checkpoint import code_version, load_checkpoint, load_into, save_checkpoint
from .device import free_bytes, measure_memory, pick_device, process_place
from .log import advice, read_history
from .loop import Fitted, fit
from .recipe import Recipe
from .schedule import warmup_cosine
from .tensorfile import file_hash, read_tensors, write_tensors

__all__ = [
    "Fitted",
    "Recipe",
    "advice",
    "code_version",
    "file_hash",
    "fit",
    "free_bytes",
    "load_checkpoint",
    "load_into",
    "measure_memory",
    "pick_device",
    "process_place",
    "read_history",
    "read_tensors",
    "save_checkpoint",
    "warmup_cosine",
    "write_tensors",
]
