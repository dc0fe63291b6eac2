"""Motion vectors straight from the bitstream: the motion that an encoder has found, for less than the cost of decoding.

Only H.264 and MPEG-4 give them. Axes: t frames, h rows, w columns, 2 = (right, down), positive where things move right
and down, as optical flow is; but each frame's motion is that up to it, drawn where things are in it.
"""

import os
from collections.abc import Iterator, Sequence
from types import TracebackType

import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from jaxtyping import Float

from ..errors import VideoError
from .clock import Clock
from .container import Source, is_listed, open_container, video_stream
from .reel import ONE_FRAME, Reel
from .transform import short_side
from .vector_trace import Moved, Trace

_CODECS = ("h264", "mpeg4")  # for which FFmpeg exports vectors
_LOOKED_AT = 500  # packets among which one that is no keyframe is looked for
# The filter and the transform change pixels alone. See tests/video/test_video_vectors.py.
_LEAN = {"skip_loop_filter": "all", "skip_idct": "all"}


def has_vectors(path: Source) -> bool:
    """Whether a video has motion vectors to read, told without decoding it. VideoError where it is no video."""
    with open_container(path) as container:
        return _why_none(container, video_stream(container, path)) is None


def lacks_vectors(path: Source) -> bool:
    """Whether a video has no motion vectors, though a copy of it can have some. VideoError where it is no video."""
    with open_container(path) as container:
        return _why_none(container, video_stream(container, path)) not in (None, ONE_FRAME)


class VectorVideo:
    """A video opened for its motion vectors, to be used in a `with` block, in one thread and process.

    info        facts about the video, as `probe` gives them
    accumulate  motion since the keyframe before each frame, as Wu et al. feed it to networks (CVPR 2018,
                arXiv:1712.00636); otherwise the motion of one frame of average length, whichever frame a block is
                predicted from: the past one where it is predicted from two
    pixels      whether frames are decoded to pictures that can be looked at, too; it costs a fifth to a third more

    Either is 0 in keyframes and, of one frame, in blocks that are coded on their own. A frame whose reference is not in
    the file (cut off by an edit list) counts as a keyframe. VideoError for what is no readable video, for one without
    motion vectors, and where pictures of another size are met.
    """

    def __init__(self, path: Source, *, accumulate: bool = True, pixels: bool = False) -> None:
        self.path, self.accumulate, self.pixels = os.fspath(path), accumulate, pixels
        options = {"flags2": "+export_mvs", **({} if pixels else _LEAN)}
        self._reel = Reel(path, reading=self._trace, options=options)
        try:
            if reason := _why_none(self._reel.container, self._reel.stream):
                raise VideoError(self.path, reason)
            self._reel.begin(moved=not is_listed(self._reel.container, self._reel.stream))
        except VideoError:
            self._reel.container.close()
            raise
        self.info = self._reel.info

    def __enter__(self) -> "VectorVideo":
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._reel.close()

    def at(self, second: float) -> Moved:
        """The frame on screen at a time, or the first one before that. Rising times are read in one go.

        The next keyframe is sought where decoding on would take longer. VideoError where the frame is damaged.
        """
        return self._whole(self._reel.wind(self._reel.clock.ticks(second)))

    def stream(self) -> Iterator[Moved]:
        """Every frame, from the first one."""
        reel = self._reel
        reel.rewind()
        while reel.now is not None:
            yield self._whole(reel.now)
            reel.step()

    def second(self, moved: Moved) -> float:
        """When a frame appears."""
        return self._reel.clock.seconds(moved.tick)

    def shown_size(self, short_px: int | None) -> tuple[int, int]:
        """(width, height) with the short side at `short_px`, None for that of the video."""
        size = self.info.width, self.info.height
        return size if short_px is None else short_side(*size, short_px)

    def _whole(self, moved: Moved) -> Moved:
        if reason := self._reel.why_no_motion:
            raise VideoError(self.path, reason)
        if moved.motion is None:
            where = f"the frame at {self.second(moved):.3f} s"
            raise VideoError(
                self.path, f"{where} is damaged, or one that it is predicted from; copy or encode it again"
            )
        return moved

    def _trace(self, stream: VideoStream, container_name: str, clock: Clock) -> Trace:
        return Trace(
            stream,
            container_name=container_name,
            frame_ticks=clock.frame,
            accumulate=self.accumulate,
            pixels=self.pixels,
        )


def motion_vectors(
    path: Source,
    seconds: Sequence[float] | np.ndarray,
    *,
    short_px: int | None = None,
    size: tuple[int, int] | None = None,
    accumulate: bool = True,
) -> Float[np.ndarray, "t h w 2"]:
    """Motion up to the frames on screen at sorted times, in pixels of the picture at the size that is asked for.

    `size` is (width, height), or `short_px` the short side of the picture's shape; by default the video's own size.
    Nothing is converted to RGB, and no more is decoded than from the keyframe before to the last frame that is asked
    for. Errors are those of `VectorVideo`, and ValueError for times that are not sorted.
    """
    times = sorted_times(seconds)
    with VectorVideo(path, accumulate=accumulate) as video:
        width, height = size or video.shown_size(short_px)
        fields = np.empty((len(times), height, width, 2), np.float32)
        for field, second in zip(fields, times, strict=True):
            blocks = video.at(second).motion
            assert blocks is not None
            field[:] = blocks.pixels((width, height))
    return fields


def vector_stream(
    path: Source, *, short_px: int | None = None, accumulate: bool = True
) -> Iterator[tuple[float, Float[np.ndarray, "h w 2"]]]:
    """Motion up to every frame of a video, with the time at which the frame appears; one is in memory at a time."""
    with VectorVideo(path, accumulate=accumulate) as video:
        size = video.shown_size(short_px)
        for moved in video.stream():
            assert moved.motion is not None
            yield video.second(moved), moved.motion.pixels(size)


def sorted_times(seconds: Sequence[float] | np.ndarray) -> list[float]:
    """Times as a list; ValueError unless there is one and they are finite and sorted."""
    times = np.asarray(seconds, dtype=np.float64)
    if times.ndim != 1 or not len(times) or not np.isfinite(times).all() or (np.diff(times) < 0).any():
        raise ValueError(f"seconds are {seconds}; they must be at least one finite number, and sorted")
    return times.tolist()


def _why_none(container: InputContainer, stream: VideoStream) -> str | None:
    """Why a video has no motion vectors, in words; None if it has. What is not listed is left at another place."""
    name = stream.codec_context.codec.canonical_name  # not that of one of its decoders
    if is_listed(container, stream):
        keys = [entry.is_keyframe for entry in stream.index_entries]
    else:
        packets = (p for _, p in zip(range(_LOOKED_AT), container.demux(stream), strict=False))
        keys = [p.is_keyframe for p in packets if p.size]
    if len(keys) == 1:
        return ONE_FRAME
    if name not in _CODECS:
        cure = "make an H.264 copy of it with `marey prepare`"
        return f"is {name.upper()} video, whose motion vectors cannot be read; {cure}"
    if all(keys):
        cure = "make a copy that has them with `marey prepare`"
        return f"has no motion vectors, because each of its frames is coded on its own; {cure}"
    return None
