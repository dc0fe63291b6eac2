"""TensorFlow's checkpoints, version 2, without TensorFlow: PREFIX.index, a LevelDB table, and shards of raw tensors.

The table maps names to entries (protocol buffers) that say type, shape, shard, offset, size and checksum; the entry
of the empty name counts the shards. Formats: tensorflow/core/protobuf/tensor_bundle.proto, LevelDB's
doc/table_format.md.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError
from .crc32c import crc32c, masked
from .pickles import damaged

FOOTER, MAGIC = 48, 0xDB4775248B80FB57.to_bytes(8, "little")
DATA = re.compile(r"(.+)\.data-\d{5}-of-\d{5}$")
TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?", 14: "bfloat16", 19: "<f2"}
NOT_WEIGHTS = re.compile(
    r"/(Momentum|Adam(_\d)?|RMSProp(_\d)?|Adagrad|ExponentialMovingAverage)$"
    r"|(^|/)(global_step|learning_rate|beta\d_power)$|^_CHECKPOINTABLE|^save_counter"
)


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies. `kind` is TensorFlow's number of its type."""

    kind: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int | None
    sliced: bool


def tensorflow_index(path: Path) -> Path | None:
    """PREFIX.index for any of the three ways to name a checkpoint: PREFIX, PREFIX.index, PREFIX.data-0000N-of-0000M."""
    if found := DATA.match(path.name):
        return path.with_name(found[1] + ".index")
    index = path.with_name(path.name + ".index")
    if not path.exists() and index.is_file():
        return index
    if path.is_file() and path.stat().st_size >= FOOTER:
        with path.open("rb") as file:
            file.seek(-len(MAGIC), 2)
            return path if file.read() == MAGIC else None
    return None


def read_tensorflow(index: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """({variable: tensor}, names of what was left out: slots of the optimizer, counters, text).

    Raises CheckpointError where a shard is missing, bytes are, or a checksum disagrees, and for partitioned variables.
    """
    if not index.is_file():
        raise CheckpointError(
            f"{index}: no such file; it lists what the .data files beside it hold, so keep them together"
        )
    try:
        entries = dict(_table(index, index.read_bytes()))
        header = _fields(entries.pop(b""))
        shards = int(_last(header, 1, 0))
        if _last(header, 2, 0):
            raise CheckpointError(f"{index}: is of a big-endian machine, which is not read; save it again on another")
        variables = {name.decode(): _entry(value) for name, value in entries.items()}
    except (KeyError, IndexError, ValueError, struct.error) as error:
        raise damaged(index, error) from error
    kept = {name: e for name, e in variables.items() if e.kind in TYPES and not NOT_WEIGHTS.search(name)}
    if sliced := [name for name, entry in kept.items() if entry.sliced]:
        raise CheckpointError(
            f"{index}: keeps {sliced[0]} in slices (a partitioned variable), which is not read; save it in one piece"
        )
    prefix = index.name.removesuffix(".index")
    tensors = {}
    for shard in range(shards):
        own = {name: entry for name, entry in kept.items() if entry.shard == shard}
        if own:
            tensors |= _shard(index.with_name(f"{prefix}.data-{shard:05d}-of-{shards:05d}"), own)
    if lost := [name for name in kept if name not in tensors]:
        raise damaged(index, f"{lost[0]} is in shard {kept[lost[0]].shard} of {shards}")
    return {name: tensors[name] for name in kept}, tuple(name for name in variables if name not in kept)


def _shard(path: Path, entries: dict[str, Entry]) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file, and {len(entries)} tensors are in it; put it beside the .index")
    size, found = path.stat().st_size, {}
    with path.open("rb") as file:
        for name, entry in entries.items():
            if entry.offset < 0 or entry.offset + entry.size > size:
                raise damaged(path, f"{size:,} bytes, and {name} ends at {entry.offset + entry.size:,}")
            file.seek(entry.offset)
            data = file.read(entry.size)
            if entry.crc is not None and masked(crc32c(data)) != entry.crc:
                raise damaged(path, f"the checksum of {name} disagrees")
            found[name] = _tensor(path, name, entry, data)
    return found


def _tensor(path: Path, name: str, entry: Entry, data: bytes) -> Tensor:
    code = TYPES[entry.kind]
    values = np.frombuffer(data, np.uint8) if code == "bfloat16" else np.frombuffer(data, np.uint8).view(code)
    tensor = torch.from_numpy(values.copy())
    tensor = tensor.view(torch.bfloat16) if code == "bfloat16" else tensor
    if tensor.numel() != int(np.prod(entry.shape, dtype=object)):
        raise damaged(path, f"{name} has {tensor.numel()} values and the shape {entry.shape}")
    return tensor.reshape(entry.shape)


def _table(path: Path, data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every key and value of a LevelDB table, in order."""
    if len(data) < FOOTER or not data.endswith(MAGIC):
        raise damaged(path, f"{len(data):,} bytes, without a table's ending")
    footer, place = data[-FOOTER:], 0
    _, place = _varint(footer, place)  # the block of meta-blocks, which these files leave empty
    _, place = _varint(footer, place)
    offset, place = _varint(footer, place)
    size, place = _varint(footer, place)
    for _, handle in _block(path, data, offset, size):
        offset, place = _varint(handle, 0)
        size, _ = _varint(handle, place)
        yield from _block(path, data, offset, size)


def _block(path: Path, data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of every entry; a key repeats the beginning of the one before it and tells only the rest."""
    end = offset + size
    if end + 5 > len(data):
        raise damaged(path, f"{len(data):,} bytes, and a block ends at {end + 5:,}")
    (crc,) = struct.unpack("<I", data[end + 1 : end + 5])
    if masked(crc32c(data[offset : end + 1])) != crc:
        raise damaged(path, f"the checksum of the block at byte {offset:,} disagrees")
    if data[end]:
        raise CheckpointError(
            f"{path}: has compressed blocks (kind {data[end]}), as TensorFlow does not write; save it again there"
        )
    (restarts,) = struct.unpack("<I", data[end - 4 : end])
    place, stop, key = offset, end - 4 - 4 * restarts, b""
    while place < stop:
        shared, place = _varint(data, place)
        fresh, place = _varint(data, place)
        length, place = _varint(data, place)
        key = key[:shared] + data[place : place + fresh]
        place += fresh
        yield key, data[place : place + length]
        place += length


def _entry(message: bytes) -> Entry:
    fields = _fields(message)
    shape = tuple(int(_last(_fields(size), 1, 0)) for size in _fields(_last(fields, 2, b"")).get(2, []))
    return Entry(
        kind=_last(fields, 1, 0),
        shape=shape,
        shard=_last(fields, 3, 0),
        offset=_last(fields, 4, 0),
        size=_last(fields, 5, 0),
        crc=_last(fields, 6, None),
        sliced=7 in fields,
    )


def _fields(message: bytes) -> dict[int, list]:
    """The fields of a protocol buffer by their number: integers, or bytes for strings and messages."""
    found, place = dict[int, list](), 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, place = _varint(message, place)
        elif kind == 2:
            length, place = _varint(message, place)
            value, place = message[place : place + length], place + length
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            value, place = int.from_bytes(message[place : place + width], "little"), place + width
        else:
            raise ValueError(f"a field of wire type {kind}")
        found.setdefault(number, []).append(value)
    return found


def _last(fields: dict[int, list], number: int, otherwise):
    return fields[number][-1] if number in fields else otherwise


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """(number, where it ends): seven bits a byte, the lowest first."""
    number = shift = 0
    while True:
        byte = data[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
