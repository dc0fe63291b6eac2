"""Caffe2 weights as Detectron and PySlowFast wrote them: a pickle of {"blobs": {name: array}}, by Python 2."""

import mmap
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from .pickles import BROKEN, Budget, ToBytes, arrays_of, check_pickle, damaged, hostile, numpy_stand_ins

NOT_WEIGHTS = re.compile(r"_(momentum|grad)$|^(gpu_\d+/)?(lr|iter|ITER|model_iter|cur_iter|train_iter)$")


class _Reader(pickle.Unpickler):
    """Finds nothing but stand-ins for numpy arrays: a name that is not in the list refuses the file."""

    def __init__(self, path: Path, file: Any, names: dict[str, Any]) -> None:
        super().__init__(file, encoding="latin1")
        self.path, self.names = path, names

    def find_class(self, module: str, name: str) -> Any:
        asked = f"{module}.{name}"
        if asked not in self.names:
            raise hostile(self.path, asked)
        return self.names[asked]


def read_caffe2(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """({blob: tensor}, names of what was left out: momentum, learning rate, counters, what is no array).

    Raises CheckpointError for a pickle that asks for anything but numpy arrays (nothing is run), that is damaged, or
    that holds no blobs.
    """
    budget = Budget(path.stat().st_size)
    names = numpy_stand_ins(budget) | {"_codecs.encode": ToBytes(budget), "collections.OrderedDict": dict}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        check_pickle(path, view, allowed=names.__contains__)
        view.seek(0)
        try:
            held = _Reader(path, view, names).load()
        except (pickle.UnpicklingError, *BROKEN) as error:
            raise damaged(path, error) from error
    blobs = held.get("blobs", held) if isinstance(held, dict) else None
    if not isinstance(blobs, dict) or not (arrays := arrays_of(blobs)):
        raise CheckpointError(
            f"{path}: is a pickle, but not of Caffe2 blobs (a dict of numpy arrays); "
            "if PyTorch wrote it, save it again with torch.save"
        )
    kept = {name: array for name, array in arrays.items() if not NOT_WEIGHTS.search(name)}
    return {name: torch.from_numpy(array) for name, array in kept.items()}, tuple(
        str(name) for name in blobs if name not in kept
    )
