"""Packets in, frames out in the order in which they appear, each with its time and known to be whole or damaged."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from av import VideoFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from .clock import packet_tick

_CUT_OFF = 2  # frames that a missing end may spoil
_TIMES_SOME = {"mpeg", "mpegts"}  # give a time only to the first frame of a block of bytes; the next ones count from it
_DROPS_BROKEN = {"hevc"}  # decoders that leave out a broken frame without a word


class Shown(NamedTuple):
    """A frame and the tick at which it appears; no frame where it is damaged."""

    tick: int
    frame: VideoFrame | None


class Feed:
    """Frames from where the container stands to its end.

    A frame is damaged if the decoder says so or fails, and so is every later one up to the next keyframe, because it
    is predicted from it. Where the container was sought (not `at_start`), frames before the first keyframe are dropped:
    they may lack what they are predicted from.

    A file that is `open_ended` (no index says how many frames there are) may stop in the middle of its last frame,
    which is then left out.

    wanted     tick of the frame that is looked for: of the frames that a later one replaces by then, those that nothing
               is predicted from need not be decoded
    on_packet  is shown every packet before it is decoded
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        frame_ticks: int,
        at_start: bool,
        open_ended: bool,
        wanted: int | None = None,
        on_packet: Callable[[Packet], None] | None = None,
    ) -> None:
        self.wanted, self._on_packet = wanted, on_packet
        self._container, self._stream, self._frame_ticks = container, stream, frame_ticks
        self._format, self._codec = container.format.name, stream.codec_context
        self._at_start, self._open_ended = at_start, open_ended
        self._placed = at_start or self._format not in _TIMES_SOME
        self._started = self._keyed = self._broken = False
        self._last: int | None = None  # tick of the last frame that was shown
        self._timeless = stream.start_time is None  # frames can only be counted
        self._sent = -frame_ticks  # decoding time of the last packet, or that of the last frame counted
        self._newest: int | None = None  # last tick up to `wanted` whose packet was sent
        self._coming: set[int] = set()  # ticks of the packets whose frames are still to come
        self._whole: set[int] = set()  # those of them that were sent before something broke
        self._held: list[Shown] = []  # damaged frames that are not yet shown
        self._lost: set[int] = set()  # ticks of the packets that failed

    def __iter__(self) -> Iterator[Shown]:
        damaged: list[Shown] = []  # since the last whole frame
        for shown in self._all():
            if shown.frame is None:
                damaged.append(shown)
                continue
            yield from damaged
            damaged.clear()
            yield shown
        if not self._open_ended or len(damaged) > _CUT_OFF:
            yield from damaged

    def _all(self) -> Iterator[Shown]:
        try:
            for packet in self._container.demux(self._stream):
                if not self._placed:
                    if packet.size and not (packet.is_keyframe and packet.pos is not None):
                        continue
                    self._placed = True
                if self._on_packet and packet.size:
                    self._on_packet(packet)
                for frame in self._decode(packet):
                    yield from self._show(frame)
        except FFmpegError:  # the file breaks off: what would follow is missing
            self._lost.add((self._last or 0) + self._frame_ticks)
        self._lost, self._whole = self._lost | self._whole, set()
        yield from self._release()
        yield from (Shown(t, None) for t in sorted(self._lost) if self._last is None or t > self._last)

    def _decode(self, packet: Packet) -> list[VideoFrame]:
        tick = packet_tick(packet, self._format) if packet.size else None
        replaced = tick is not None and self._newest is not None and tick < self._newest
        needless = replaced and self._format != "avi"  # whose ticks are those of decoding
        if (self._codec.skip_frame == "NONREF") != needless:
            self._codec.skip_frame = "NONREF" if needless else "DEFAULT"
        if tick is not None and not needless and not packet.is_discard:
            self._coming.add(tick)
        if tick is not None and self.wanted is not None and tick <= self.wanted:
            self._newest = tick if self._newest is None else max(tick, self._newest)
        self._sent = self._sent if packet.dts is None else packet.dts
        self._keyed |= packet.is_keyframe
        frames, failed = [], packet.is_corrupt
        try:
            frames = packet.decode()
        except FFmpegError:
            failed = True
        if failed and self._keyed and tick is not None:
            self._coming.discard(tick)
            self._lost.add(tick)
            self._broken, self._whole = True, set(self._coming)
        return frames  # pyright: ignore[reportReturnType] - the stream is a video stream

    def _show(self, frame: VideoFrame) -> Iterator[Shown]:
        tick = self._tick(frame)
        if not self._started:
            cut = frame.is_corrupt and not (self._at_start and self._keyed)
            if cut or not (self._at_start or frame.key_frame):
                return
            self._started, self._coming = True, {t for t in self._coming if t >= tick}
        passed = {t for t in self._coming if t <= tick} - self._whole
        self._coming -= passed
        if self._codec.name in _DROPS_BROKEN and passed > {tick}:
            self._lost |= passed - {tick}
            self._broken = True
        if frame.is_corrupt:
            self._broken, self._whole = True, set()
        elif frame.key_frame:
            self._broken = False
            self._lost |= self._whole - {tick}  # they would have come by now
            self._whole = set()
        damaged = frame.is_corrupt or tick in self._lost or (self._broken and tick not in self._whole)
        self._whole.discard(tick)
        self._held.append(Shown(tick, None if damaged else frame))
        yield from self._release()

    def _release(self) -> Iterator[Shown]:
        """What may be shown now; after a failure, damaged frames come out ahead of whole ones that appear earlier."""
        before = min(self._whole, default=None)
        self._held.sort(key=lambda shown: shown.tick)
        while self._held and (before is None or self._held[0].tick < before):
            shown = self._held.pop(0)
            missing = sorted(t for t in self._lost if t < shown.tick)
            self._lost = {t for t in self._lost if t > shown.tick}
            for each in (*(Shown(t, None) for t in missing), shown):
                if self._last is None or each.tick > self._last:  # what is out of order a player drops too
                    self._last = each.tick
                    yield each

    def _tick(self, frame: VideoFrame) -> int:
        """By its presentation time; in AVI, which has none, by the packet that made the decoder release it."""
        if self._format != "avi" and frame.pts is not None:
            return frame.pts
        if frame.dts is not None:
            return frame.dts - self._codec.reorder_depth * self._frame_ticks
        self._sent += self._frame_ticks  # released by the end of the file, or of a stream without any times
        return self._sent - (0 if self._timeless else self._codec.reorder_depth) * self._frame_ticks
