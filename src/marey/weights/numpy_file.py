"""Arrays of numpy in a zip archive: numpy's .npz, or .npy files packed with any zip program. Nothing is unpickled."""

import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError
from .pickles import BROKEN, damaged

MOST_PACKED = 4  # times; numbers of trained weights hardly pack at all


def is_numpy(path: Path) -> bool:
    """Whether it is a zip archive of .npy files alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, *BROKEN):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_numpy(path: Path) -> dict[str, Tensor]:
    """The arrays by the names of their files, without folder and suffix."""
    found: dict[str, Tensor] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            claimed, size = sum(entry.file_size for entry in entries), path.stat().st_size
            if claimed > MOST_PACKED * size:
                raise CheckpointError(
                    f"{path}: claims {claimed:,} bytes inside a file of {size:,}, as weights never do; "
                    "do not trust this file and get the weights from their authors"
                )
            for entry in entries:
                with archive.open(entry) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
                found[PurePosixPath(entry.filename).stem] = torch.from_numpy(np.ascontiguousarray(array))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, *BROKEN) as error:
        raise damaged(path, error) from error
    return found
