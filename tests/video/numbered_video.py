"""Small videos whose frames carry their number in eight black or white bars, in any codec that the tests need."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, BITS = 96, 64, 8
_STEADY = {"libx264": {"threads": "1", "sc_threshold": "0"}}  # keyframes only where the group of pictures ends


def picture(number: int) -> np.ndarray:
    """uint8 (64, 96, 3): bar k is white where bit k of the number is set."""
    bars = np.array([255 * (number >> k & 1) for k in range(BITS)], np.uint8)
    return np.broadcast_to(bars.repeat(WIDTH // BITS)[None, :, None], (HEIGHT, WIDTH, 3)).copy()


def numbers(frames: np.ndarray) -> list[int]:
    """The numbers of uint8 (t, h, w, 3), at any size."""
    line = frames[:, frames.shape[1] // 2, :, 1]
    middles = ((np.arange(BITS) + 0.5) * line.shape[1] / BITS).astype(int)
    return [int(row) for row in ((line[:, middles] > 127) * 2 ** np.arange(BITS)).sum(1)]


def write_numbered(
    path: Path,
    *,
    codec: str = "libx264",
    count: int = 60,
    fps: int = 30,
    gop: int = 15,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    ticks: Sequence[int] | None = None,
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    sound_s: float = 0.0,
) -> Path:
    """Frames 0, 1, ... at `fps`, or at the given ticks of 1/`fps` seconds; with `sound_s` seconds of silence."""
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=fps, options={**_STEADY.get(codec, {}), **(options or {})})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        stream.codec_context.gop_size = gop
        stream.codec_context.time_base = Fraction(1, fps)
        if rotation:
            stream.set_display_rotation(rotation)
        sound = out.add_stream("aac", rate=16_000, layout="mono") if sound_s else None
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = number if ticks is None else ticks[number], Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound:
            block = av.AudioFrame.from_ndarray(np.zeros((1, int(sound_s * 16_000)), np.float32), "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = 16_000, 0, Fraction(1, 16_000)
            out.mux(sound.encode(block))
            out.mux(sound.encode(None))
    return path


def remux(
    source: Path,
    target: Path,
    *,
    shift: int = 0,
    drop_before: int | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """The same packets in another file, their times moved by `shift` ticks of the source."""
    with av.open(str(source)) as given, av.open(str(target), "w", options=container or {}) as out:
        stream = given.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.dts is None or (drop_before is not None and packet.dts < drop_before):
                continue
            packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, copy
            out.mux(packet)
    return target
