"""Checkpoints come back as they were saved; what is no checkpoint is named for what it is."""

import json
import pickle
import re
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from marey.errors import CheckpointError
from marey.training import (
    code_version,
    file_hash,
    load_checkpoint,
    load_into,
    read_tensors,
    save_checkpoint,
    write_tensors,
)

HEADER = {"preset": "tiny", "arguments": {"num_classes": 2}, "clip": {}, "labels": ["a", "b"], "metrics": {}}


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def test_there_and_back(tmp_path: Path) -> None:
    model, other = net(), net()
    save_checkpoint(tmp_path / "run" / "model.safetensors", model, {**HEADER, "window_s": 2.0})
    header, tensors = load_checkpoint(tmp_path / "run" / "model.safetensors")
    load_into(other, tensors, path="model.safetensors")
    assert all(torch.equal(t, other.state_dict()[name]) for name, t in model.state_dict().items())
    assert header == {"kind": "checkpoint", "format": 1, **code_version(), **HEADER, "window_s": 2.0}
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["model.safetensors"]
    assert header["version"] and (header["commit"] is None or re.fullmatch("[0-9a-f]{40}", header["commit"]))


def test_tensors_of_every_kind(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    tensors = {
        "tied": base,
        "tied_too": base,
        "view": base[1],
        "transposed": base.T,
        "channels_last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "bf16": base.bfloat16(),
        "scalar": torch.tensor(3),
        "empty": torch.empty(0, 2),
        "parameter": nn.Parameter(base),
    }
    write_tensors(tmp_path / "t.safetensors", tensors, {})
    _, back = read_tensors(tmp_path / "t.safetensors")
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype and torch.equal(back[name], tensor), name


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, net(), HEADER)
    before = path.read_bytes()

    def full(tensors, name, metadata) -> None:
        Path(name).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("marey.training.tensorfile.save_file", full)
    with pytest.raises(CheckpointError, match=r"cannot be written \(No space left on device\); free space or choose"):
        save_checkpoint(path, net(), HEADER)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_header_must_be_whole(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="checkpoint header lacks clip, metrics"):
        save_checkpoint(tmp_path / "m", net(), {"preset": "x", "arguments": {}, "labels": []})
    with pytest.raises(ValueError, match="has labels of type str, which it cannot be"):
        save_checkpoint(tmp_path / "m", net(), {**HEADER, "labels": "a, b"})
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_checkpoint(tmp_path / "m", net(), {**HEADER, "metrics": {"top1": float("nan")}})
    write_tensors(tmp_path / "m", {}, {"kind": "checkpoint", "format": 1, "preset": "x"})
    with pytest.raises(
        CheckpointError, match="its header lacks arguments, clip, labels, metrics; save the model again"
    ):
        load_checkpoint(tmp_path / "m")
    assert list(tmp_path.iterdir()) == [tmp_path / "m"]


def test_later_formats_and_states_are_refused(tmp_path: Path) -> None:
    write_tensors(tmp_path / "m", {}, {"kind": "checkpoint", "format": 2, "version": "9.1", **HEADER})
    with pytest.raises(CheckpointError, match=r"is of format 2, written by Marey 9\.1, .* reads up to 1; upgrade with"):
        load_checkpoint(tmp_path / "m")
    write_tensors(tmp_path / "m", {}, {"kind": "checkpoint", **HEADER})
    with pytest.raises(CheckpointError, match="its header has no format version"):
        load_checkpoint(tmp_path / "m")
    write_tensors(tmp_path / "m", {}, {"kind": "state", "format": 1})
    with pytest.raises(
        CheckpointError, match=r"is the state of a training run, not a model; give the model.safetensors"
    ):
        load_checkpoint(tmp_path / "m")


