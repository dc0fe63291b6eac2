"""One open file as a reel of frames that is wound to a time: what decoding pictures and reading vectors share.

A decoder delivers frames in one direction from a keyframe on. To show the frame at a time the reel goes on, or it seeks
the last keyframe before it, whichever decodes less. Two things make that exact:

- Frames are told apart by presentation time, never counted, so that a variable rate and edit lists come out right.
- After a seek, frames before the first keyframe are dropped: those of an open group of pictures lack the frames that
  they are predicted from. If the first frame left is later than asked, the seek goes further back.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar, runtime_checkable

from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from ..errors import VideoError
from .clock import Clock, clock_of
from .container import Source, is_listed, open_container, video_stream
from .feed import Feed, Shown
from .probe import describe, rotation_of, turn

_FEW_FRAMES = 4  # decoding this many is cheaper than a seek
_FIRST_GUESS_S = 2.0  # between keyframes, until some were seen
ONE_FRAME = "has only one frame, and motion leads from one to another; leave it out"


@runtime_checkable
class Timed(Protocol):
    """What is on a reel: it appears at a tick."""

    @property
    def tick(self) -> int: ...


T = TypeVar("T", bound=Timed)
T_co = TypeVar("T_co", bound=Timed, covariant=True)


@runtime_checkable
class Reading(Protocol[T_co]):
    """What is made of frames from one place of a file on.

    wanted  tick that is looked for: what appears later is not waited for; None where all is wanted
    """

    wanted: int | None

    def note(self, packet: Packet) -> None:
        """Be shown a packet that is about to be decoded."""
        ...

    def follow(self, frames: Iterator[Shown]) -> Iterator[T_co]: ...


class Reel(Generic[T]):
    """An open file; `begin` winds it to its first frame, and tells its `info`.

    reading  makes what is read from a place of the stream on: (stream, name of the container's format, clock)
    options  of the codec

    now, next  what is on screen, and what comes after it; None before and after the file
    """

    def __init__(
        self,
        path: Source,
        *,
        reading: Callable[[VideoStream, str, Clock], Reading[T]],
        threads: int = 1,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self._reading, self._threads = os.fspath(path), reading, threads
        self._options = dict(options or {})
        self.now: T | None = None
        self.next: T | None = None
        self._open()
        self.clock = clock_of(self.container, self.stream)
        self._gap = round(_FIRST_GUESS_S / self.clock.base)  # ticks between keyframes, as far as known
        self._listed = is_listed(self.container, self.stream)
        self._size, self._turned = (0, 0), None  # of the first frame that was decoded
        self._other: tuple[int, tuple[int, int]] | None = None  # the first frame of another size: tick, size
        self._one_frame = False

    def begin(self, *, moved: bool = False) -> None:
        """Wind to the first frame; `moved` where packets of the container were read before."""
        if moved:
            self._reopen()
        self._read_on(at_start=True, wanted=self.clock.zero)
        unseen = self._turned is None
        rotation = rotation_of(self.container, self.stream, self.path) if self._turned is None else self._turned
        self.info = describe(self.container, self.stream, self.path, rotation)
        self._start = self.now.tick if self.now else self.clock.zero
        self._one_frame = self.now is not None and self.next is None
        if unseen or not self._listed:  # the container was moved
            self._restart(wanted=self.clock.zero)

    @property
    def why_no_motion(self) -> str | None:
        """Why motion cannot be followed up to what is on screen, in words; None where it can."""
        if self._one_frame:
            return ONE_FRAME
        if self._other is None or self.now is None or self.now.tick < self._other[0]:
            return None
        first, other = (f"{width} x {height}" for width, height in (self._size, self._other[1]))
        second = self.clock.seconds(self._other[0])
        return (
            f"is {first} at first and {other} at {second:.3f} s, and motion cannot be followed from one size to "
            "another; make a copy of one size with `marey prepare`"
        )

    def close(self) -> None:
        self.container.close()
        self.now = self.next = None
        del self.container, self.stream, self._feed, self._part, self._frames

    def wind(self, tick: int) -> T:
        """What is on screen at a tick; of what appears before the first frame, that frame."""
        if self.now is None or (tick < self.now.tick and self.now.tick > self._start) or self._seek_pays(tick):
            self._seek(max(tick, self._start))
        self._feed.wanted = self._part.wanted = tick
        while self.next is not None and self.next.tick <= tick:
            self.step()
        if self.now is None:
            raise VideoError(self.path, "has no frame that can be decoded")
        return self.now

    def rewind(self) -> None:
        """Back to the first frame, for `step` to show every one."""
        if self.now is None or self.now.tick != self._start:
            self._restart()
        self._feed.wanted = self._part.wanted = None

    def step(self) -> None:
        self.now, self.next = self.next, next(self._frames, None)

    def _open(self) -> None:
        self.container = open_container(self.path)
        try:
            self.stream = video_stream(self.container, self.path)
        except VideoError:
            self.container.close()
            raise
        codec = self.stream.codec_context
        codec.thread_count, codec.thread_type, codec.options = self._threads, "AUTO", self._options
        for other in self.container.streams:
            if other is not self.stream:
                other.discard = Discard.all

    def _reopen(self) -> None:
        self.container.close()
        self._open()

    def _restart(self, *, wanted: int | None = None) -> None:
        """Read from the first packet, which no seek is sure to find."""
        self._reopen()
        self._read_on(at_start=True, wanted=wanted)

    def _read_on(self, *, at_start: bool, wanted: int | None = None) -> None:
        self._part = self._reading(self.stream, self.container.format.name, self.clock)
        self._part.wanted = wanted
        self._feed = Feed(
            self.container,
            self.stream,
            frame_ticks=self.clock.frame,
            at_start=at_start,
            open_ended=not self._listed,
            wanted=wanted,
            on_packet=self._part.note,
        )
        self._frames, self._key = self._part.follow(self._watched(self._feed)), None
        self.now = self.next = None
        self.step()
        self.step()

    def _watched(self, feed: Feed) -> Iterator[Shown]:
        """The frames; on the way it is learned how they are turned and sized, and how far apart keyframes are."""
        for shown in feed:
            if shown.frame is not None:
                size = shown.frame.width, shown.frame.height
                if self._turned is None:
                    self._size, self._turned = size, turn(shown.frame)
                elif size != self._size and (self._other is None or shown.tick < self._other[0]):
                    self._other = shown.tick, size
                if shown.frame.key_frame:
                    self._gap = self._gap if self._key is None else shown.tick - self._key
                    self._key = shown.tick
            yield shown

    def _seek_pays(self, tick: int) -> bool:
        """Whether a keyframe lies so far ahead, and before `tick`, that going there decodes less than decoding on."""
        if self.next is None or not self._seekable:
            return False
        few = _FEW_FRAMES * self.clock.frame
        if tick - self.next.tick <= few:
            return False
        entries = self.stream.index_entries
        key = entries.search_timestamp(tick) if len(entries) else -1
        if key >= 0 and entries[key].timestamp > self.next.tick + few:
            return True
        known = self._listed or (key >= 0 and entries[-1].timestamp >= tick)
        return not known and tick - self.next.tick > self._gap

    def _seek(self, tick: int) -> None:
        """Read on from the last keyframe that is shown by `tick`, or from the start."""
        aim, step = tick, self._gap
        while self._seekable and aim >= self._start:
            entries = self.stream.index_entries
            key = entries.search_timestamp(aim) if len(entries) else -1
            try:
                self.container.seek(aim, stream=self.stream)
            except FFmpegError:
                break
            self._read_on(at_start=self._listed and key == 0, wanted=tick)
            if self.now is not None and self.now.tick <= tick:
                return
            aim, step = (entries[key].timestamp - 1 if key > 0 else aim - step), 2 * step
        self._restart()

    @property
    def _seekable(self) -> bool:
        """Streams without times can only be counted from their start."""
        return self.stream.start_time is not None
