"""Hashes that say of which bytes a flow file is, and whether its own bytes are those that were written."""

import hashlib
from functools import cache
from pathlib import Path

from ..errors import VideoError
from .container import Source, locate

ROOM = bytes(hashlib.sha256().digest_size)  # what the seal is written over: the last bytes of a file
_VOID = bytes([0xEC, 0x80 | len(ROOM)]) + ROOM  # an element of Matroska that readers pass over


def source_hash(path: Source) -> str:
    """SHA-256 of the bytes of a video, or of a member of a tar archive, in hexadecimal; read once while the file stays
    as it is."""
    place = locate(path)
    return _kept_hash(place.file, place.offset, place.size, place.file.stat().st_mtime_ns)


def seal(path: Path) -> None:
    """Write the SHA-256 of a file that ends with `ROOM` there."""
    size = path.stat().st_size - len(ROOM)
    digest = _hash(path, 0, size)
    with path.open("r+b") as file:
        file.seek(size)
        file.write(bytes.fromhex(digest))


def seal_video(path: Path) -> None:
    """`seal` of a Matroska file, which is made longer for it."""
    with path.open("ab") as file:
        file.write(_VOID)
    seal(path)


def refuse_damaged(path: Source) -> None:
    """VideoError for a file without its seal, or whose bytes have changed since; read once while it stays as it is."""
    place = locate(path)
    size = max(0, place.size - len(ROOM))
    try:
        with place.file.open("rb") as file:
            file.seek(size)
            told = file.read().hex()
        whole = _kept_hash(place.file, 0, size, place.file.stat().st_mtime_ns) == told
    except OSError:  # by the disk
        whole = False
    if not whole:
        raise VideoError(path, "is damaged: its bytes are not those that were written; run `marey flow` again")


@cache
def _kept_hash(path: Path, offset: int, size: int, _: int) -> str:
    return _hash(path, offset, size)


def _hash(path: Path, offset: int, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(offset)
        left = size
        while left and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()
