"""Decoding with torchcodec, an optional second opinion that uses the FFmpeg of the system.

What it returns is checked against the time that was asked for: version 0.13 on FFmpeg 5.1 returns later frames in
MPEG-TS files and in MP4 files that start inside a group of pictures, and hide damage.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from ..errors import MissingExtra, VideoError
from .clock import clock_of
from .container import Source, locate, open_container, video_stream
from .probe import describe, rotation_of
from .reel import ONE_FRAME
from .transform import Resample, resize

_AT_ONCE = 16  # full-size frames in memory


@cache
def torchcodec_problem() -> str | None:
    """Why torchcodec cannot be used here, or None if it can."""
    try:
        import torchcodec.decoders  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        return "torchcodec is not installed"
    except (RuntimeError, OSError):
        return "torchcodec is installed but finds no FFmpeg that it can load"
    return None


class TorchcodecDecoder:
    """One open file; VideoError where torchcodec cannot read it or gets its times wrong."""

    def __init__(self, path: Source, *, threads: int) -> None:
        problem = torchcodec_problem()
        if problem:
            cure = "pip install 'marey[torchcodec]', install FFmpeg, or use the decoder \"pyav\""
            raise MissingExtra(f'the decoder "torchcodec" cannot be used, for {problem}: {cure}')
        from torchcodec.decoders import VideoDecoder  # pyright: ignore[reportMissingImports]

        self._path = os.fspath(path)
        with open_container(path) as container:
            stream = video_stream(container, path)
            stream.codec_context.thread_count = 1
            self._clock = clock_of(container, stream)
            self._zero_s = float(self._clock.zero * self._clock.base)
            self.info = describe(container, stream, self._path, rotation_of(container, stream, self._path))
            timeless = stream.start_time is None or container.format.name == "avi"
        if timeless:
            raise VideoError(self._path, 'stores no times, which torchcodec goes by; use the decoder "pyav"')
        try:
            self._decoder = VideoDecoder(locate(path).address, dimension_order="NHWC", num_ffmpeg_threads=threads)
        except (RuntimeError, ValueError) as error:
            raise VideoError(self._path, f"torchcodec cannot read it ({_gist(error)})") from None
        self._begin_s = float(self._decoder.metadata.begin_stream_seconds)
        end_s = float(self._decoder.metadata.end_stream_seconds)
        self._last = round(end_s / self._clock.base) - 1  # the last tick at which there is a frame
        self._read([self._clock.zero])

    @property
    def why_no_motion(self) -> str | None:
        return ONE_FRAME if len(self._decoder) == 1 else None

    def close(self) -> None:
        del self._decoder

    def frames_at(
        self, seconds: Sequence[float] | np.ndarray, size: tuple[int, int], resample: Resample
    ) -> tuple[np.ndarray, np.ndarray]:
        frames, shown = np.empty((len(seconds), size[1], size[0], 3), np.uint8), np.empty(len(seconds))
        for k in range(0, len(seconds), _AT_ONCE):
            asked = [self._clock.ticks(second) for second in seconds[k : k + _AT_ONCE]]
            part, times = self._read(asked)
            frames[k : k + _AT_ONCE], shown[k : k + _AT_ONCE] = resize(part, size, resample), times
        return frames, shown - self._zero_s

    def frames_from(
        self, start_s: float, size: tuple[int, int], resample: Resample
    ) -> Iterator[tuple[float, np.ndarray]]:
        asked_s = (self._clock.ticks(start_s) + 0.25) * float(self._clock.base)
        count = len(self._decoder)
        first = bisect_right(range(count), asked_s, key=self._appears_s) - 1 if asked_s > self._begin_s else 0
        for index in range(max(first, 0), count):
            frame = self._decoder.get_frame_at(index)
            yield frame.pts_seconds - self._zero_s, resize(frame.data.numpy()[None], size, resample)[0]

    def _appears_s(self, index: int) -> float:
        return self._decoder.get_frame_at(index).pts_seconds

    def _read(self, ticks: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Frames at full size on screen at these ticks, and the seconds of the file at which they appeared."""
        base, lowest = float(self._clock.base), self._begin_s
        asked = np.array([max(min(tick, self._last) * base + base / 4, lowest) for tick in ticks])
        try:
            batch = self._decoder.get_frames_played_at(asked.tolist())
        except (RuntimeError, ValueError) as error:
            raise VideoError(self._path, f"torchcodec cannot decode it ({_gist(error)})") from None
        shown = batch.pts_seconds.numpy()
        late = shown > asked + base
        if late.any():
            at, came = asked[late][0] - self._zero_s, shown[late][0] - self._zero_s
            raise VideoError(
                self._path, f'torchcodec shows the frame of {came:.3f} s at {at:.3f} s; use the decoder "pyav"'
            )
        return batch.data.numpy(), shown


def _gist(error: Exception) -> str:
    """What an error of torchcodec says, less the place in its source."""
    return str(error).splitlines()[0].split(": ", 1)[-1]