class Evil:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def other_files(folder: Path) -> dict[str, str]:
    """File name -> what must be said of it; every file is written into `folder`."""
    save_checkpoint(folder / "good", net(), HEADER)
    good = (folder / "good").read_bytes()
    torch.save({"state_dict": net().state_dict()}, folder / "zip.pth")
    (folder / "old.pkl").write_bytes(pickle.dumps(Evil(folder / "unpickled")))
    (folder / "empty").write_bytes(b"")
    (folder / "head").write_bytes(good[:40])
    (folder / "body").write_bytes(good[:-10])
    (folder / "long").write_bytes(good + b"more")
    (folder / "text").write_text("once upon a time")
    (folder / "run.json").write_text(json.dumps({"a": 1}))
    (folder / "k.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    save_file({"w": torch.ones(2)}, folder / "foreign")
    save_file({"w": torch.ones(2)}, folder / "broken", metadata={"marey": "{"})
    save_file({"w": torch.ones(2)}, folder / "list", metadata={"marey": "[]"})
    with zipfile.ZipFile(folder / "clips.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    (folder / "folder").mkdir()
    cure = r"make a checkpoint of it with `marey weights convert .* OUT\.safetensors --preset NAME`$"
    convert = rf"which is never loaded, since that can run any code; {cure}"
    return {
        "zip.pth": rf"is a torch\.save archive \(a pickle inside a zip\), {convert}",
        "old.pkl": rf"is a Python pickle \(old torch\.save, or Caffe2\), {convert}",
        "clips.zip": "is a zip archive, not a safetensors file",
        "empty": "is empty; copy or download it again",
        "head": r"is truncated or damaged \(40 bytes, .*\); copy or download it again",
        "body": "is truncated or damaged",
        "long": "is truncated or damaged",
        "text": "is of an unknown kind, not a safetensors file; give one that is",
        "run.json": "is a JSON file, not a safetensors file",
        "k.h5": r"is an HDF5 file \(Keras\), not a safetensors file",
        "foreign": f"holds 1 tensors but no Marey header, .* {cure}",
        "broken": "its header is damaged",
        "list": "its header is a list, not an object",
        "folder": "is a folder; give the .safetensors file inside it",
        "missing": "no such file; check the path",
    }


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    for name, sentence in other_files(tmp_path).items():
        with pytest.raises(CheckpointError, match=rf"^{re.escape(str(tmp_path / name))}: {sentence}"):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "unpickled").exists()


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "m").write_bytes(b"x")
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(CheckpointError, match=r"cannot be read \(Permission denied\); check its permissions"):
        load_checkpoint(tmp_path / "m")


def test_a_misfit_is_counted_and_named() -> None:
    model = net()
    tensors = dict(model.state_dict())
    with pytest.raises(CheckpointError) as caught:
        load_into(nn.Sequential(nn.Linear(3, 5)), tensors, path="m.safetensors")
    assert str(caught.value) == (
        "m.safetensors: does not fit Sequential: of its tensors 7 unexpected (1.weight, 1.bias, 1.running_mean, ...), "
        "2 of another shape (0.weight is (4, 3) in the file and (5, 3) in the model, 0.bias is (4,) in the file and "
        "(5,) in the model); take the preset and the classes that it was saved with"
    )
    before = {name: t.clone() for name, t in model.state_dict().items()}
    del tensors["2.bias"]
    with pytest.raises(CheckpointError, match=r"1 missing \(2\.bias\)"):
        load_into(model, {name: t + 1 for name, t in tensors.items()}, path="m")
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


def test_hash(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert file_hash(tmp_path / "f") == "ba7816bf8f01"  # FIPS 180-2's example


def test_changed_bytes_are_found_out(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, nn.Linear(64, 64), HEADER)
    held = bytearray(path.read_bytes())
    held[-1000] ^= 1
    path.write_bytes(held)
    with pytest.raises(CheckpointError, match="is damaged: it holds other tensors than were written; copy or download"):
        load_checkpoint(path)


def test_others_may_read_a_checkpoint(tmp_path: Path) -> None:
    path, other = tmp_path / "model.safetensors", tmp_path / "other"
    save_checkpoint(path, nn.Linear(2, 2), HEADER)
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode
