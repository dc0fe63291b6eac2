"""Files of torch.save, in its zip archive and in its older stream of pickles; TorchScript programs are refused."""

import mmap
import pickle
import re
import warnings
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError
from .pickles import (
    BROKEN,
    ArrayStandIn,
    Blank,
    Budget,
    DtypeStandIn,
    Forgotten,
    Scalar,
    check_pickle,
    damaged,
    numpy_stand_ins,
)

LEGACY_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # a pickled number, the first of five pickles and then the storages
TENSORS = re.compile(
    r"torch\._utils\._rebuild_(tensor|tensor_v2|parameter|parameter_with_state)$"
    r"|torch(\.cuda)?\.(Float|Double|Half|BFloat16|Long|Int|Short|Char|Byte|Bool)Storage$"
    r"|torch\.storage\.(Untyped|Typed)Storage$|torch\.nn\.parameter\.Parameter$"
    r"|torch\.(float|bfloat|int|uint)\d+$|torch\.(Size|device)$|collections\.(OrderedDict|Counter)$"
    r"|builtins\.set$|_codecs\.encode$"
)
FORGOTTEN = (  # settings and logs that official training code saves beside its weights
    "argparse.Namespace",
    "mmengine.logging.history_buffer.HistoryBuffer",
    "pathlib.PosixPath",
)


def read_torch(path: Path) -> tuple[Any, str]:
    """(what was saved, tensors on the CPU; the format's name). Nothing but tensors and plain containers is rebuilt.

    numpy arrays come as `ArrayStandIn`, settings as `Forgotten`. Raises CheckpointError for a pickle that asks for
    anything else (nothing is run), for a TorchScript program, and for damage.
    """
    zipped = zipfile.is_zipfile(path)
    if zipped:
        _check_zip(path)
    else:
        _check_stream(path)
    budget = Budget(path.stat().st_size)
    stand_ins = [(what, name) for name, what in numpy_stand_ins(budget).items()]
    own = [(kind, f"{kind.__module__}.{kind.__name__}") for kind in (ArrayStandIn, Blank, Scalar, DtypeStandIn)]
    settings = [(Forgotten, name) for name in FORGOTTEN]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([*stand_ins, *own, *settings]):
            warnings.simplefilter("ignore")  # a word about the pickle's protocol, on the way to an error that we give
            held = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, AssertionError, OSError, *BROKEN) as error:
        raise damaged(path, _reason(error)) from error
    return held, "PyTorch" if zipped else "PyTorch, legacy"


def _allowed(name: str) -> bool:
    return bool(TENSORS.match(name)) or name in FORGOTTEN or name in numpy_stand_ins(Budget(0))


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
            if "constants.pkl" in entries:
                raise CheckpointError(
                    f"{path}: is a TorchScript archive, a program rather than weights; "
                    "save the state_dict() of the model that it was made from with torch.save"
                )
            if "data.pkl" not in entries:
                raise CheckpointError(
                    f"{path}: is a zip archive that torch.save did not write; unpack it and give the weights inside"
                )
            claimed = sum(entry.file_size for entry in archive.infolist())
            if claimed > path.stat().st_size:
                raise CheckpointError(
                    f"{path}: claims {claimed:,} bytes inside a file of {path.stat().st_size:,}, as torch.save never "
                    "does; do not trust this file and get the weights from their authors"
                )
            program = BytesIO(archive.read(entries["data.pkl"]))
            check_pickle(path, program, allowed=_allowed)
            if (entry := archive.testzip()) is not None:  # torch itself does not look at the checksums
                raise damaged(path, f"the checksum of {entry} disagrees")
    except (zipfile.BadZipFile, RuntimeError, *BROKEN) as error:
        raise damaged(path, error) from error


def _check_stream(path: Path) -> None:
    """Number, protocol, system, the object itself, keys of the storages."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        for _ in range(5):
            check_pickle(path, view, allowed=_allowed)


def _reason(error: BaseException) -> str:
    """torch's own advice is to load the file in an unsafe way; only what it met is told."""
    words = [line for line in str(error).splitlines() if line.strip()]
    met = next((line for line in words if "Unpickl" not in line and "Weights only" not in line), "")
    return met.strip() or type(error).__name__
