"""Files of weights as official code writes them: PyTorch's, the Caffe2 pickles of Python 2, TensorFlow's."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

TENSORFLOW_TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9}


def write_torch(
    path: Path, state: Mapping[str, Tensor], *, wrapper: str = "", prefix: str = "", legacy: bool = False
) -> Path:
    """{wrapper: {prefix + name: tensor}, "epoch": ..., "optimizer": ...}, or the bare state dict."""
    named = {prefix + name: tensor for name, tensor in state.items()}
    held = {"epoch": 196, wrapper: named, "optimizer": {"state": {}, "lr": 0.1}} if wrapper else named
    torch.save(held, path, _use_new_zipfile_serialization=not legacy)
    return path


def write_caffe2(path: Path, blobs: Mapping[str, np.ndarray]) -> Path:
    """The opcodes that Python 2 and numpy 1 write at protocol 2: names and data are byte strings."""
    short = b"".join(_short_string(name) + _array(array) for name, array in blobs.items())
    path.write_bytes(b"\x80\x02}" + _short_string("blobs") + b"}(" + short + b"us.")
    return path


def _short_string(text: str) -> bytes:
    return b"U" + bytes([len(text)]) + text.encode()


def _array(array: np.ndarray) -> bytes:
    data = np.ascontiguousarray(array).tobytes()
    sizes = b"".join(b"J" + struct.pack("<i", size) for size in array.shape)
    code = f"{array.dtype.kind}{array.dtype.itemsize}"
    fields = b"K\x03U\x01<NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00"
    dtype = b"cnumpy\ndtype\n" + _short_string(code) + b"K\x00K\x01\x87R(" + fields + b"tb"
    blank = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return blank + b"(K\x01(" + sizes + b"t" + dtype + b"\x89T" + struct.pack("<i", len(data)) + data + b"tb"


def write_tensorflow(
    prefix: Path,
    tensors: Mapping[str, np.ndarray],
    *,
    shards: int = 2,
    block_entries: int = 7,
    checksum: Callable[[bytes], int] | None = None,
) -> Path:
    """A checkpoint of version 2: tensors dealt to `shards` in turn, an index of many blocks; returns PREFIX.index.

    `checksum` of a tensor, masked; the own one takes a second for each megabyte.
    """
    data = [bytearray() for _ in range(shards)]
    entries = {b"": _varint_field(1, shards) + _bytes_field(3, _varint_field(1, 1))}
    for number, name in enumerate(sorted(tensors)):
        raw, shard = np.ascontiguousarray(tensors[name]).tobytes(), number % shards
        shape = b"".join(_bytes_field(2, _varint_field(1, size)) for size in tensors[name].shape)
        entries[name.encode()] = (
            _varint_field(1, TENSORFLOW_TYPES[str(tensors[name].dtype)])
            + _bytes_field(2, shape)
            + (_varint_field(3, shard) if shard else b"")
            + (_varint_field(4, len(data[shard])) if data[shard] else b"")
            + _varint_field(5, len(raw))
            + _varint(6 << 3 | 5)
            + struct.pack("<I", (checksum or masked_crc)(raw))
        )
        data[shard] += raw
    for shard, raw in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}").write_bytes(raw)
    index = prefix.with_name(prefix.name + ".index")
    index.write_bytes(_table(sorted(entries.items()), block_entries))
    return index


def _table(entries: list[tuple[bytes, bytes]], block_entries: int) -> bytes:
    out, handles = bytearray(), []
    for first in range(0, len(entries), block_entries):
        part = entries[first : first + block_entries]
        handles.append((part[-1][0], _put_block(out, part, interval=3)))
    meta = _put_block(out, [], interval=1)
    footer = meta + _put_block(out, handles, interval=1)
    return bytes(out + footer.ljust(40, b"\0") + 0xDB4775248B80FB57.to_bytes(8, "little"))


def _put_block(out: bytearray, entries: list[tuple[bytes, bytes]], *, interval: int) -> bytes:
    """Appends a block (keys share their beginnings but for every `interval`-th) and returns its handle."""
    block, restarts, before = bytearray(), [], b""
    for number, (key, value) in enumerate(entries):
        shared = 0
        if number % interval:
            while shared < min(len(before), len(key)) and before[shared] == key[shared]:
                shared += 1
        else:
            restarts.append(len(block))
        block += _varint(shared) + _varint(len(key) - shared) + _varint(len(value)) + key[shared:] + value
        before = key
    restarts = restarts or [0]
    block += b"".join(struct.pack("<I", place) for place in (*restarts, len(restarts)))
    handle = _varint(len(out)) + _varint(len(block))
    block += b"\0"
    out += block + struct.pack("<I", masked_crc(bytes(block)))
    return handle


def masked_crc(data: bytes) -> int:
    """Bit by bit, after the definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _varint_field(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _bytes_field(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data
