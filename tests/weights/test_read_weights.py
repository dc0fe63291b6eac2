"""Every format gives back the tensors that went in; what is damaged, hostile or of another kind is refused."""

import os
import pickle
import re
import struct
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from marey.errors import CheckpointError
from marey.weights import FileFacts, read_weights
from marey.weights.crc32c import crc32c, masked
from official_files import masked_crc, write_caffe2, write_tensorflow, write_torch


def state() -> dict[str, Tensor]:
    return {
        "conv.weight": torch.randn(4, 3, 1, 3, 3),
        "norm.running_var": torch.rand(4),
        "norm.num_batches_tracked": torch.tensor(7),
        "half": torch.randn(2, 2).half(),
        "view": torch.randn(6, 5).T,
    }


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name


def refused(path: Path, sentence: str) -> None:
    with pytest.raises(CheckpointError, match=sentence) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrapper", ["", "model_state", "state_dict", "model", "model_state_dict", "module", "mine"])
@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod."])
def test_torch_files_in_any_wrapping(tmp_path: Path, legacy: bool, wrapper: str, prefix: str) -> None:
    expected = state()
    file = write_torch(tmp_path / "any.name", expected, wrapper=wrapper, prefix=prefix, legacy=legacy)
    tensors, facts = read_weights(file)
    same(tensors, expected)
    assert facts == FileFacts(
        file=file,
        format="PyTorch, legacy" if legacy else "PyTorch",
        wrapper=(wrapper,) if wrapper else (),
        prefix=prefix,
        ignored=("epoch", "optimizer") if wrapper else (),
    )


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_what_training_code_keeps_beside_the_weights_is_left_behind(tmp_path: Path, legacy: bool) -> None:
    layer = nn.Linear(3, 2)
    held = {
        "args": Namespace(lr=0.1, layers=[1, 2]),
        "best": np.float64(77.5),
        "history": np.arange(3),
        "model": {"net": layer.state_dict(), "ema": {}},
        "optimizer": torch.optim.AdamW(layer.parameters()).state_dict(),
    }
    torch.save(held, tmp_path / "last.pt", _use_new_zipfile_serialization=not legacy)
    tensors, facts = read_weights(tmp_path / "last.pt")
    same(tensors, layer.state_dict())
    assert facts.wrapper == ("model", "net")
    assert facts.ignored == ("args", "best", "history", "optimizer", "ema")


def test_one_changed_byte_of_a_torch_file_is_found(tmp_path: Path) -> None:
    file = write_torch(tmp_path / "w.pyth", {"a": torch.arange(3000.0)})
    data = bytearray(file.read_bytes())
    data[data.index(struct.pack("<f", 1234.0))] ^= 1
    file.write_bytes(data)
    refused(file, r"is truncated or damaged \(.*(checksum of .*/data/0 disagrees|CRC).*\); copy or download it again")


def test_numpy_arrays_in_a_torch_file_are_tensors(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    torch.save({"a": torch.ones(2), "b": values, "c": "text"}, tmp_path / "w.pt")
    tensors, facts = read_weights(tmp_path / "w.pt")
    same(tensors, {"a": torch.ones(2), "b": torch.from_numpy(values)})
    assert facts.ignored == ("c",)


def test_safetensors_with_its_metadata(tmp_path: Path) -> None:
    expected = {name: tensor.contiguous() for name, tensor in state().items()}
    save_file(expected, tmp_path / "w.bin", metadata={"format": "pt"})
    tensors, facts = read_weights(tmp_path / "w.bin")
    same(tensors, expected)
    assert facts.format == "safetensors" and facts.metadata == {"format": "pt"}


BLOBS = {
    "conv1_w": np.random.default_rng(0).standard_normal((4, 3, 1, 7, 7)).astype(np.float32),
    "res_conv1_bn_s": np.arange(4, dtype=np.float32),
    "pred_b": np.asfortranarray(np.eye(3)),
}
EXTRA = {"conv1_w_momentum": np.zeros(3, np.float32), "lr": np.array([0.1], np.float32), "model_iter": np.array([5])}


def test_caffe2_pickles_of_python_2(tmp_path: Path) -> None:
    tensors, facts = read_weights(write_caffe2(tmp_path / "model.pkl", BLOBS | EXTRA))
    same(tensors, {name: torch.from_numpy(np.ascontiguousarray(blob)) for name, blob in BLOBS.items()})
    assert facts.format == "Caffe2" and set(facts.ignored) == EXTRA.keys()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_caffe2_pickles_of_python_3(tmp_path: Path, protocol: int) -> None:
    held = {"blobs": BLOBS | EXTRA | {"text": "x", "object": np.array([None, "a"]), "one": np.float32(2)}}
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(held, protocol))
    tensors, facts = read_weights(tmp_path / "model.pkl")
    same(tensors, {name: torch.from_numpy(np.ascontiguousarray(blob)) for name, blob in BLOBS.items()})
    assert {"text", "object", "one", "lr"} <= set(facts.ignored)


