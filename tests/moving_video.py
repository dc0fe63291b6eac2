"""Small videos of a texture that moves by the same step from each frame to the next, in any codec that tests need."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np


def texture(height: int, width: int) -> np.ndarray:
    """uint8 (h, w, 3), the same for the same size."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    grey = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    return np.repeat(grey[..., None], 3, -1)


def moving_frames(count: int, step: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """uint8 (t, h, w, 3) of a picture that moves by `step` (right, down) pixels a frame."""
    (width, height), (right, down) = size, step
    wide = texture(height + count * abs(down), width + count * abs(right))
    frames = []
    for k in range(count):
        left, top = ((count - k) * s if s > 0 else -k * s for s in (right, down))
        frames.append(wide[top : top + height, left : left + width])
    return np.stack(frames)


def write_moving(
    path: Path,
    *,
    codec: str = "libx264",
    count: int = 14,
    step: tuple[int, int] = (2, 0),
    size: tuple[int, int] = (96, 64),
    gop: int = 12,
    rotation: int = 0,
    fps: int = 10,
    x264: str = "",
    b_frames: int = 0,
    container: dict[str, str] | None = None,
    ticks: list[int] | None = None,
    moving: tuple[int, int] | None = None,
) -> Path:
    """`count` frames that move by `step` (right, down) in the coded picture; keyframes every `gop` alone.

    With `moving` (width, height) only that much of the upper left corner moves. `x264` has more of its own parameters.
    """
    params = f"bframes={b_frames}:b-adapt=0:b-pyramid=none:ref=1:scenecut=0:{x264}"
    options = {"threads": "1", "crf": "12", "x264-params": params} if codec == "libx264" else {"bf": str(b_frames)}
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.time_base = Fraction(1, fps)
        if codec == "mpeg4":
            stream.codec_context.bit_rate = 4_000_000
        if rotation:
            stream.set_display_rotation(rotation)
        pictures = moving_frames(count, step, size)
        if moving:
            pictures[:, moving[1] :], pictures[:, :, moving[0] :] = (
                pictures[0, moving[1] :],
                pictures[0, :, moving[0] :],
            )
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = k if ticks is None else ticks[k], Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def write_two_sizes(path: Path, sizes: tuple[tuple[int, int], ...] = ((96, 64), (192, 64)), *, count: int = 10) -> Path:
    """`count` frames of each size, one after the other in one stream, as two recordings that were joined unchanged."""
    parts = [
        write_moving(path.with_name(f"{k}-{path.stem}.ts"), size=size, count=count) for k, size in enumerate(sizes)
    ]
    with av.open(str(path), "w") as out:
        stream = None
        for number, part in enumerate(parts):
            with av.open(str(part)) as given:
                stream = stream or out.add_stream_from_template(given.streams.video[0])
                packets = [packet for packet in given.demux(video=0) if packet.size]
                base = packets[0].time_base
                start = min(packet.pts for packet in packets)
                for packet in packets:
                    packet.pts, packet.dts = (
                        t - start + round(number * count / 10 / base) for t in (packet.pts, packet.dts)
                    )
                    packet.stream = stream
                    out.mux(packet)
            part.unlink()
    return path
