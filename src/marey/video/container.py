"""Opening a media file: one place that turns whatever is wrong with it into a VideoError with a plain reason."""

import os
import tarfile
from functools import lru_cache
from os import PathLike
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from ..errors import VideoError

Source = str | PathLike[str]

MEMBER = "::"  # "shard.tar::member.mp4" names a member of an uncompressed tar
_NOT_VIDEO = {"image2", "tty"}  # demuxers that take a picture or a text file for a video of one frame


def locate(path: Source) -> tuple[str, int, int]:
    """(FFmpeg address, offset in bytes, size in bytes) of a file or tar member; VideoError if it is not there."""
    name = os.fspath(path)
    outer, _, member = name.partition(MEMBER)
    file = Path(name if Path(name).exists() else outer)
    try:
        status = file.stat()
    except FileNotFoundError:
        raise VideoError(name, "there is no such file; check the path") from None
    except OSError as error:
        raise VideoError(name, f"cannot be opened: {error.strerror}") from None
    if file.is_dir():
        raise VideoError(name, "is a folder, not a video file; name a file in it")
    if not os.access(file, os.R_OK):
        raise VideoError(name, "may not be read by this user; change its permissions")
    offset, size = 0, status.st_size
    if member and file == Path(outer):
        members = _tar_members(str(file), status.st_mtime_ns, status.st_size)
        if member not in members:
            raise VideoError(name, f"the archive has no member {member!r}; it has {len(members)} files")
        offset, size = members[member]
    if not size:
        raise VideoError(name, "is empty (0 bytes); make or copy it again")
    # "file:" and "subfile" keep FFmpeg from reading a protocol or a pattern into an odd file name
    address = f"subfile,,start,{offset},end,{offset + size},,:{file}" if offset else f"file:{file}"
    return address, offset, size


@lru_cache(maxsize=64)
def _tar_members(path: str, mtime_ns: int, size: int) -> dict[str, tuple[int, int]]:
    """Member name -> (offset, size) of an uncompressed tar; time and size of the file are part of the cache's key."""
    try:
        with tarfile.open(path, "r:") as archive:
            return {m.name: (m.offset_data, m.size) for m in archive if m.isreg()}
    except tarfile.TarError as error:
        raise VideoError(path, f"is not a readable uncompressed tar archive ({error})") from None


def open_container(path: Source) -> InputContainer:
    """The opened file; the caller closes it. Network addresses and playlists that lead elsewhere are refused."""
    address, offset, _ = locate(path)
    try:
        container = av.open(address, options={"protocol_whitelist": "file,subfile"}, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(os.fspath(path), _why_unreadable(path, offset, error)) from None
    name = container.format.name
    if name in _NOT_VIDEO or name.endswith("_pipe"):
        container.close()
        raise VideoError(os.fspath(path), f"is not a video (it looks like a picture or text, {name})")
    return container


def _why_unreadable(path: Source, offset: int, error: Exception) -> str:
    name = os.fspath(path)
    with Path(name if Path(name).exists() else name.partition(MEMBER)[0]).open("rb") as file:
        file.seek(offset)
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return "is truncated: the index of the MP4 file (moov) is missing or damaged; copy or record it again"
    return f"is not a video that can be read ({getattr(error, 'strerror', None) or error})"


def video_stream(container: InputContainer, path: Source) -> VideoStream:
    """The video that a player would show; a cover picture of an audio file is none."""
    moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        raise VideoError(os.fspath(path), "holds no video stream")
    best = container.streams.best("video")
    stream = best if best in moving and isinstance(best, VideoStream) else moving[0]
    if stream.codec_context is None:
        raise VideoError(os.fspath(path), "holds video in a format that the installed FFmpeg cannot decode")
    return stream
