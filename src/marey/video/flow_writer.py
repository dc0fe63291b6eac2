"""Writing flow files: field by field, or that of a whole video, which goes on where it was interrupted."""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from fractions import Fraction
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import av
import numpy as np
from av import VideoFrame
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from jaxtyping import Float32

from ..errors import VideoError
from .container import Source
from .flow import FlowMethod, Speed, flow_stream, flow_to_bytes
from .flow_file import HEADER, SECONDS, SUFFIXES, FlowHeader, flow_fields, flow_header, member, source_hash
from .probe import probe
from .transform import short_side

_BASE = Fraction(1, 1000)  # seconds; Matroska has no finer times
_SEGMENT = 2000  # fields after which what is done is safe


class FlowWriter:
    """Writes a flow file, of the kind that its suffix says; to be used in a `with` block.

    The file takes its name when it is complete, and nothing is left behind if the block fails. ValueError for another
    suffix, for fields of another size and for times that do not rise; VideoError where the file cannot be written.
    """

    def __init__(self, path: str | PathLike[str], header: FlowHeader) -> None:
        self.path, self.header = Path(path), header
        _check_place(self.path)
        self._part = self.path.with_name(f".{self.path.name}.part")
        self._seconds: list[float] = []
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._archive = zipfile.ZipFile(self._part, "w") if self.path.suffix == ".npz" else None

    def __enter__(self) -> "FlowWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def write(self, second: float, flow: Float32[np.ndarray, "h w 2"]) -> None:
        """Append the flow from the frame that appears at `second` to the next one."""
        expected = (self.header.height, self.header.width, 2)
        if flow.shape != expected:
            raise ValueError(f"flow is {flow.shape}; this file takes {expected}")
        if self._seconds and second <= self._seconds[-1]:
            raise ValueError(f"flow at {second} s follows that at {self._seconds[-1]} s; times must rise")
        self._seconds.append(float(second))
        if self._archive:
            with self._archive.open(member(len(self._seconds) - 1), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(flow))
            return
        if self._container is None:
            self._begin()
        picture = flow_to_bytes(flow).transpose(2, 0, 1).reshape(2 * self.header.height, self.header.width)
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
        frame.pts, frame.time_base = _tick(second) - _tick(self._seconds[0]), _BASE
        self._encode(frame)

    def close(self) -> None:
        """Complete the file and give it its name; ValueError if nothing was written."""
        if not self._seconds:
            self.discard()
            raise ValueError(f"no flow was written to {self.path}; a file has at least one field")
        try:
            if self._archive:
                with self._archive.open(SECONDS, "w") as file:
                    np.lib.format.write_array(file, np.array(self._seconds))
                self._archive.writestr(HEADER, self._text())
                self._archive.close()
            elif self._container:
                self._encode(None)
                self._container.close()
        except BaseException:
            self.discard()
            raise
        self._part.replace(self.path)

    def _text(self) -> str:
        start_s = self._seconds[0] if self._archive else _tick(self._seconds[0]) * float(_BASE)
        return json.dumps(asdict(self.header) | {"start_s": start_s})

    def _begin(self) -> None:
        self._container = av.open(f"file:{self._part}", "w", format="matroska", options={"fflags": "+bitexact"})
        self._container.metadata["comment"] = self._text()
        self._stream = self._container.add_stream("ffv1", rate=25, options={"level": "3", "slicecrc": "1"})
        codec = self._stream.codec_context
        codec.width, codec.height, codec.pix_fmt = self.header.width, 2 * self.header.height, "gray"
        codec.time_base = _BASE

    def _encode(self, frame: VideoFrame | None) -> None:
        assert self._container is not None and self._stream is not None
        try:
            self._container.mux(self._stream.encode(frame))
        except FFmpegError as error:
            raise VideoError(self.path, f"cannot be written ({error.strerror})") from None

    def discard(self) -> None:
        """Leave nothing behind."""
        try:
            if self._archive:
                self._archive.close()
            if self._container:
                self._container.close()
        except (FFmpegError, OSError):
            pass  # it is thrown away
        finally:
            self._part.unlink(missing_ok=True)


