"""Motion vectors straight from the bitstream: the motion that an encoder has found, for less than the cost of decoding.

Only H.264 and MPEG-4 give them. Axes: t frames, h rows, w columns, 2 = (right, down), positive where things move right
and down, as optical flow is; but each frame's motion is that up to it, drawn where things are in it.
"""

import os
from collections.abc import Iterator, Sequence
from types import TracebackType

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard
from av.video.stream import VideoStream
from jaxtyping import Float

from ..errors import VideoError
from .clock import clock_of
from .container import Source, is_listed, open_container, video_stream
from .feed import Feed
from .probe import describe
from .transform import short_side
from .vector_trace import Moved, Trace

_CODECS = ("h264", "mpeg4")  # for which FFmpeg exports vectors
_FEW_FRAMES = 4  # decoding this many is cheaper than a seek
_UNKNOWN_GAP_S = 2.0  # what is taken for the time between keyframes where no index tells
_LOOKED_AT = 500  # packets among which one that is no keyframe is looked for
# The filter and the transform change pixels alone. See tests/video/test_video_vectors.py.
_LEAN = {"skip_loop_filter": "all", "skip_idct": "all"}


def has_vectors(path: Source) -> bool:
    """Whether a video has motion vectors to read, told without decoding it. VideoError where it is no video."""
    with open_container(path) as container:
        return _why_none(container, video_stream(container, path)) is None


