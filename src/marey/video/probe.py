"""What a video file is: size, rate, length, codec; from its header, or measured on its packets without decoding."""

import os
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from .container import Source, open_container, video_stream


@dataclass(frozen=True)
class VideoInfo:
    """Facts about the video stream of a file.

    width, height  in pixels as shown, after rotation
    fps            average frames per second
    duration_s     from the presentation start to the end of the last frame
    frame_count    None where the header does not say
    rotation       degrees counter-clockwise by which decoded frames are turned: 0, 90, 180 or 270
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
    """Facts about a video, from its header; with `exact`, frames and duration are counted over all packets."""
    with open_container(path) as container:
        return describe(container, video_stream(container, path), os.fspath(path))


def zero_ticks(container: InputContainer, stream: VideoStream) -> int:
    """Time 0 in ticks of the stream: where a player starts.

    That is the earliest start of any stream, but not before 0, where only the warm-up samples of an audio codec lie,
    unless the video itself starts there.
    """
    first = stream.start_time or 0
    start = max(container.start_time or 0, 0)
    return min(first, round(Fraction(start, av.time_base) / _time_base(stream)))


def _time_base(stream: VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, 90_000)


def describe(container: InputContainer, stream: VideoStream, path: str) -> VideoInfo:
    fps = stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25)
    zero = zero_ticks(container, stream)
    if stream.duration:
        end = ((stream.start_time or 0) + stream.duration - zero) * _time_base(stream)
    else:
        end = Fraction(container.duration or 0, av.time_base)
    rotation = 0
    for frame in container.decode(stream):
        rotation = frame.rotation % 360
        break
    container.seek(0)
    width, height = stream.codec_context.width, stream.codec_context.height
    audio = container.streams.audio
    return VideoInfo(
        path=path,
        width=height if rotation % 180 else width,
        height=width if rotation % 180 else height,
        fps=fps,
        duration_s=float(end),
        frame_count=stream.frames or None,
        codec=stream.codec_context.name,
        rotation=rotation,
        audio_rate=audio[0].codec_context.sample_rate if audio else None,
        variable_rate=bool(stream.base_rate and stream.average_rate and stream.base_rate != stream.average_rate),
        container=container.format.name,
    )
