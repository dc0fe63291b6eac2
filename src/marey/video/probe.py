"""What a video file is: size, rate, length, codec; from its header, or measured on its packets without decoding."""

import os
from array import array
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
from av import VideoFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from ..errors import VideoError
from .clock import Clock, clock_of, frame_rate, packet_tick
from .container import Source, is_listed, open_container, video_stream

_TAIL_S = 2.0  # how far before the claimed end the last packets are looked for
_REORDER = 17  # more frames than any codec reorders
_LIE_S = 0.5  # by how much the end that a header claims may exceed the end of the packets
_FROM_ZERO = {"matroska,webm", "asf"}  # formats whose header counts from time 0, wherever the first frame is


@dataclass(frozen=True)
class VideoInfo:
    """Facts about the video stream of a file.

    width, height  in pixels as shown, after rotation; a pixel aspect ratio is not applied
    fps            average frames per second
    duration_s     from the presentation start to the end of the last frame: to the later one of the ends that the
                   packet of the frame shown last and the header of the stream state, unless the header's is a lie
    frame_count    None where the header does not say; that of AVI counts frames left out because nothing changed
    codec          FFmpeg's name of it, whichever decoder reads it: h264, av1
    rotation       degrees counter-clockwise by which decoded frames are turned to be shown: 0, 90, 180 or 270
    audio_rate     samples per second of the first audio stream, None without audio
    variable_rate  the time between frames changes
    container      FFmpeg's name of the file format
    """

    path: str
    width: int
    height: int
    fps: Fraction
    duration_s: float
    frame_count: int | None
    codec: str
    rotation: int
    audio_rate: int | None
    variable_rate: bool
    container: str


def probe(path: Source, *, exact: bool = False) -> VideoInfo:
    """Facts about a video: what its header says, but with the end looked up where the last packets are.

    With `exact`, all packets are read (none is decoded): frame count and duration are measured, and so is whether the
    rate varies; where it does, `fps` is frames by duration.
    Raises VideoError for what is no readable video or holds no frame.
    """
    if exact:
        return _measured(os.fspath(path))[1]
    with open_container(path) as container:
        stream, name = video_stream(container, path), os.fspath(path)
        stream.codec_context.thread_count = 1
        return describe(container, stream, name, rotation_of(container, stream, name))


def verify(path: Source) -> VideoInfo:
    """`probe(path, exact=True)`, and VideoError where the header claims a later end than the packets have."""
    info, measured, claimed_s, held_s = _measured(os.fspath(path))
    slack_s = _slack_s(info.fps)
    if claimed_s > held_s + slack_s:
        reason = f"its header claims {claimed_s:.2f} s, but its packets end at {held_s:.2f} s; copy or encode it again"
        raise VideoError(info.path, reason)
    claimed, held = info.frame_count or 0, measured.frame_count or 0
    if claimed > max(held, held_s * info.fps) + slack_s * info.fps:  # by time as well: see VideoInfo.frame_count
        raise VideoError(info.path, f"its header claims {claimed} frames, but it holds {held}; copy or encode it again")
    return measured


def describe(container: InputContainer, stream: VideoStream, path: str, rotation: int) -> VideoInfo:
    """The facts about an open file. Unless it `is_listed`, it is left at an unknown place."""
    clock, rate, entries = clock_of(container, stream), frame_rate(stream), stream.index_entries
    kind, own_s = container.format.name, _own_end(container, stream, clock)
    end_s, count = own_s or _file_end(container, clock), stream.frames or None
    if is_listed(container, stream):
        listed_s = clock.seconds(entries[-1].timestamp - entries[0].timestamp + clock.frame + (stream.start_time or 0))
        end_s = end_s if end_s and end_s <= listed_s + _LIE_S else listed_s
        count = len(entries) - _cut_off(stream)
        variable = bool(stream.base_rate and abs(stream.base_rate / rate - 1) > Fraction(1, 100))
        if stream.codec_context.has_b_frames and kind != "avi":  # then index and header know when frames are decoded
            packets = _last_packets(path, listed_s)
            end_s, variable = _later(end_s, clock.seconds(packets.end), rate), variable or packets.uneven(clock)
        rate = _average(count, end_s) if variable and end_s > 0 else rate
    else:
        packets = _tail_packets(container, stream, clock, end_s) or _all_packets(path)
        end_s, variable = _later(own_s, clock.seconds(packets.end), rate), packets.uneven(clock)
    width, height = stream.codec_context.width, stream.codec_context.height
    sound = next((s.codec_context.sample_rate for s in container.streams.audio if s.codec_context), None)
    return VideoInfo(
        path=path,
        width=height if rotation % 180 else width,
        height=width if rotation % 180 else height,
        fps=rate,
        duration_s=end_s,
        frame_count=count,
        codec=stream.codec_context.codec.canonical_name,
        rotation=rotation,
        audio_rate=sound,
        variable_rate=variable,
        container=kind,
    )


def turn(frame: VideoFrame) -> int:
    """Degrees counter-clockwise by which a frame is turned to be shown: 0, 90, 180 or 270."""
    return round(frame.rotation / 90) * 90 % 360


def rotation_of(container: InputContainer, stream: VideoStream, path: str) -> int:
    """The `turn` of the first frame that decodes; VideoError where there is none."""
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except FFmpegError:
                continue  # a damaged frame; another one may tell
            if frames:
                return turn(frames[0])
    except FFmpegError as error:
        raise VideoError(path, f"its first frames cannot be read ({error.strerror})") from None
    raise VideoError(path, "has no frame that can be decoded")


