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

from official_files import write_caffe2, write_torch

# Beginning of a pair's name -> (suffix, wrapper, prefix) of the file that its users have.
FILES = {
    "psf_": (".pyth", "model_state", ""),
    "ptv_": (".pyth", "model_state", ""),
    "motionformer_": (".pyth", "model_state", ""),
    "glore_": (".pth", "state_dict", "module."),
    "mfnet_": (".pth", "state_dict", "module."),
    "fishnet": (".tar", "state_dict", "module."),
    "i3d_inception_": (".pt", "", ""),
    "tv_": (".pth", "", ""),
    "d14_oct_": (".pth", "", ""),
    "videomae_": (".pth", "module", ""),
    "hf_": (".bin", "", ""),
}
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
        values = filled(key, shape_of(sizes), gain)
        for part, factor in scale.items():
            if part in key and values.dtype.kind == "f":
                values = values * np.float32(factor)
        state[key] = torch.from_numpy(values)
    inputs = {key: torch.from_numpy(normal(f"{name}/{key}", shape)) for key, shape in facts["inputs"].items()}
    return Golden(name, facts, state, inputs)


def write_official(folder: Path, name: str, golden: Golden) -> Path:
    """The pair as an official file: for NAME.caffe2 the pickle of blobs, else what torch.save wrote."""
    if name.endswith(".caffe2"):
        rows = [row.split("\t") for row in (GOLDEN / f"{name}.tsv").read_text().splitlines()]
        blobs = {blob: golden.state[key].reshape(shape_of(sizes)).numpy() for blob, key, sizes in rows}
        momentum = {f"{blob}_momentum": 0 * values for blob, values in list(blobs.items())[:3]}
        return write_caffe2(folder / f"{golden.name}.pkl", blobs | momentum | {"lr": np.array([0.1], np.float32)})
    suffix, wrapper, prefix = next(kind for start, kind in FILES.items() if name.startswith(start))
    legacy = suffix in (".tar", ".pt")  # those files are older than torch's zip archive
    return write_torch(folder / f"{name}{suffix}", golden.state, wrapper=wrapper, prefix=prefix, legacy=legacy)


def shape_of(sizes: str) -> tuple[int, ...]:
    return tuple(int(size) for size in sizes.split(",") if size)


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
