"""Batches as trees: how many samples they hold, and how to cut them into smaller ones.

Tensors, arrays and lists hold one entry a sample along their first dimension; dicts and tuples group them; anything
else (a number, a string, None) belongs to all samples alike.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from torch import Tensor


def batch_size(batch: Any) -> int:
    """Samples in the batch; 1 for one without tensors, arrays or lists, which cannot be cut.

    Raises ValueError where its parts disagree.
    """
    sizes = set(_sizes(batch))
    if len(sizes) > 1:
        raise ValueError(f"parts of one batch hold {sorted(sizes)} samples; their first dimensions must be equal")
    return sizes.pop() if sizes else 1


def split_batch(batch: Any, most: int | None) -> list[Any]:
    """The batch cut, in order, into the fewest and most equal parts of at most `most` samples; None leaves it whole."""
    size = batch_size(batch)
    if most is None or size <= most:
        return [batch]
    count = -(-size // most)
    edges = [size * i // count for i in range(count + 1)]
    return [_cut(batch, slice(start, end)) for start, end in pairwise(edges)]


def _sizes(batch: Any) -> list[int]:
    if isinstance(batch, Tensor | np.ndarray):
        return [len(batch)] if batch.ndim else []
    if isinstance(batch, list):
        return [len(batch)]
    if isinstance(batch, dict):
        batch = tuple(batch.values())
    return [size for part in batch for size in _sizes(part)] if isinstance(batch, tuple) else []


def _cut(batch: Any, part: slice) -> Any:
    if isinstance(batch, Tensor | np.ndarray):
        return batch[part] if batch.ndim else batch
    if isinstance(batch, list):
        return batch[part]
    if isinstance(batch, dict):
        return {key: _cut(value, part) for key, value in batch.items()}
    if isinstance(batch, tuple):
        parts = [_cut(value, part) for value in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
    return batch
