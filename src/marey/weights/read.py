"""A file of weights to tensors by name, whoever wrote it; what it is shows in its content, never in its suffix."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import CheckpointError
from .caffe2_file import read_caffe2
from .numpy_file import is_numpy, read_numpy
from .pickles import ArrayStandIn, damaged
from .tensorflow_file import read_tensorflow, tensorflow_index
from .torch_file import LEGACY_MAGIC, read_torch

WRAPPERS = ("model_state", "state_dict", "model_state_dict", "model", "module", "net", "network", "weights")
PREFIXES = ("module.", "_orig_mod.", "model.")  # of DataParallel, of torch.compile, of Lightning
KINDS = (
    "PyTorch (.pth, .pyth, .pt, .tar, .bin), safetensors, Caffe2 (.pkl), TensorFlow (.index) and numpy (.npz) are read"
)
_OTHERS = (
    (b"\x89HDF", "an HDF5 file (Keras)"),
    (b"GGUF", "a GGUF file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"MATLAB", "a MATLAB file"),
    (b"\x93NUMPY", "a numpy array"),
    (b"<", "a web page or XML, so the download probably failed"),
    (b"version https://git-lfs", "a pointer of Git LFS, so fetch the file itself with git lfs pull"),
)


@dataclass(frozen=True)
class FileFacts:
    """What a file of weights is, apart from its tensors.

    file      what was read; of a TensorFlow checkpoint its index
    format    as a person calls it
    wrapper   the keys under which the tensors lay, outermost first
    prefix    what every name began with and was taken off
    ignored   what else the file holds: epoch, optimizer, momentum
    metadata  the text entries of a safetensors header
    """

    file: Path
    format: str
    wrapper: tuple[str, ...] = ()
    prefix: str = ""
    ignored: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_weights(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], FileFacts]:
    """(tensors on the CPU by the names in the file, what the file is).

    Wrappers such as {"state_dict": ...} and prefixes such as `module.` are taken off. No code from the file is ever
    run. Raises CheckpointError, one sentence with the cure, for what is missing, damaged, hostile or of another kind.
    """
    path = Path(path)
    if index := tensorflow_index(path):
        tensors, ignored = read_tensorflow(index)
        return tensors, FileFacts(index, "TensorFlow", ignored=ignored)
    start = _start(path)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= 100_000_000:
        return _safetensors(path)
    if start.startswith(b"PK") and is_numpy(path):
        return read_numpy(path), FileFacts(path, "numpy")
    if start.startswith(b"PK") or LEGACY_MAGIC in start[:24]:
        held, kind = read_torch(path)
        tensors, facts = unwrapped(path, held, kind)
        _refuse_claims(path, tensors)
        return tensors, facts
    if re.match(rb"\x80[\x02-\x05]|\(d|\}q|\(l|c\w", start):
        tensors, ignored = read_caffe2(path)
        _refuse_claims(path, tensors)
        return tensors, FileFacts(path, "Caffe2", wrapper=("blobs",), ignored=ignored)
    kind = next((what for magic, what in _OTHERS if start.startswith(magic)), "of an unknown kind")
    raise CheckpointError(f"{path}: is {kind}; {KINDS}")


def unwrapped(path: Path, held: Any, kind: str) -> tuple[dict[str, Tensor], FileFacts]:
    """What torch.save was given, as a plain state dict; CheckpointError names what it holds instead."""
    wrapper, ignored = list[str](), list[str]()
    while isinstance(held, Mapping) and not any(isinstance(item, Tensor) for item in held.values()):
        inner = [key for key, item in held.items() if isinstance(item, Mapping) and _has_tensors(item)]
        named = [key for key in WRAPPERS if key in inner] or inner
        if not named or (len(named) > 1 and named[0] not in WRAPPERS):
            break
        wrapper.append(str(named[0]))
        ignored += [str(key) for key in held if key != named[0]]
        held = held[named[0]]
    tensors = _tensors(held) if isinstance(held, Mapping) else {}
    if not tensors:
        found = ", ".join(map(str, list(held)[:5])) if isinstance(held, Mapping) else f"a {type(held).__name__}"
        raise CheckpointError(
            f"{path}: holds no tensors by name (it holds {found or 'nothing'}); save the state_dict() of the model"
        )
    ignored += [str(name) for name in held if name not in tensors]
    prefix = ""
    while taken := next((p for p in PREFIXES if all(name.startswith(p) for name in tensors)), ""):
        tensors = {name.removeprefix(taken): tensor for name, tensor in tensors.items()}
        prefix += taken
    return tensors, FileFacts(path, kind, tuple(wrapper), prefix, tuple(ignored))


def _has_tensors(item: Mapping[Any, Any], depth: int = 3) -> bool:
    """Whether there are tensors by name in it or in what it wraps."""
    return any(
        isinstance(key, str)
        and (isinstance(value, Tensor) or (depth and isinstance(value, Mapping) and _has_tensors(value, depth - 1)))
        for key, value in item.items()
    )


def _tensors(held: Mapping[Any, Any]) -> dict[str, Tensor]:
    found = {}
    for name, item in held.items():
        value = torch.from_numpy(item.value) if isinstance(item, ArrayStandIn) and item.value is not None else item
        if isinstance(name, str) and isinstance(value, Tensor) and value.layout is torch.strided:
            found[name] = value.detach()
    return found


def _safetensors(path: Path) -> tuple[dict[str, Tensor], FileFacts]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise damaged(path, error) from error
    tensors, facts = unwrapped(path, tensors, "safetensors")
    return tensors, replace(facts, metadata=metadata)


def _start(path: Path) -> bytes:
    if path.is_dir():
        raise CheckpointError(f"{path}: is a folder; give the file of weights inside it")
    if not path.exists():
        raise CheckpointError(f"{path}: no such file; check the path")
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise CheckpointError(f"{path}: is empty; copy or download it again")
    return start


def _refuse_claims(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """A few bytes can claim a tensor of any size by repeating them; weights are as large as their file."""
    size = path.stat().st_size
    for name, tensor in tensors.items():
        if tensor.numel() * tensor.element_size() > size:
            raise CheckpointError(
                f"{path}: claims {tuple(tensor.shape)} for {name} in a file of {size:,} bytes; "
                "it is damaged or hostile, so get the weights from their authors"
            )