def _own_end(container: InputContainer, stream: VideoStream, clock: Clock) -> float:
    """The end in seconds by the header of the stream; 0 where it has none.

    FFmpeg counts the duration of an MP4 file in fragments from 0 (but not with an edit list), others from the start.
    """
    if not stream.duration or container.format.name in _FROM_ZERO:  # there FFmpeg gives it that of the file
        return 0.0
    fragments = "mp4" in container.format.name and not is_listed(container, stream)
    return max(0.0, clock.seconds((0 if fragments else stream.start_time or 0) + stream.duration))


def _file_end(container: InputContainer, clock: Clock) -> float:
    """The end in seconds by the header of the file, of whatever lasts longest in it; 0 where it does not say.

    Matroska's Duration is a length, says its specification, but FFmpeg writes the last time there, counted from 0, and
    in ASF too. They differ where nothing comes at 0; the lesser is taken, so that nobody is accused for the other.
    """
    if container.duration is None:
        return 0.0
    start = 0 if container.format.name in _FROM_ZERO else container.start_time or 0
    return max(0.0, (start + container.duration) / av.time_base - float(clock.zero * clock.base))


def _slack_s(fps: Fraction) -> float:
    return max(_LIE_S, 2 / float(fps))


def _later(claimed_s: float, held_s: float, fps: Fraction) -> float:
    """The later end, but for a header that claims so much more than the packets hold that it cannot be believed."""
    return claimed_s if held_s < claimed_s <= held_s + _slack_s(fps) else held_s


def _average(count: int, duration_s: float) -> Fraction:
    return max(Fraction(count / duration_s).limit_denominator(1001), Fraction(1, 1001))


def _cut_off(stream: VideoStream) -> int:
    """How many frames an edit list leaves out at the start and at the end, told apart by a run of shown ones."""
    entries, left_out, seen = stream.index_entries, 0, 0
    for order in (range(len(entries)), range(len(entries) - 1, -1, -1)):
        run = 0  # packets are in the order of decoding, so that a few shown ones may lie among those left out
        for k in order:
            run, seen = (0 if entries[k].is_discard else run + 1), seen + 1
            left_out += entries[k].is_discard
            if run == _REORDER:
                break
        if seen == len(entries):
            break
    return left_out


class _Packets(NamedTuple):
    starts: np.ndarray  # ticks at which the frames appear, sorted
    end: int  # tick at which the one that appears last ends
    all_end_s: float  # where the last packet of any stream ends

    def uneven(self, clock: Clock) -> bool:
        """Whether the time between frames changes, beyond rounding."""
        gaps = np.diff(self.starts)
        return len(gaps) > 0 and int(gaps.max() - gaps.min()) > max(2, clock.frame // 10)


def _read_packets(container: InputContainer, stream: VideoStream, clock: Clock) -> _Packets:
    """The times of all packets from here on; where the bytes run out, those before."""
    starts, last, end, others_s = array("q"), clock.zero, clock.zero, 0.0
    try:
        for packet in container.demux():
            if not packet.size or packet.is_discard:
                continue
            if packet.stream is stream:
                tick = packet_tick(packet, container.format.name)
                starts.append(len(starts) * clock.frame if tick is None else tick)
                if starts[-1] >= last:
                    last, end = starts[-1], starts[-1] + (packet.duration or clock.frame)
            elif packet.pts is not None and packet.time_base:
                others_s = max(others_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    except FFmpegError:
        pass
    all_end_s = max(clock.seconds(end), others_s - float(clock.zero * clock.base))
    return _Packets(np.sort(np.asarray(starts, dtype=np.int64)), end, all_end_s)


def _tail_packets(container: InputContainer, stream: VideoStream, clock: Clock, claimed_s: float) -> _Packets | None:
    """The last packets; None where they cannot be reached by seeking."""
    if not claimed_s or stream.start_time is None:
        return None
    try:
        container.seek(max(clock.zero, clock.ticks(claimed_s - _TAIL_S)), stream=stream)
    except FFmpegError:
        return None
    packets = _read_packets(container, stream, clock)
    complete = packets.starts[len(packets.starts) // 2 :]  # the first ones may lack neighbours that are stored before
    return packets._replace(starts=complete) if len(complete) else None


def _last_packets(path: str, end_s: float) -> _Packets:
    """The last packets of a file whose end is about there, from a handle of their own; all where that fails."""
    with open_container(path) as container:
        stream = video_stream(container, path)
        found = _tail_packets(container, stream, clock_of(container, stream), end_s)
    return found or _all_packets(path)


def _all_packets(path: str) -> _Packets:
    with open_container(path) as container:
        stream = video_stream(container, path)
        return _read_packets(container, stream, clock_of(container, stream))


def _measured(path: str) -> tuple[VideoInfo, VideoInfo, float, float]:
    """Facts by the header and as measured; the end that the header claims and the end of the packets, in seconds."""
    info = probe(path)
    with open_container(path) as container:
        stream = video_stream(container, path)
        clock = clock_of(container, stream)
        own_s, file_s = _own_end(container, stream, clock), _file_end(container, clock)
    packets = _all_packets(path)
    count, held_s, uneven = len(packets.starts), clock.seconds(packets.end), packets.uneven(clock)
    duration_s = _later(own_s, held_s, info.fps)
    fps = _average(count, duration_s) if uneven and duration_s > 0 else info.fps
    measured = replace(info, frame_count=count, duration_s=duration_s, variable_rate=uneven, fps=fps)
    return info, measured, own_s or file_s, held_s if own_s else packets.all_end_s
