"""Frame-exact decoding by time."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Literal, Protocol

import numpy as np

from .clip import Clip
from .container import Source
from .probe import VideoInfo

Resample = Literal["area", "bilinear", "bicubic"]


class Decoder(Protocol):
    """What a decoding library must offer; times are seconds from the presentation start."""

    info: VideoInfo

    def frames_at(
        self, seconds: Sequence[float], size: tuple[int, int], resample: Resample
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames (t, h, w, 3) and when each appeared (t,); `size` is (width, height)."""
        ...

    def stream(self, start_s: float, size: tuple[int, int], resample: Resample) -> Iterator[tuple[float, np.ndarray]]:
        """Every frame from the one on screen at `start_s`."""
        ...

    def close(self) -> None: ...


class Video:
    """An open video: a context manager that belongs to the process that opened it."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.info = decoder.info

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._decoder.close()

    def size(self, short_px: int | None) -> tuple[int, int]:
        """(width, height) of the frames when the short side is resized to `short_px`."""
        width, height = self.info.width, self.info.height
        if short_px is None:
            return width, height
        scale = Fraction(short_px, min(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def frames_at(self, seconds: Sequence[float], *, short_px: int | None = None, resample: Resample = "area") -> Clip:
        """For each time (sorted, repeats allowed) the frame on screen then."""
        wanted = np.asarray(seconds, dtype=np.float64)
        if wanted.ndim != 1 or not len(wanted) or not np.isfinite(wanted).all() or (np.diff(wanted) < 0).any():
            raise ValueError("seconds must be at least one finite number, sorted")
        frames, shown = self._decoder.frames_at(wanted.tolist(), self.size(short_px), resample)
        return Clip(frames, shown, self.info.fps, self.info.path)

    def stream(
        self,
        *,
        start_s: float = 0.0,
        end_s: float | None = None,
        fps: float | None = None,
        short_px: int | None = None,
        resample: Resample = "area",
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Every frame (or, with `fps`, the frame on screen every 1/fps seconds) as (seconds, uint8 (h, w, 3))."""
        end = self.info.duration_s if end_s is None else end_s
        if fps is not None:
            count = int(np.ceil((min(end, self.info.duration_s) - start_s) * fps - 1e-6))
            for k in range(count):
                clip = self.frames_at([start_s + k / fps], short_px=short_px, resample=resample)
                yield start_s + k / fps, clip.frames[0]
            return
        for second, frame in self._decoder.stream(start_s, self.size(short_px), resample):
            if end_s is not None and second >= end_s:
                return
            yield second, frame


def open_video(path: Source, *, decoder: Literal["auto", "pyav", "torchcodec"] = "pyav", threads: int = 1) -> Video:
    """Open a video for decoding; close it, or use it as a context manager."""
    from .decode_pyav import PyAVDecoder

    return Video(PyAVDecoder(path, threads=threads))
