"""Writing flow files, field by field."""

import json
import zipfile
from fractions import Fraction
from os import PathLike
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av import VideoFrame
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from jaxtyping import Float32

from ..errors import VideoError
from .flow import flow_to_bytes
from .flow_file import HEADER, SECONDS, SUFFIXES, VERSION, FlowHeader, member
from .flow_hash import ROOM, seal, seal_video

BASE = Fraction(1, 1000)  # seconds; Matroska has no finer times


class FlowWriter:
    """Writes a flow file, of the kind that its suffix says; to be used in a `with` block.

    The file takes its name when it is complete, and nothing is left behind if the block fails. ValueError for another
    suffix, for fields of another size and for times that do not rise; VideoError where the file cannot be written.
    """

    def __init__(self, path: str | PathLike[str], header: FlowHeader) -> None:
        self.path, self.header = Path(path), header
        check_place(self.path)
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
        frame.pts, frame.time_base = _tick(second) - _tick(self._seconds[0]), BASE
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
                self._archive.comment = ROOM
                self._archive.close()
                seal(self._part)
            elif self._container:
                self._encode(None)
                self._container.close()
                seal_video(self._part)
        except BaseException:
            self.discard()
            raise
        self._part.replace(self.path)

    def _text(self) -> str:
        start_s = self._seconds[0] if self._archive else _tick(self._seconds[0]) * float(BASE)
        told = {"way": self.header.way.to_dict(), "start_s": start_s, "version": VERSION}
        return json.dumps(vars(self.header) | told)

    def _begin(self) -> None:
        self._container = av.open(f"file:{self._part}", "w", format="matroska", options={"fflags": "+bitexact"})
        self._container.metadata["comment"] = self._text()
        self._stream = self._container.add_stream("ffv1", rate=25, options={"level": "3", "slicecrc": "1"})
        codec = self._stream.codec_context
        codec.width, codec.height, codec.pix_fmt = self.header.width, 2 * self.header.height, "gray"
        codec.time_base = BASE

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
    return round(second / float(BASE))


def check_place(path: Path) -> None:
    """ValueError for a name that is no flow file's, VideoError where its folder is not there."""
    if path.suffix not in SUFFIXES:
        raise ValueError(f"flow cannot be written to {path}; its name must end with .mkv or .npz")
    if not path.parent.is_dir():
        raise VideoError(path, f"cannot be written, for there is no folder {path.parent}; make it first")