class VectorVideo:
    """A video opened for its motion vectors, to be used in a `with` block, in one thread and process.

    info        facts about the video, as `probe` gives them
    accumulate  motion since the keyframe before each frame, as Wu et al. feed it to networks (CVPR 2018,
                arXiv:1712.00636); otherwise the motion of one frame of average length, whichever frame a block is
                predicted from: the past one where it is predicted from two
    pixels      whether frames are decoded to pictures that can be looked at, too; it costs a fifth to a third more

    Either is 0 in keyframes and, of one frame, in blocks that are coded on their own. A frame whose reference is not in
    the file (cut off by an edit list) counts as a keyframe. VideoError for what is no readable video, and for one
    without motion vectors.
    """

    def __init__(self, path: Source, *, accumulate: bool = True, pixels: bool = False) -> None:
        self.path, self._accumulate, self._pixels = os.fspath(path), accumulate, pixels
        self._container, self._stream = self._open()
        try:
            if reason := _why_none(self._container, self._stream):
                raise VideoError(self.path, reason)
            self._clock = clock_of(self._container, self._stream)
            self._listed = is_listed(self._container, self._stream)
            if not self._listed:
                self._reopen()
            self._begin(at_start=True, wanted=self._clock.zero)
            if self._now is None:
                raise VideoError(self.path, "has no frame that can be decoded")
            self._start, turned = self._now.tick, self._now.motion.turn if self._now.motion else 0
            self.info = describe(self._container, self._stream, self.path, turned)
            if not self._listed:  # the container was moved
                self._reopen()
                self._begin(at_start=True, wanted=self._clock.zero)
        except VideoError:
            self._container.close()
            raise

    def __enter__(self) -> "VectorVideo":
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._now = self._next = None
        self._container.close()

    def at(self, second: float) -> Moved:
        """The frame on screen at a time, or the first one before that. Rising times are read in one go.

        The next keyframe is sought where decoding on would take longer. VideoError where the frame is damaged.
        """
        tick = self._clock.ticks(second)
        assert self._now is not None
        if (tick < self._now.tick and self._now.tick > self._start) or self._seek_pays(tick):
            self._seek(max(tick, self._start))
        self._feed.wanted = self._trace.wanted = tick
        while self._next is not None and self._next.tick <= tick:
            self._step()
        return self._whole(self._now)

    def stream(self) -> Iterator[Moved]:
        """Every frame, from the first one."""
        if self._now is None or self._now.tick != self._start:
            self._reopen()
            self._begin(at_start=True)
        self._feed.wanted = self._trace.wanted = None
        while self._now is not None:
            yield self._whole(self._now)
            self._step()

    def second(self, moved: Moved) -> float:
        """When a frame appears."""
        return self._clock.seconds(moved.tick)

    def shown_size(self, short_px: int | None) -> tuple[int, int]:
        """(width, height) with the short side at `short_px`, None for that of the video."""
        size = self.info.width, self.info.height
        return size if short_px is None else short_side(*size, short_px)

    def _whole(self, moved: Moved | None) -> Moved:
        if moved is None or moved.motion is None:
            where = f"the frame at {self.second(moved):.3f} s" if moved else "every frame"
            raise VideoError(
                self.path, f"{where} is damaged, or one that it is predicted from; copy or encode it again"
            )
        return moved

    def _open(self) -> tuple[InputContainer, VideoStream]:
        container = open_container(self.path)
        try:
            stream = video_stream(container, self.path)
        except VideoError:
            container.close()
            raise
        codec = stream.codec_context
        codec.thread_count = 1
        codec.options = {"flags2": "+export_mvs", **({} if self._pixels else _LEAN)}
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
        return container, stream

    def _reopen(self) -> None:
        self._container.close()
        self._container, self._stream = self._open()

    def _run(self, *, at_start: bool, wanted: int | None = None) -> Iterator[Moved]:
        """Frames from where the container stands."""
        trace = Trace(
            self._stream,
            container_name=self._container.format.name,
            frame_ticks=self._clock.frame,
            accumulate=self._accumulate,
            pixels=self._pixels,
        )
        trace.wanted = wanted
        self._trace = trace
        self._feed = Feed(
            self._container,
            self._stream,
            frame_ticks=self._clock.frame,
            at_start=at_start,
            open_ended=not self._listed,
            wanted=wanted,
            on_packet=trace.note,
        )
        return trace.follow(iter(self._feed))

    def _step(self) -> None:
        self._now, self._next = self._next, next(self._frames, None)

    def _seek_pays(self, tick: int) -> bool:
        if self._next is None or self._stream.start_time is None:
            return False
        soon = self._next.tick + _FEW_FRAMES * self._clock.frame
        if not self._listed:
            return tick > soon + round(_UNKNOWN_GAP_S / self._clock.base)
        entries = self._stream.index_entries
        key = entries.search_timestamp(tick)
        return key >= 0 and entries[key].timestamp > soon

    def _seek(self, tick: int) -> None:
        """Read on from the last keyframe that is shown by `tick`, or from the start."""
        aim, step = tick, round(_UNKNOWN_GAP_S / self._clock.base)
        while self._stream.start_time is not None and aim > self._start:
            entries = self._stream.index_entries
            key = entries.search_timestamp(aim) if len(entries) else -1
            try:
                self._container.seek(aim, stream=self._stream)
            except FFmpegError:
                break
            self._begin(at_start=self._listed and key == 0, wanted=tick)
            if self._now is not None and self._now.tick <= tick:
                return
            aim, step = (entries[key].timestamp - 1 if key > 0 else aim - step), 2 * step
        self._reopen()
        self._begin(at_start=True)

    def _begin(self, *, at_start: bool, wanted: int | None = None) -> None:
        self._frames = self._run(at_start=at_start, wanted=wanted)
        self._now = self._next = None
        self._step()
        self._step()


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
    name = stream.codec_context.name
    if name not in _CODECS:
        return f"is {name} video, whose motion vectors cannot be read; make an H.264 copy of it with `marey prepare`"
    if is_listed(container, stream):
        keys = (entry.is_keyframe for entry in stream.index_entries)
    else:
        packets = (p for _, p in zip(range(_LOOKED_AT), container.demux(stream), strict=False))
        keys = (p.is_keyframe for p in packets if p.size)
    if all(keys):
        cure = "make a copy that has them with `marey prepare`"
        return f"has no motion vectors, because each of its frames is coded on its own; {cure}"
    return None
