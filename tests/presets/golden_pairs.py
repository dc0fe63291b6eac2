"""Facts about official networks: a state dict's keys and shapes in NAME.keys.tsv, its answer in NAME.json.

Weights and inputs are made from names and shapes alone, so that nothing is downloaded: every tensor is drawn from a
generator seeded by the checksum of its key.
"""

import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@dataclass(frozen=True)
class Golden:
    """One pair. `state` is the official state dict, `inputs` the tensors it was run on, `facts` the JSON."""

    name: str
    facts: dict[str, Any]
    state: dict[str, Tensor]
    inputs: dict[str, Tensor]


def read_golden(name: str) -> Golden:
    facts = json.loads((GOLDEN / f"{name}.json").read_text())
    gain, scale = facts.get("gain", 1.0), facts.get("scale", {})
    state = {}
    for row in (GOLDEN / f"{name}.keys.tsv").read_text().splitlines():
        key, _, sizes = row.partition("\t")
        values = filled(key, tuple(int(n) for n in sizes.split(",") if n), gain)
        for part, factor in scale.items():
            if part in key and values.dtype.kind == "f":
                values = values * np.float32(factor)
        state[key] = torch.from_numpy(values)
    inputs = {key: torch.from_numpy(normal(f"{name}/{key}", shape)) for key, shape in facts["inputs"].items()}
    return Golden(name, facts, state, inputs)


def generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def normal(name: str, shape: list[int]) -> np.ndarray:
    return generator(name).standard_normal(shape).astype(np.float32)


def filled(key: str, shape: tuple[int, ...], gain: float) -> np.ndarray:
    """The tensor of one key: counters are 0, variances and gains about 1, the rest keeps activations in range."""
    draw, kind = generator(key), key.rpartition(".")[2]
    if kind == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if kind == "running_var" or (len(shape) <= 1 and kind not in ("bias", "running_mean")):
        values = draw.uniform(0.5, 1.5, shape)
    elif len(shape) <= 1:
        values = 0.1 * draw.standard_normal(shape)
    elif len(shape) == 3 and shape[0] == 1:  # tokens and position embeddings
        values = 0.5 * draw.standard_normal(shape)
    else:
        values = gain * draw.standard_normal(shape) / math.sqrt(math.prod(shape[1:]))
    return np.asarray(values, np.float32)
