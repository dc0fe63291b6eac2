"""One training loop, checkpoint, schedule, log. Knows no task, no video and no model family."""

from .checkpoint import code_version, load_checkpoint, load_into, save_checkpoint
from .device import free_bytes, measure_memory, pick_device, process_place
from .divergence import Setback
from .log import advice, read_history
from .loop import Fitted, fit
from .loss import binary_cross_entropy, class_weights, effective_beta, log_priors, one_hot, smooth, soft_cross_entropy
from .mix import mix_clips
from .recipe import RANGES, Recipe
from .sampling import interleaved_order, sampled_order, shard, shuffled_order
from .schedule import warmup_cosine
from .tensorfile import file_hash, read_tensors, write_tensors

__all__ = [
    "RANGES",
    "Fitted",
    "Recipe",
    "Setback",
    "advice",
    "binary_cross_entropy",
    "class_weights",
    "code_version",
    "effective_beta",
    "file_hash",
    "fit",
    "free_bytes",
    "interleaved_order",
    "load_checkpoint",
    "load_into",
    "log_priors",
    "measure_memory",
    "mix_clips",
    "one_hot",
    "pick_device",
    "process_place",
    "read_history",
    "read_tensors",
    "sampled_order",
    "save_checkpoint",
    "shard",
    "shuffled_order",
    "smooth",
    "soft_cross_entropy",
    "warmup_cosine",
    "write_tensors",
]
