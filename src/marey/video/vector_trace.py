"""From decoded frames with motion vectors to motion: which frame each vector leads to, and what had moved before.

A vector says only whether it leads to the past or to the future. We take it to lead to the nearest frame on that side
that others are predicted from and that was decoded before: encoders put that one first, and where they may use several,
most vectors lead to it.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from av import VideoFrame
from av.packet import Packet
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from .clock import packet_tick
from .feed import Shown
from .probe import turn
from .vector_blocks import NONE, Blocks, Vectors, carried_on, cells, that_matter, velocities

_REORDERED = 20  # more frames than any codec holds back
_AT_A_TIME, _CELLS = 16, 75_000  # frames, as far as their cells stay in the processor's cache: each then costs less
_T = TypeVar("_T")
_SLICES = range(1, 6)  # the kinds of H.264 units that hold a part of a picture


class Moved(NamedTuple):
    """A frame and how its picture has moved.

    tick       when it appears
    motion     of a frame of average length; where it is accumulated, that since the keyframe; None for a damaged frame
    since      motion since the reference: the frame that this one is predicted from, or the keyframe
    times      `since` is so many times `motion`
    frame      its picture, if pixels were asked for
    reference  that of the reference; None too where there is no reference, and no motion then
    """

    tick: int
    motion: Blocks | None
    since: Blocks | None = None
    frame: VideoFrame | None = None
    reference: VideoFrame | None = None
    times: float = 1.0


class _Seen(NamedTuple):
    """What is kept of a frame until its motion is computed."""

    tick: int
    coded: tuple[int, int]
    turn: int
    intra: bool  # not predicted from other frames
    used: bool  # other frames are predicted from it
    blind: bool  # its vectors are not exported
    past: int | None
    vectors: Vectors
    frame: VideoFrame | None


class Trace:
    """Follows the motion of frames, given in the order in which they appear, from a keyframe on.

    `note` must have seen the packet of every frame that was decoded by then. Some frames are handled at a time; none
    is waited for that appears after `wanted`.
    """

    def __init__(
        self, stream: VideoStream, *, container_name: str, frame_ticks: int, accumulate: bool, pixels: bool
    ) -> None:
        codec = stream.codec_context
        self.wanted: int | None = None
        self._h264, self._container = codec.name == "h264", container_name
        head = codec.extradata or b""
        self._length_bytes = (head[4] & 3) + 1 if len(head) > 4 and head[0] == 1 else 0
        self._frame_ticks, self._accumulate, self._pixels = frame_ticks, accumulate, pixels
        self._order = 0
        self._sent: dict[int, tuple[int, bool]] = {}  # tick -> place in the order of decoding; others predicted from it
        self._used: dict[int, int] = {}  # the same for those that others are predicted from alone: place
        self._last: int | None = None  # the last reference that was shown
        self._latest: np.ndarray | None = None  # the last motion that vectors told
        # By the tick of a reference: motion since the keyframe, and that; the reference itself.
        self._past: dict[int, tuple[np.ndarray, VideoFrame | None]] = {}
        self._pictures: dict[int, VideoFrame] = {}
        self._room = np.empty(0, np.complex64)

    def note(self, packet: Packet) -> None:
        """Remember a packet that is about to be decoded. AVI does not tell when its frame appears."""
        tick = None if self._container == "avi" else packet_tick(packet, self._container)
        if tick is None or not self._h264:
            return
        self._order += 1
        used = _is_reference(memoryview(packet), self._length_bytes)
        _remember(self._sent, tick, (self._order, used))
        if used:
            _remember(self._used, tick, self._order)

    def follow(self, frames: Iterator[Shown]) -> Iterator[Moved]:
        held: list[_Seen] = []
        enough = _AT_A_TIME
        for tick, frame in frames:
            seen = None if frame is None else self._seen(tick, frame)
            if held and (seen is None or seen.coded != held[0].coded):
                yield from self._moved(held)
                held.clear()
            if seen is None:
                yield Moved(tick, None)
                continue
            held.append(seen)
            if len(held) == 1:
                rows, columns = cells(*seen.coded)
                enough = min(_AT_A_TIME, max(2, _CELLS // (rows * columns)))
            late = self.wanted is not None and tick > self.wanted
            if not seen.blind and (late or len(held) >= enough):
                yield from self._moved(held)
                held.clear()
        if held:
            yield from self._moved(held)

    def _seen(self, tick: int, frame: VideoFrame) -> _Seen:
        kind = frame.pict_type
        order, used = self._sent.get(tick, (None, kind != PictureType.B))
        past = future = None
        if kind == PictureType.I:
            pass
        elif order is None:
            past = self._last
        else:
            for each, place in self._used.items():
                if place < order and each < tick and (past is None or each > past):
                    past = each
                elif place < order and each > tick and (future is None or each < future):
                    future = each
        # Not `frame.side_data`: it and the frame hold each other, so that pictures pile up until garbage is collected.
        sides = None if kind == PictureType.I else SideDataContainer(frame)  # pyright: ignore[reportCallIssue]
        found = None if sides is None else sides.get("MOTION_VECTORS")
        # Of MPEG-4, FFmpeg exports zeros for B-frames, and nothing for the frame that it gives out last.
        blind = not self._h264 and kind != PictureType.I and (kind == PictureType.B or found is None)
        vectors = Vectors(
            NONE if found is None or blind else that_matter(found),
            1.0 if past is None else (tick - past) / self._frame_ticks,
            1.0 if future is None else (future - tick) / self._frame_ticks,
        )
        if used:
            self._last = tick
        kept = frame if self._pixels else None
        size = (frame.width, frame.height)
        return _Seen(tick, size, turn(frame), kind == PictureType.I, used, blind, past, vectors, kept)

    def _moved(self, held: list[_Seen]) -> Iterator[Moved]:
        """The motion of some frames of one size."""
        shape = cells(*held[0].coded)
        if self._accumulate and len(self._room) < len(held) * shape[0] * shape[1]:
            self._room = np.empty(len(held) * shape[0] * shape[1], np.complex64)
        paces = velocities([seen.vectors for seen in held], shape, room=self._room if self._accumulate else None)
        if not self._h264:
            self._fill(held, paces)
        away = [1.0 if seen.past is None else (seen.tick - seen.past) / self._frame_ticks for seen in held]
        if self._accumulate:
            paces *= np.array(away, np.float32)[:, None, None, None]
            for seen, since in zip(held, paces, strict=True):
                yield self._whole(seen, since)
            return
        for seen, pace, frames in zip(held, paces, away, strict=True):
            reference = None if seen.past is None else self._pictures.get(seen.past)
            if seen.used and seen.frame is not None:
                _remember(self._pictures, seen.tick, seen.frame)
            motion = Blocks(pace, seen.coded, seen.turn)
            since = motion if frames == 1 else motion._replace(motion=pace * np.float32(frames))
            yield Moved(seen.tick, motion, since, seen.frame, reference, frames)

    def _whole(self, seen: _Seen, since: np.ndarray) -> Moved:
        """Motion since the keyframe of a frame that moved by `since` since its reference."""
        before = None if seen.past is None else self._past.get(seen.past)
        if before is None or before[0].shape != since.shape:
            whole, key, reference = np.zeros_like(since), seen.frame, None
        else:
            whole, key = carried_on(since, before[0]), before[1]
            reference = key
        if seen.used:
            _remember(self._past, seen.tick, (whole, key))
        motion = Blocks(whole, seen.coded, seen.turn)
        return Moved(seen.tick, motion, motion, seen.frame, reference)

    def _fill(self, held: list[_Seen], paces: np.ndarray) -> None:
        """Give frames without vectors the motion of the frame that they lead up to, or of the last one with some."""
        for k, seen in enumerate(held):
            if not seen.blind:
                self._latest = self._latest if seen.intra else paces[k].copy()
                continue
            onward = next((j for j in range(k + 1, len(held)) if not held[j].blind), None)
            if onward is not None and not held[onward].intra:
                paces[k] = paces[onward]
            elif self._latest is not None and self._latest.shape == paces[k].shape:
                paces[k] = self._latest


def _remember(memory: dict[int, _T], tick: int, value: _T) -> None:
    memory[tick] = value
    if len(memory) > _REORDERED:
        del memory[next(iter(memory))]


def _is_reference(data: memoryview, length_bytes: int) -> bool:
    """Whether other frames may be predicted from that of a H.264 packet: nal_ref_idc of its first slice (7.4.1).

    Units follow a length of `length_bytes` (as in MP4), or the bytes 0 0 1 where that is 0 (as in transport streams).
    """
    if not length_bytes:
        text, at = bytes(data), 0
        while (at := text.find(b"\x00\x00\x01", at) + 3) > 2 and at < len(text):
            if text[at] & 31 in _SLICES:
                return bool(text[at] >> 5 & 3)
        return True
    at = 0
    while at + length_bytes < len(data):
        head = data[at + length_bytes]
        if head & 31 in _SLICES:
            return bool(head >> 5 & 3)
        at += length_bytes + int.from_bytes(data[at : at + length_bytes])
    return True
