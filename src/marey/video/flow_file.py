"""Flow kept in files: as compact video, or exactly, with what it was computed from and how.

`.mkv`  flow as bytes (see `flow_to_bytes`), right above down in one grey picture, coded without loss (FFV1): nothing is
        lost but what bytes lose. Times are rounded to milliseconds. Players of FFV1 show it
`.npz`  float32, as computed, uncompressed: `numpy.load(path)["000007"]` is the eighth field, ["seconds"] has the times

The last 32 bytes of either are the SHA-256 of all others; a file of other bytes is not read.

Axes: t fields, h rows, w columns, 2 = (right, down).
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from ..errors import VideoError
from .container import open_container
from .decode import open_video
from .flow import bytes_to_flow, flow_to_bytes
from .flow_hash import refuse_damaged
from .flow_source import FlowSource
from .vectors import sorted_times

SUFFIXES = (".mkv", ".npz")
HEADER, SECONDS = "header.json", "seconds.npy"  # in .npz
VERSION = 2
_FRAME_ROUNDING = 1e-3  # of a frame
_SLACK_S = 5e-4  # by which times are forgiven to be rounded
_CURE = "delete it and run `marey flow` again"


@dataclass(frozen=True)
class FlowHeader:
    """What the flow of a file was computed from, and how.

    source       name of the video
    source_hash  `source_hash` of it
    way          how it was computed; its `short_px` is never None
    width        of the frames between which flow was computed, and of the flow, in pixels; likewise `height`
    start_s      when the first frame appears
    """

    source: str
    source_hash: str
    way: FlowSource
    width: int
    height: int
    start_s: float = 0.0


def flow_header(path: str | PathLike[str], *, expected_hash: str | None = None) -> FlowHeader:
    """What a flow file says of itself.

    VideoError if it is none, and where `expected_hash` is given and the flow is that of a video of another hash. The
    rest of it is not looked at.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise VideoError(path, "is no file of flow; their names end with .mkv or .npz")
    try:
        told = json.loads(_header_text(path))
        version = told.pop("version")
        header = FlowHeader(**told | {"way": FlowSource.from_dict(told["way"])}) if version == VERSION else None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise VideoError(path, f"is no file of flow; {_CURE}") from None
    if header is None:
        raise VideoError(path, f"is a file of flow of version {version}, not {VERSION}; {_CURE}")
    if expected_hash is not None and header.source_hash != expected_hash:
        raise VideoError(path, f"holds the flow of other bytes than those of {header.source}; {_CURE}")
    return header


def whole_header(path: str | PathLike[str], *, expected_hash: str | None = None) -> FlowHeader:
    """`flow_header`; VideoError for a damaged file, too."""
    header = flow_header(path, expected_hash=expected_hash)
    refuse_damaged(path)
    return header


def read_flow(
    path: str | PathLike[str], seconds: Sequence[float] | np.ndarray, *, expected_hash: str | None = None
) -> Float32[np.ndarray, "t h w 2"]:
    """Flow from the frames on screen at sorted times to the next ones.

    After the last field that is the last one, before the first the first one. Errors are those of `flow_header`, and
    VideoError for a damaged file, ValueError for times that are not sorted.
    """
    header = whole_header(path, expected_hash=expected_hash)
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
    header = whole_header(path, expected_hash=expected_hash)
    if fps is not None:
        frames = np.floor((np.asarray(seconds) - header.start_s) * fps + _FRAME_ROUNDING)
        seconds = header.start_s + (frames + 0.5) / fps
    return _stored(path, header, seconds) if Path(path).suffix == ".mkv" else flow_to_bytes(_exact(path, seconds))


def flow_fields(path: str | PathLike[str]) -> Iterator[tuple[float, Float32[np.ndarray, "h w 2"]]]:
    """All fields of a file with their times, one in memory at a time."""
    header = whole_header(path)
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
    except (zipfile.BadZipFile, zlib.error, KeyError, OSError, RuntimeError):  # as it was damaged
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