def tensorflow_variables() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    found = {"RGB/global_step": np.array(3, np.int64)}
    for block in (
        "Conv3d_1a_7x7",
        *(f"Mixed_{n}/Branch_{b}/Conv3d_0{b}" for n in ("3b", "3c", "4b") for b in range(4)),
    ):
        found[f"RGB/inception_i3d/{block}/conv_3d/w"] = rng.standard_normal((1, 2, 3, 4, 5)).astype(np.float32)
        found[f"RGB/inception_i3d/{block}/conv_3d/w/Momentum"] = np.zeros((1, 2, 3, 4, 5), np.float32)
        found[f"RGB/inception_i3d/{block}/batch_norm/beta"] = rng.standard_normal((1, 1, 1, 1, 5)).astype(np.float32)
    found["RGB/big"] = rng.standard_normal((40, 70))
    return found


@pytest.mark.parametrize("shards, block_entries", [(1, 100), (2, 5), (3, 1)])
def test_tensorflow_checkpoints_by_any_of_their_names(tmp_path: Path, shards: int, block_entries: int) -> None:
    variables = tensorflow_variables()
    index = write_tensorflow(tmp_path / "model.ckpt", variables, shards=shards, block_entries=block_entries)
    for name in ("model.ckpt", "model.ckpt.index", f"model.ckpt.data-00000-of-{shards:05d}"):
        tensors, facts = read_weights(tmp_path / name)
        weights = {n: torch.from_numpy(v) for n, v in variables.items() if "Momentum" not in n and "step" not in n}
        same(dict(sorted(tensors.items())), dict(sorted(weights.items())))
        assert facts.format == "TensorFlow" and facts.file == index
        assert "RGB/global_step" in facts.ignored and len(facts.ignored) == 14