def _tick(second: float) -> int:
    """Rounded so that what was rounded stays as it is."""
    return round(second / float(_BASE))


class Extracted(NamedTuple):
    """A flow file of a video: what it says of itself, how many fields were computed for it now, and how many it has
    (None where it was there already)."""

    header: FlowHeader
    computed: int
    fields: int | None


def extract_flow(
    path: Source,
    out: str | PathLike[str],
    *,
    method: FlowMethod = "dis",
    speed: Speed = "fast",
    short_px: int | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Extracted:
    """Compute the flow of a whole video into a file, .mkv or .npz, in bounded memory: see `flow_stream`.

    A file that is there already, of the same bytes and computed in the same way, is left as it is; any other flow file
    is replaced. What a killed run has done is kept beside the file, in a hidden folder, and not computed again.
    `progress` is told how many fields are done, and how many there are as far as the video's header says.
    """
    out, info = Path(out), probe(path)
    width, height = (info.width, info.height) if short_px is None else short_side(info.width, info.height, short_px)
    _check_place(out)
    how = speed if method == "dis" else None
    wanted = FlowHeader(Path(info.path).name, source_hash(path), method, how, width, height)
    if (there := _header_of(out)) and _same(there, wanted):
        return Extracted(there, 0, None)
    folder = out.with_name(f".{out.name}.parts")
    segments, done, last_s = _kept(folder, out.suffix, wanted)
    total = max(1, (info.frame_count or round(info.duration_s * info.fps)) - 1)
    folder.mkdir(exist_ok=True)
    start_s = max(0.0, last_s)
    try:
        with closing(
            flow_stream(path, method=method, speed=speed, short_px=short_px, threads=threads, start_s=start_s)
        ) as stream:
            news = ((second, flow) for second, flow in stream if second > last_s + float(_BASE) / 2)
            computed = 0
            for computed, segment in _segments(news, folder, len(segments), wanted, out.suffix):
                if segment:
                    segments.append(segment)
                elif progress:
                    progress(min(done + computed, total), total)
        _join(segments, out, wanted)
    except BaseException:
        if not segments:
            shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)
    return Extracted(flow_header(out), computed, done + computed)


def _segments(
    fields: Iterator[tuple[float, np.ndarray]], folder: Path, first: int, header: FlowHeader, suffix: str
) -> Iterator[tuple[int, Path | None]]:
    """Write fields to numbered files; after each field how many there are, and the file that is now complete."""
    count = 0
    for number, start in enumerate(fields, first):
        path = folder / f"{number:06}{suffix}"
        with FlowWriter(path, header) as writer:
            for second, flow in chain([start], islice(fields, _SEGMENT - 1)):
                writer.write(second, flow)
                count += 1
                yield count, None
        yield count, path


def _check_place(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise ValueError(f"flow cannot be written to {path}; its name must end with .mkv or .npz")
    if not path.parent.is_dir():
        raise VideoError(path, f"cannot be written, for there is no folder {path.parent}; make it first")


def _join(segments: list[Path], out: Path, header: FlowHeader) -> None:
    if len(segments) == 1:
        segments[0].replace(out)
        return
    with FlowWriter(out, header) as writer:
        for segment in segments:
            for second, flow in flow_fields(segment):
                writer.write(second, flow)


def _same(header: FlowHeader, wanted: FlowHeader) -> bool:
    return replace(header, source=wanted.source, start_s=wanted.start_s) == wanted


def _header_of(path: Path) -> FlowHeader | None:
    """The header of a flow file, None where there is no file that can be used."""
    try:
        return flow_header(path) if path.exists() else None
    except VideoError:
        return None


def _kept(folder: Path, suffix: str, wanted: FlowHeader) -> tuple[list[Path], int, float]:
    """Segments of an interrupted run, how many fields they have, and the time of the last one; -1 without any."""
    segments = sorted(folder.glob(f"[0-9]*{suffix}"))
    if not segments or not all((header := _header_of(each)) and _same(header, wanted) for each in segments):
        shutil.rmtree(folder, ignore_errors=True)
        return [], 0, -1.0
    times = [second for each in segments for second, _ in flow_fields(each)]
    return segments, len(times), times[-1]
