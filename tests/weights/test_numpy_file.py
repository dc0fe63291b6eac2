import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from marey.errors import CheckpointError
from marey.weights import read_weights


def test_arrays_come_by_the_names_of_their_files(tmp_path: Path) -> None:
    held = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1, 2])}
    np.savez(tmp_path / "w.npz", allow_pickle=False, **held)
    tensors, facts = read_weights(tmp_path / "w.npz")
    assert facts.format == "numpy" and list(tensors) == list(held)
    assert all(torch.equal(tensors[name], torch.from_numpy(x)) for name, x in held.items())


def test_objects_and_damage_and_bombs_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object))
    with pytest.raises(CheckpointError, match=r"truncated or damaged .*Object arrays cannot be loaded"):
        read_weights(tmp_path / "objects.npz")
    with zipfile.ZipFile(tmp_path / "cut.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00")
    with pytest.raises(CheckpointError, match=r"cut\.npz: is truncated or damaged"):
        read_weights(tmp_path / "cut.npz")
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros(10**6))
    with pytest.raises(CheckpointError, match=r"claims 8,000,128 bytes inside a file of .* do not trust this file"):
        read_weights(tmp_path / "bomb.npz")
