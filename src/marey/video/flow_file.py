"""Flow kept in files: as compact video, or exactly, with what it was computed from and how.

`.mkv`  flow as bytes (see `flow_to_bytes`), right above down in one grey picture, coded without loss (FFV1): nothing is
        lost but what bytes lose. Times are rounded to milliseconds. Players of FFV1 show it
`.npz`  float32, as computed, uncompressed: `numpy.load(path)["000007"]` is the eighth field, ["seconds"] has the times

Axes: t fields, h rows, w columns, 2 = (right, down).
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from ..errors import VideoError
from .container import Source, locate, open_container
from .decode import open_video
from .flow import bytes_to_flow, flow_to_bytes
from .vectors import sorted_times

SUFFIXES = (".mkv", ".npz")
HEADER, SECONDS = "header.json", "seconds.npy"  # in .npz
_VERSION = 1
_FRAME_ROUNDING = 1e-3  # of a frame
_SLACK_S = 5e-4  # by which times are forgiven to be rounded
_CURE = "delete it and run `marey flow` again"


@dataclass(frozen=True)
class FlowHeader:
    """What the flow of a file was computed from, and how.

    source       name of the video
    source_hash  `source_hash` of it
    method       as of `FlowSource`; `speed` is None but for "dis"
    width        of the frames between which flow was computed, and of the flow, in pixels; likewise `height`
    start_s      when the first frame appears
    resample     filter that made the frames so small, where they were made smaller
    weights_hash  of the file of a network's weights, if one computed it; `weights` says where they were
    """

    source: str
    source_hash: str
    method: str
    speed: str | None
    width: int
    height: int
    start_s: float = 0.0
    resample: str = "area"
    weights_hash: str | None = None
    weights: str | None = None
    version: int = _VERSION


def source_hash(path: Source) -> str:
    """SHA-256 of the bytes of a video, or of a member of a tar archive, in hexadecimal; read once while the file stays
    as it is."""
    place = locate(path)
    state = place.file.stat()
    return _hash(place.file, place.offset, place.size, state.st_mtime_ns)


@cache
def _hash(path: Path, offset: int, size: int, _: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(offset)
        left = size
        while left and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def flow_header(path: str | PathLike[str], *, expected_hash: str | None = None) -> FlowHeader:
    """What a flow file says of itself.

    VideoError if it is none, and where `expected_hash` is given and the flow is that of a video of another hash.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise VideoError(path, "is no file of flow; their names end with .mkv or .npz")
    try:
        header = FlowHeader(**json.loads(_header_text(path)))
    except (ValueError, TypeError):
        raise VideoError(path, f"is no file of flow; {_CURE}") from None
    if header.version != _VERSION:
        raise VideoError(path, f"is a file of flow of version {header.version}, not {_VERSION}; {_CURE}")
    if expected_hash is not None and header.source_hash != expected_hash:
        raise VideoError(path, f"holds the flow of other bytes than those of {header.source}; {_CURE}")
    return header


def read_flow(
    path: str | PathLike[str], seconds: Sequence[float] | np.ndarray, *, expected_hash: str | None = None
) -> Float32[np.ndarray, "t h w 2"]:
    """Flow from the frames on screen at sorted times to the next ones.

    After the last field that is the last one, before the first the first one. Errors are those of `flow_header`, and
    ValueError for times that are not sorted.
    """
    header = flow_header(path, expected_hash=expected_hash)
    if Path(path).suffix == ".mkv":
        return bytes_to_flow(_stored(path, header, seconds))
    return _exact(path, seconds)


def read_flow_bytes(
    path: str | PathLike[str],
    seconds: Sequence[float] | np.ndarray,
    *,
    expected_hash: str | None = None,
    fps: float | None = None,
) -> UInt8[np.ndarray, "t h w 2"]:
    """`flow_to_bytes` of `read_flow`; of compact files what they hold.

    fps  of the video, where it is constant: a time just before a new frame then belongs to the old one, although the
         times of fields are rounded
    """
    header = flow_header(path, expected_hash=expected_hash)
    if fps is not None:
        frames = np.floor((np.asarray(seconds) - header.start_s) * fps + _FRAME_ROUNDING)
        seconds = header.start_s + (frames + 0.5) / fps
    return _stored(path, header, seconds) if Path(path).suffix == ".mkv" else flow_to_bytes(_exact(path, seconds))


def flow_fields(path: str | PathLike[str]) -> Iterator[tuple[float, Float32[np.ndarray, "h w 2"]]]:
    """All fields of a file with their times, one in memory at a time."""
    header = flow_header(path)
    if Path(path).suffix == ".mkv":
        with open_video(path) as video:
            for second, picture in video.stream():
                yield header.start_s + second, bytes_to_flow(_planes(picture[None])[0])
        return
    with zipfile.ZipFile(path) as archive:
        for k, second in enumerate(_array(archive, SECONDS).tolist()):
            yield second, _array(archive, member(k))


def field_times(path: str | PathLike[str]) -> list[float]:
    """When the fields of a file appear; none is decoded."""
    if Path(path).suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            return _array(archive, SECONDS).tolist()
    start_s = flow_header(path).start_s
    with open_container(path) as container:
        packets = container.demux(video=0)
        return [start_s + float(packet.pts * packet.time_base) for packet in packets if packet.pts is not None]


def member(index: int) -> str:
    """The name of a field in a .npz file."""
    return f"{index:06}.npy"


def _header_text(path: Path) -> bytes | str:
    if path.suffix == ".mkv":
        with open_container(path) as container:
            return container.metadata.get("COMMENT", "")
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(HEADER)
    except FileNotFoundError:
        raise VideoError(path, "there is no such file; check the path") from None
    except (zipfile.BadZipFile, KeyError, OSError):
        return ""


def _stored(path: str | PathLike[str], header: FlowHeader, seconds: Sequence[float] | np.ndarray) -> np.ndarray:
    """uint8 (t, h, w, 2) of a compact file."""
    times = np.array(sorted_times(seconds)) - header.start_s
    with open_video(path) as video:
        return _planes(video.frames_at(times).frames)


def _exact(path: str | PathLike[str], seconds: Sequence[float] | np.ndarray) -> np.ndarray:
    """float32 (t, h, w, 2) of an exact file."""
    times = np.array(sorted_times(seconds))
    with zipfile.ZipFile(path) as archive:
        shown = np.searchsorted(_array(archive, SECONDS), times + _SLACK_S, side="right") - 1
        return np.stack([_array(archive, member(k)) for k in shown.clip(0).tolist()])


def _planes(pictures: np.ndarray) -> np.ndarray:
    """Of uint8 (t, 2 h, w, 3), which are grey."""
    return np.ascontiguousarray(np.stack(np.split(pictures[..., 0], 2, axis=1), -1))


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(archive.read(name)))
