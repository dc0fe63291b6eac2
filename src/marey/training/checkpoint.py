"""Checkpoints: a model's tensors with all it takes to rebuild and feed it, in one safetensors file."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..errors import CheckpointError
from .tensorfile import read_tensors, write_tensors

FORMAT = 1
REQUIRED = {  # key of the header -> JSON type
    "preset": str,  # name in the table of presets
    "arguments": dict,  # the constructor's keyword arguments
    "clip": dict,  # ClipSpec.to_dict()
    "labels": (list, dict),  # class names in the order of the logits; {head: names} where there are several heads
    "metrics": dict,  # figures with their protocol, as the caller has them
}


def save_checkpoint(
    path: str | os.PathLike[str], model: nn.Module | Mapping[str, Tensor], header: Mapping[str, Any]
) -> None:
    """Writes the model's state with `header`, atomically.

    `header` needs the keys of `REQUIRED` and may hold more, all plain JSON; format, package version and commit are
    added. Raises ValueError for a header that lacks something, CheckpointError where the disk refuses.
    """
    if wrong := _wrong(header):
        raise ValueError(f"checkpoint header {wrong}")
    tensors = model.state_dict() if isinstance(model, nn.Module) else model
    write_tensors(path, tensors, {"kind": "checkpoint", "format": FORMAT, **code_version(), **header})


def load_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(header, tensors on the CPU) of a checkpoint. Nothing is unpickled.

    Raises CheckpointError, with the cure, for a path that is missing, a folder, empty, truncated, of another kind,
    without our header, or written by a newer Marey.
    """
    header, tensors = read_tensors(path)
    if header.get("kind") == "state":
        raise CheckpointError(
            f"{path}: is the state of a training run, not a model; give the model.safetensors beside it"
        )
    check_format(path, header, FORMAT)
    if wrong := _wrong(header):
        raise CheckpointError(f"{path}: its header {wrong}; save the model again with this version")
    return header, tensors


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], *, path: str | os.PathLike[str]) -> None:
    """Copies `tensors` into the module, whose names and shapes must be exactly theirs.

    Raises CheckpointError, one sentence that counts and names what is missing, unexpected or of another shape;
    the module is untouched then. `path` is only for that sentence.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in tensors]
    unexpected = [name for name in tensors if name not in own]
    misshapen = [
        f"{name} is {tuple(tensors[name].shape)} in the file and {tuple(tensor.shape)} in the model"
        for name, tensor in own.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    parts = [
        f"{len(names)} {what} ({_first(names)})"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
        if names
    ]
    if parts:
        raise CheckpointError(
            f"{path}: does not fit {type(module).__name__}: of its tensors {', '.join(parts)}; "
            "take the preset and the classes that it was saved with"
        )
    module.load_state_dict(tensors, strict=True)


def code_version() -> dict[str, str | None]:
    """{"version": of the package, "commit": of the checkout that it runs from, or None}."""
    root = Path(__file__).resolve().parents[3]  # of the repository, if this is src/marey/training/ of a checkout
    commit = None
    if (root / ".git").exists() and (root / "src" / "marey").is_dir():
        try:
            found = subprocess.run(
                ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
            )
            commit = found.stdout.strip() or None
        except FileNotFoundError:  # git itself is not installed
            commit = None
    return {"version": version("marey"), "commit": commit}


def check_format(path: str | os.PathLike[str], header: Mapping[str, Any], known: int) -> None:
    """Raises CheckpointError for a file of a later format than `known`, or of none."""
    found = header.get("format")
    if not isinstance(found, int) or found < 1:
        raise CheckpointError(f"{path}: its header has no format version; save the model again with this version")
    if found > known:
        raise CheckpointError(
            f"{path}: is of format {found}, written by Marey {header.get('version', 'of unknown version')}, and this "
            f"version reads up to {known}; upgrade with `pip install -U marey`"
        )


def _wrong(header: Mapping[str, Any]) -> str | None:
    """What a checkpoint header lacks, as the end of a sentence."""
    if missing := [key for key in REQUIRED if key not in header]:
        return f"lacks {', '.join(missing)}"
    for key, kind in REQUIRED.items():
        if not isinstance(header[key], kind):
            return f"has {key} of type {type(header[key]).__name__}, which it cannot be"
    return None


def _first(names: Sequence[str], count: int = 3) -> str:
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")
