"""How the times in a file become seconds from its start."""

from fractions import Fraction
from typing import NamedTuple

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

_WARM_UP_S = 0.25  # sound that starts no more than this before the pictures is the warm-up of its codec


class Clock(NamedTuple):
    """How the times of a stream become seconds: a tick lasts `base` seconds, time 0 is at tick `zero`, and a frame
    lasts `frame` ticks on average."""

    base: Fraction
    zero: int
    frame: int

    def ticks(self, second: float) -> int:
        """The tick of a time, which is forgiven half a tick (at most half a millisecond), because the times of frames
        are rounded to ticks: Matroska shows frame 2 of 30 a second at 0.067 s, not at 2/30 s."""
        slack = min(self.base / 2, Fraction(1, 2000))
        return self.zero + int((Fraction(second) + slack) // self.base)

    def seconds(self, ticks: int) -> float:
        return float((ticks - self.zero) * self.base)


def frame_rate(stream: VideoStream) -> Fraction:
    """Average frames per second; of a stream without times what its codec says, not the demuxer's default of 25."""
    known = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return next((r for r in (known if stream.start_time is not None else known[1:]) if r), Fraction(25))


def clock_of(container: InputContainer, stream: VideoStream) -> Clock:
    """Time 0 is where a player starts: the first picture, or the sound where that clearly starts before it."""
    base = stream.time_base or Fraction(1, 90_000)
    first = stream.start_time or 0
    lead_s = first * base - Fraction(max(container.start_time or 0, 0), av.time_base)
    zero = first - round(lead_s / base) if lead_s > _WARM_UP_S else first
    return Clock(base, zero, max(1, round(1 / frame_rate(stream) / base)))


def packet_tick(packet: Packet, container_name: str) -> int | None:
    """When the frame of a packet appears. AVI stores no times, only an order: there it is when it is decoded."""
    if container_name == "avi" or packet.pts is None:
        return packet.dts
    return packet.pts
