"""Opening a media file: the one place that turns whatever is wrong with it into a VideoError with a plain reason."""

import os
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from ..errors import VideoError

Source = str | PathLike[str]

_MEMBER = "::"  # "shard.tar::member.mp4" names a member of an uncompressed tar
_NO_INDEX = "is truncated: the index of this MP4 file (its moov box) is missing or broken; copy or record it again"
_NOT_VIDEO = {"image2", "tty", "hls", "dash", "concat"}  # demuxers of pictures, texts and playlists


@dataclass(frozen=True)
class Bytes:
    """Where the bytes of a video lie: a whole file, or `size` of them from `offset` in an archive."""

    file: Path
    offset: int
    size: int

    @property
    def address(self) -> str:
        """What FFmpeg opens; "file:" and "subfile" keep it from seeing a protocol or a pattern in an odd name."""
        if self.offset:
            return f"subfile,,start,{self.offset},end,{self.offset + self.size},,:{self.file}"
        return f"file:{self.file}"


def locate(path: Source) -> Bytes:
    """The bytes of a file or of a tar member; VideoError if they are not there or there are none."""
    name = os.fspath(path)
    outer, _, member = name.partition(_MEMBER)
    if member and Path(name).exists():
        outer, member = name, ""
    file = Path(outer)
    try:
        status = file.stat()
        if file.is_dir():
            raise VideoError(name, "is a folder, not a video file; name a file in it")
        with file.open("rb"):
            pass
    except FileNotFoundError:
        if file.is_symlink():
            raise VideoError(name, f"is a link to {file.readlink()}, which is not there; mend the link") from None
        raise VideoError(name, "there is no such file; check the path") from None
    except OSError as error:
        raise VideoError(name, f"cannot be opened ({error.strerror}); check its permissions") from None
    offset, size = 0, status.st_size
    if member:
        members = _tar_members(outer, status.st_mtime_ns, status.st_size)
        if member not in members:
            some = ", ".join(list(members)[:3]) + (", ..." if len(members) > 3 else "")
            raise VideoError(name, f"the archive has no file called {member!r}; it holds {some or 'none'}")
        offset, size = members[member]
    if not size:
        raise VideoError(name, "is empty (0 bytes); make or copy it again")
    return Bytes(file, offset, size)


@lru_cache(maxsize=64)
def _tar_members(path: str, mtime_ns: int, size: int) -> dict[str, tuple[int, int]]:
    """Member name -> (offset, size); the time and size of the archive make the cache forget an old one."""
    try:
        with tarfile.open(path, "r:") as archive:
            return {m.name: (m.offset_data, m.size) for m in archive if m.isreg()}
    except tarfile.TarError as error:
        raise VideoError(
            path, f"is not an uncompressed tar archive ({error}); unpack it or pack it without -z"
        ) from None


def open_container(path: Source) -> InputContainer:
    """The opened file, which the caller closes. Files that refer to other files or to the network cannot reach them."""
    name, place = os.fspath(path), locate(path)
    try:
        container = av.open(place.address, options={"protocol_whitelist": "file,subfile"}, metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        raise VideoError(name, _why_unreadable(place, error)) from None
    kind = container.format.name
    if kind in _NOT_VIDEO or kind.endswith("_pipe"):
        container.close()
        raise VideoError(name, f"is not a video but a picture, a text or a playlist ({kind})")
    if "mp4" in kind.split(",") and not _has_its_index(place):
        container.close()
        raise VideoError(name, _NO_INDEX)
    return container


def _why_unreadable(place: Bytes, error: Exception) -> str:
    with place.file.open("rb") as file:
        file.seek(place.offset)
        if file.read(8)[4:] == b"ftyp":
            return _NO_INDEX
    return f"is not a video that can be read ({getattr(error, 'strerror', None) or error})"


def _has_its_index(place: Bytes) -> bool:
    """Whether the moov box of an MP4 file ends before the file does; FFmpeg uses what there is of it without a word."""
    at = 0
    with place.file.open("rb") as file:
        while at < place.size:
            file.seek(place.offset + at)
            head = file.read(16)
            size = int.from_bytes(head[:4])
            size = int.from_bytes(head[8:]) if size == 1 else size or place.size - at
            if head[4:8] == b"moov":
                return at + size <= place.size
            at += max(size, 8)
    return True


def video_stream(container: InputContainer, path: Source) -> VideoStream:
    """The video that a player would show; the cover picture of an audio file is none.

    VideoError if there is none, or if the index lists pictures that lie beyond the end of the file.
    """
    name = os.fspath(path)
    moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        raise VideoError(name, "holds no video, only sound or other data" if container.streams else "holds no video")
    best = container.streams.best("video")
    stream = next((s for s in moving if s is best), moving[0])
    if stream.codec_context is None:
        raise VideoError(name, "holds video in a format for which this FFmpeg has no decoder; convert it to H.264")
    if is_listed(container, stream):
        entries, size = stream.index_entries, locate(path).size
        if entries[-1].pos + entries[-1].size > size:
            whole = sum(e.pos + e.size <= size for e in entries)
            raise VideoError(
                name, f"is truncated: of the frames that its index lists it holds {whole} of {len(entries)}"
            )
    return stream


def is_listed(container: InputContainer, stream: VideoStream) -> bool:
    """Whether an index lists every packet: in MP4 files that are not in fragments, in AVI files that have their end."""
    listed, kinds = len(stream.index_entries), container.format.name.split(",")
    return stream.frames > 0 and (("mp4" in kinds and listed > 0) or ("avi" in kinds and listed >= stream.frames))
