"""Decoding with PyAV, whose wheel brings its own FFmpeg.

A decoder delivers frames in one direction from a keyframe on. To show the frame at a time it decodes on, or it seeks
to the last keyframe before it, whichever decodes less. Three things make that exact:

- Frames are told apart by presentation time, never counted, so that a variable rate and edit lists come out right.
- After a seek, frames before the first keyframe are dropped: those of an open group of pictures lack the frames that
  they are predicted from. If the first frame left is later than asked, the seek goes further back.
- Frames that break in the middle of a file, and all that are predicted from them, are marked as damaged.
"""

import os
from collections.abc import Iterator, Sequence

import numpy as np
from av import VideoFrame
from av.error import FFmpegError
from av.stream import Discard
from av.video.reformatter import Colorspace, VideoReformatter

from ..errors import VideoError
from .clock import clock_of
from .container import Source, is_listed, open_container, video_stream
from .feed import Feed, Shown
from .probe import describe, rotation_of, turn
from .transform import SWSCALE, Resample

_FEW_FRAMES = 4  # decoding this many is cheaper than a seek
_FIRST_GUESS_S = 2.0  # between keyframes, until some were seen
_UNSPECIFIED = 2  # the colour matrix of a file that does not say; players then go by the size of the picture


class PyAVDecoder:
    """One open file. `frames_at` and `frames_from` may be mixed: each finds its own place again when it must."""

    def __init__(self, path: Source, *, threads: int) -> None:
        self._path, self._threads = os.fspath(path), threads
        self._reformatter = VideoReformatter()
        self._now: Shown | None = None  # the frame on screen
        self._next: Shown | None = None  # the one after it
        self._open()
        try:
            self._clock = clock_of(self._container, self._stream)
            self._gap = round(_FIRST_GUESS_S / self._clock.base)  # ticks between keyframes, as far as known
            self._listed = is_listed(self._container, self._stream)
            self._read_on(at_start=True)
            first = self._now.frame if self._now else None
            rotation = rotation_of(self._container, self._stream, self._path) if first is None else turn(first)
            self.info = describe(self._container, self._stream, self._path, rotation)
            self._start = self._now.tick if self._now else self._clock.zero
            if first is None or not self._listed:  # the container was moved
                self._restart()
        except VideoError:
            self._container.close()
            raise

    def close(self) -> None:
        self._container.close()
        self._now = self._next = None
        del self._container, self._stream, self._feed, self._frames, self._reformatter

    def frames_at(
        self, seconds: Sequence[float] | np.ndarray, size: tuple[int, int], resample: Resample
    ) -> tuple[np.ndarray, np.ndarray]:
        frames, shown = np.empty((len(seconds), size[1], size[0], 3), np.uint8), np.empty(len(seconds))
        before: Shown | None = None
        for k, second in enumerate(seconds):
            now = self._go_to(self._clock.ticks(second))
            frames[k] = frames[k - 1] if now is before else self._picture(now, size, resample)
            shown[k], before = self._clock.seconds(now.tick), now
        return frames, shown

    def frames_from(
        self, start_s: float, size: tuple[int, int], resample: Resample
    ) -> Iterator[tuple[float, np.ndarray]]:
        now = self._go_to(self._clock.ticks(start_s))
        while True:
            yield self._clock.seconds(now.tick), self._picture(now, size, resample)
            if self._now is not now:  # another call has moved on meanwhile
                self._go_to(now.tick)
            if self._next is None:
                return
            now = self._go_to(self._next.tick)

    def _open(self) -> None:
        self._container = open_container(self._path)
        try:
            self._stream = video_stream(self._container, self._path)
        except VideoError:
            self._container.close()
            raise
        self._stream.codec_context.thread_count = self._threads
        self._stream.codec_context.thread_type = "AUTO"
        for other in self._container.streams:
            if other is not self._stream:
                other.discard = Discard.all

    def _restart(self) -> None:
        """Read from the first packet, which no seek is sure to find."""
        self._container.close()
        self._open()
        self._read_on(at_start=True)

    def _read_on(self, *, at_start: bool, wanted: int | None = None) -> None:
        self._feed = Feed(
            self._container,
            self._stream,
            frame_ticks=self._clock.frame,
            at_start=at_start,
            open_ended=not self._listed,
            wanted=wanted,
        )
        self._frames, self._key = iter(self._feed), None
        self._now = self._next = None
        self._step()
        self._step()

    def _step(self) -> None:
        self._now, self._next = self._next, next(self._frames, None)
        if self._next is not None and self._next.frame is not None and self._next.frame.key_frame:
            self._gap = self._gap if self._key is None else self._next.tick - self._key
            self._key = self._next.tick

    def _go_to(self, tick: int) -> Shown:
        """The frame on screen at a tick."""
        if self._now is None or (tick < self._now.tick and self._now.tick > self._start) or self._seek_pays(tick):
            self._seek(max(tick, self._start))
        self._feed.wanted = tick
        while self._next is not None and self._next.tick <= tick:
            self._step()
        if self._now is None:
            raise VideoError(self._path, "has no frame that can be decoded")
        return self._now

    def _seek_pays(self, tick: int) -> bool:
        """Whether a keyframe lies so far ahead, and before `tick`, that going there decodes less than decoding on."""
        if self._next is None or not self._seekable:
            return False
        few = _FEW_FRAMES * self._clock.frame
        if tick - self._next.tick <= few:
            return False
        entries = self._stream.index_entries
        key = entries.search_timestamp(tick) if len(entries) else -1
        if key >= 0 and entries[key].timestamp > self._next.tick + few:
            return True
        known = self._listed or (key >= 0 and entries[-1].timestamp >= tick)
        return not known and tick - self._next.tick > self._gap

    def _seek(self, tick: int) -> None:
        """Read on from the last keyframe that is shown by `tick`, or from the start."""
        aim, step = tick, self._gap
        while self._seekable and aim >= self._start:
            entries = self._stream.index_entries
            key = entries.search_timestamp(aim) if len(entries) else -1
            try:
                self._container.seek(aim, stream=self._stream)
            except FFmpegError:
                break
            self._read_on(at_start=self._listed and key == 0, wanted=tick)
            if self._now is not None and self._now.tick <= tick:
                return
            aim, step = (entries[key].timestamp - 1 if key > 0 else aim - step), 2 * step
        self._restart()

    @property
    def _seekable(self) -> bool:
        """Streams without times can only be counted from their start."""
        return self._stream.start_time is not None

    def _picture(self, now: Shown, size: tuple[int, int], resample: Resample) -> np.ndarray:
        frame, rotation = now.frame, self.info.rotation
        if frame is None:
            where = f"the frame at {self._clock.seconds(now.tick):.3f} s is damaged"
            raise VideoError(self._path, f"{where}, or one that it is predicted from; copy or encode the file again")
        return to_rgb(self._reformatter, frame, size, rotation, resample)


def to_rgb(
    reformatter: VideoReformatter, frame: VideoFrame, size: tuple[int, int], rotation: int, resample: Resample
) -> np.ndarray:
    """A decoded frame as uint8 (h, w, 3) of `size` (width, height), which is that after it is turned by `rotation`."""
    hd = frame.width >= 1280 or frame.height > 576
    matrix = Colorspace.ITU709 if hd and frame.colorspace == _UNSPECIFIED and not frame.format.is_rgb else None
    width, height = size if rotation % 180 == 0 else size[::-1]
    rgb = reformatter.reformat(
        frame, width, height, "rgb24", src_colorspace=matrix, interpolation=SWSCALE[resample], threads=1
    )
    return np.rot90(rgb.to_ndarray(), rotation // 90)
