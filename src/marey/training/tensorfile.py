"""Tensors and one JSON header in a safetensors file: written atomically, read strictly, never unpickled."""

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import CheckpointError

HEADER_KEY = "marey"  # the one metadata entry that we write
CHECKSUM = "tensors_sha256"  # key of the header that only this file knows
_SIGNATURES = (  # first bytes -> what such a file is
    (b"\x89HDF", "an HDF5 file (Keras)"),
    (b"GGUF", "a GGUF file"),
    (b"PK", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"{", "a JSON file"),
)


def write_tensors(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Writes under a temporary name in the same folder, then renames: the file is the old one or the new one, whole.

    Tensors that share memory (tied weights) are written out in full. Raises CheckpointError where the disk refuses,
    ValueError for a header that is not plain JSON (NaN included).
    """
    path = Path(path)
    plain = _plain(tensors)
    metadata = {HEADER_KEY: json.dumps({**header, CHECKSUM: checksum(plain)}, allow_nan=False)}
    hidden = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden.touch()
        mode = stat.S_IMODE(hidden.stat().st_mode)  # safetensors writes files that nobody else may read
        save_file(plain, hidden, metadata=metadata)
        hidden.chmod(mode)
        _sync(hidden)
        hidden.replace(path)
        _sync(path.parent)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path}: cannot be written ({reason}); free space or choose another folder") from error
    finally:
        if hidden.is_file():
            hidden.unlink()


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(header, tensors on the CPU). Raises CheckpointError, one sentence for each way to be no such file."""
    path = Path(path)
    refuse_other_files(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        size = path.stat().st_size
        raise CheckpointError(
            f"{path}: is truncated or damaged ({size:,} bytes, {error}); copy or download it again"
        ) from error
    if HEADER_KEY not in metadata:
        raise CheckpointError(
            f"{path}: holds {len(tensors)} tensors but no Marey header, so what model they belong to is unknown; "
            f"{_cure(path)}"
        )
    try:
        header = json.loads(metadata[HEADER_KEY])
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path}: its header is damaged ({error}); copy or download the file again") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: its header is a {type(header).__name__}, not an object; save the model again")
    if header.pop(CHECKSUM, None) not in (None, checksum(tensors)):  # older files have none
        raise CheckpointError(
            f"{path}: is damaged: it holds other tensors than were written; copy or download it again"
        )
    return header, tensors


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256, in hexadecimal, over the names, types, shapes and bytes of CPU tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def refuse_other_files(path: Path) -> None:
    """Raises CheckpointError for what is missing, empty or of another kind, and names what it looks like."""
    if path.is_dir():
        raise CheckpointError(f"{path}: is a folder; give the .safetensors file inside it")
    if not path.exists():
        raise CheckpointError(f"{path}: no such file; check the path")
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if not start:
        raise CheckpointError(f"{path}: is empty; copy or download it again")
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") <= 100_000_000:  # the format's own header limit
        return
    if pickled := _pickled(path, start):
        raise CheckpointError(
            f"{path}: is {pickled}, which is never loaded, since that can run any code; {_cure(path)}"
        )
    kind = next((kind for magic, kind in _SIGNATURES if start.startswith(magic)), None)
    raise CheckpointError(f"{path}: is {kind or 'of an unknown kind'}, not a safetensors file; give one that is")


def _cure(path: Path) -> str:
    return f"make a checkpoint of it with `marey weights convert {path} OUT.safetensors --preset NAME`"


def _pickled(path: Path, start: bytes) -> str | None:
    if start.startswith(b"\x80"):
        return "a Python pickle (old torch.save, or Caffe2)"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("data.pkl") for name in archive.namelist()):
                return "a torch.save archive (a pickle inside a zip)"
    return None


def file_hash(path: str | os.PathLike[str]) -> str:
    """First 12 hexadecimal digits of the file's SHA-256: its name in protocol stamps and cache keys."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU, contiguous, no two sharing memory: what safetensors accepts."""
    plain, seen = {}, set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() != tensor.nbytes:
            tensor = tensor.clone(memory_format=torch.contiguous_format)
        seen.add(storage.data_ptr())
        plain[name] = tensor
    return plain


def _sync(path: Path) -> None:
    """Waits until the disk has it, so that a power cut after the rename finds the content."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