def test_a_damaged_tensorflow_checkpoint_is_refused(tmp_path: Path) -> None:
    index = write_tensorflow(tmp_path / "m", tensorflow_variables(), shards=2, block_entries=5)
    data = tmp_path / "m.data-00001-of-00002"
    good_index, good_data = index.read_bytes(), data.read_bytes()
    for place in (10, len(good_index) // 2):
        index.write_bytes(good_index[:place] + bytes([good_index[place] ^ 1]) + good_index[place + 1 :])
        refused(index, r"m\.index: is truncated or damaged \(the checksum of the block at byte [\d,]+ disagrees\)")
    index.write_bytes(good_index[: len(good_index) // 2] + good_index[-48:])
    refused(index, r"m\.index: is truncated or damaged \(.* bytes, and a block ends at")
    index.write_bytes(good_index)
    data.write_bytes(good_data[:100] + bytes([good_data[100] ^ 1]) + good_data[101:])
    refused(index, r"m\.data-00001-of-00002: is truncated or damaged \(the checksum of RGB/.* disagrees\)")
    data.write_bytes(good_data[:-8])
    refused(index, r"m\.data-00001-of-00002: is truncated or damaged \([\d,]+ bytes, and RGB/.* ends at [\d,]+\)")
    data.unlink()
    refused(index, r"m\.data-00001-of-00002: no such file, and \d+ tensors are in it; put it beside the \.index")
    index.unlink()
    refused(
        tmp_path / "m.data-00000-of-00002", r"m\.index: no such file; it lists what the \.data files beside it hold"
    )


def test_a_cut_index_and_unusual_tables_are_refused(tmp_path: Path) -> None:
    index = write_tensorflow(tmp_path / "m", {"a": np.ones(3, np.float32)}, shards=1)
    good = index.read_bytes()
    index.write_bytes(good[:-20])
    refused(index, "is of an unknown kind")
    first_end = _first_block_end(good)
    packed = (
        good[:first_end] + b"\x01" + struct.pack("<I", masked_crc(good[:first_end] + b"\x01")) + good[first_end + 5 :]
    )
    index.write_bytes(packed)
    refused(index, r"has compressed blocks \(kind 1\), as TensorFlow does not write; save it again there")


def _first_block_end(table: bytes) -> int:
    """Where the type byte of the first block is: the length for which the checksum behind it holds."""
    for end in range(8, len(table) - 5):
        if struct.pack("<I", masked_crc(table[: end + 1])) == table[end + 1 : end + 5]:
            return end
    raise AssertionError("no block")


@given(st.binary(max_size=3000))
def test_the_checksum_is_that_of_its_definition(data: bytes) -> None:
    assert masked(crc32c(data)) == masked_crc(data)


def test_the_checksum_of_known_bytes() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
    assert crc32c(bytes(range(256)) * 1000) == crc32c(memoryview(bytes(range(256)) * 1000))


class Call:
    """Unpickles to the call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.arguments


@pytest.mark.parametrize("kind", ["zip", "legacy", "caffe2", "caffe2-4", "caffe2-0"])
@pytest.mark.parametrize("where", ["beside", "inside"])
def test_nothing_in_a_file_is_ever_run(tmp_path: Path, kind: str, where: str) -> None:
    """Each of the files would leave `ran` behind if it were opened as Python opens it."""
    ran = tmp_path / "ran"
    hostile = {
        r"(posix|nt)\.system": Call(os.system, f"touch {ran}"),
        r"builtins\.eval": Call(eval, f"open({str(ran)!r}, 'w')"),
        r"builtins\.getattr": Call(getattr, Path, "touch"),
        r"pathlib\.Path\.touch|builtins\.getattr": Call(Path.touch, ran),
        r"builtins\.bytearray": Call(bytearray, 10**13),
    }
    for asked, call in hostile.items():
        weights = {"w": torch.ones(2)} if kind in ("zip", "legacy") else {"w": np.ones(2, np.float32)}
        inner = {**weights, "x": call} if where == "inside" else weights
        held = {"state_dict": inner, "blobs": inner, "epoch": call if where == "beside" else 1}
        file = tmp_path / "weights"
        if kind.startswith("caffe2"):
            file.write_bytes(pickle.dumps(held, int(kind[7:] or 2)))
        else:
            torch.save(held, file, _use_new_zipfile_serialization=kind == "zip")
        refused(file, rf"weights: asks Python for ({asked}) as it is opened, which weights never need; nothing was run")
        assert not ran.exists()


@pytest.mark.parametrize("legacy", [True, False])
def test_a_whole_model_is_called_one_and_an_act_of_the_system_is_not(tmp_path: Path, legacy: bool) -> None:
    net, file = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), tmp_path / "w"
    torch.save({"epoch": 3, "model": net}, file, _use_new_zipfile_serialization=not legacy)
    refused(
        file, r"holds a pickled model object \(torch\.nn\.modules\.container\.Sequential\), not its weights; nothing"
    )
    ran = tmp_path / "ran"
    torch.save({"model": net, "x": Call(os.system, f"touch {ran}")}, file, _use_new_zipfile_serialization=not legacy)
    refused(file, r"asks Python for posix\.system as it is opened, which weights never need")
    assert not ran.exists()


def test_names_that_a_pickle_puts_together_are_refused(tmp_path: Path) -> None:
    """The last two strings are harmless and thrown away: a list of opcodes shows them, the reader meets the others."""
    strings = [b"posix", b"system", b"numpy", b"dtype"]
    pushed = b"".join(b"\x8c" + bytes([len(text)]) + text for text in strings)
    (tmp_path / "w").write_bytes(b"\x80\x04" + pushed + b"00\x93\x8c\x04true\x85R.")
    refused(tmp_path / "w", r"asks Python for posix\.system as it is opened")
    (tmp_path / "w").write_bytes(b"\x80\x02\x82\x01.")
    refused(tmp_path / "w", "asks Python for extension 1 as it is opened")


def test_small_files_that_claim_much_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb"
    file.write_bytes(b"\x80\x02}r\xff\xff\xff\x7f.")  # a memo of two thousand million entries
    refused(file, r"is truncated or damaged \(its memo claims 2147483647 entries after 3 opcodes\)")
    file.write_bytes(b"\x80\x04\x8e" + struct.pack("<Q", 1 << 50) + b"abc.")
    refused(file, "is truncated or damaged")
    torch.save({"w": torch.ones(1).expand(10**9)}, file)
    refused(file, r"claims \(1000000000,\) for w in a file of [\d,]+ bytes; it is damaged or hostile")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle.dumps({"w": 1}, 2))
        archive.writestr("a/data/0", bytes(10**6))
    refused(file, r"claims 1,000,\d+ bytes inside a file of [\d,]+, as torch\.save never does")


def test_an_array_that_is_repeated_beyond_the_file_is_refused(tmp_path: Path) -> None:
    """One string of bytes, filled into many arrays by its place in the memo."""
    data = bytes(50_000)
    text = b"T" + struct.pack("<i", len(data)) + data + b"q\x00"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNK\x00K\x00K\x00tb"
    blank = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    fill = b"(K\x01(J" + struct.pack("<i", len(data)) + b"t" + dtype + b"\x89h\x00tb"
    many = b"".join(b"U\x02%02d" % n + blank + fill for n in range(20))
    (tmp_path / "w").write_bytes(b"\x80\x02" + text + b"0}U\x05blobs}(" + many + b"us.")
    refused(tmp_path / "w", r"is truncated or damaged \(its arrays claim more bytes than the file has\)")


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def torchscript(path: Path) -> None:
    """The entries that tell such an archive; scripting itself is not needed."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps({}, 2))
        archive.writestr("m/constants.pkl", pickle.dumps((), 2))
        archive.writestr("m/code/__torch__.py", "")


def test_what_holds_no_weights_is_named(tmp_path: Path) -> None:
    good = write_torch(tmp_path / "good", state()).read_bytes()
    old = write_torch(tmp_path / "old", state(), legacy=True).read_bytes()
    torchscript(tmp_path / "script")
    torch.save(Doubled(), tmp_path / "whole")
    torch.save([1, 2], tmp_path / "list")
    torch.save({}, tmp_path / "nothing")
    torch.save({"a": {"w": torch.ones(1)}, "b": {"w": torch.ones(1)}}, tmp_path / "two")
    (tmp_path / "folder").mkdir()
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("a.txt", "a")
    save_file({"w": torch.ones(100)}, tmp_path / "tensors")
    for name, content in {
        "cut": good[: len(good) // 2],
        "old-cut": old[:-100],
        "old-head": old[:60],
        "caffe2-cut": write_caffe2(tmp_path / "c", BLOBS).read_bytes()[:-300],
        "other-pickle": pickle.dumps([1, 2, 3], 2),
        "empty": b"",
        "page": b"<!DOCTYPE html>",
        "pointer": b"version https://git-lfs.github.com/spec/v1",
        "keras": b"\x89HDF\r\n",
        "text": b"once upon a time",
        "tensors-cut": (tmp_path / "tensors").read_bytes()[:-8],
    }.items():
        (tmp_path / name).write_bytes(content)
    for name, sentence in {
        "script": r"is a TorchScript archive, a program rather than weights; save the state_dict\(\)",
        "whole": r"holds a pickled model object \(.*Doubled\), not its weights; nothing was run, so save",
        "list": r"holds no tensors by name \(it holds a list\); save the state_dict\(\) of the model",
        "nothing": r"holds no tensors by name \(it holds nothing\)",
        "two": r"holds no tensors by name \(it holds a, b\)",
        "zip": r"is a zip archive that torch\.save did not write; unpack it",
        "cut": r"is truncated or damaged",
        "old-cut": r"is truncated or damaged \(.*\); copy or download it again",
        "old-head": r"is truncated or damaged",
        "caffe2-cut": r"is truncated or damaged",
        "other-pickle": r"is a pickle, but not of Caffe2 blobs \(a dict of numpy arrays\); if PyTorch wrote it",
        "empty": r"is empty; copy or download it again",
        "page": r"is a web page or XML, so the download probably failed; PyTorch .* are read",
        "pointer": r"is a pointer of Git LFS, so fetch the file itself",
        "keras": r"is an HDF5 file \(Keras\); PyTorch",
        "text": r"is of an unknown kind; PyTorch",
        "tensors-cut": r"is truncated or damaged",
        "folder": r"is a folder; give the file of weights inside it",
        "missing": r"no such file; check the path",
    }.items():
        refused(tmp_path / name, rf"^{re.escape(str(tmp_path / name))}: {sentence}")
