"""Decoding with PyAV, whose wheel brings its own FFmpeg."""

import os
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation

from ..errors import VideoError
from .container import Source, open_container, video_stream
from .probe import describe, zero_ticks

FILTERS = {"area": Interpolation.AREA, "bilinear": Interpolation.BILINEAR, "bicubic": Interpolation.BICUBIC}


class PyAVDecoder:
    def __init__(self, path: Source, *, threads: int) -> None:
        self._path = os.fspath(path)
        self._container = open_container(path)
        self._stream = video_stream(self._container, path)
        self._stream.codec_context.thread_count = threads
        self.info = describe(self._container, self._stream, self._path)
        self._zero = zero_ticks(self._container, self._stream)
        self._base = self._stream.time_base or 1
        self._frames = self._container.decode(self._stream)

    def close(self) -> None:
        self._container.close()

    def _from(self, start_s: float) -> Iterator[tuple[int, VideoFrame]]:
        self._container.seek(max(0, round(start_s / self._base) + self._zero), stream=self._stream)
        for frame in self._container.decode(self._stream):
            if frame.pts is not None:
                yield frame.pts, frame

    def frames_at(
        self, seconds: Sequence[float], size: tuple[int, int], resample: Literal["area", "bilinear", "bicubic"]
    ) -> tuple[np.ndarray, np.ndarray]:
        out = np.empty((len(seconds), size[1], size[0], 3), np.uint8)
        shown = np.empty(len(seconds))
        frames = self._from(seconds[0])
        current = next(frames, None)
        if current is None:
            raise VideoError(self._path, "has no frame that can be decoded")
        following = next(frames, None)
        for k, second in enumerate(seconds):
            tick = round(second / self._base) + self._zero
            while following and following[0] <= tick:
                current, following = following, next(frames, None)
            out[k] = self._convert(current[1], size, resample)
            shown[k] = (current[0] - self._zero) * self._base
        return out, shown

    def stream(
        self, start_s: float, size: tuple[int, int], resample: Literal["area", "bilinear", "bicubic"]
    ) -> Iterator[tuple[float, np.ndarray]]:
        for tick, frame in self._from(start_s):
            second = float((tick - self._zero) * self._base)
            if second >= start_s - 1e-3:
                yield second, self._convert(frame, size, resample)

    def _convert(self, frame: VideoFrame, size: tuple[int, int], resample: str) -> np.ndarray:
        turned = self.info.rotation % 180 != 0
        width, height = size[::-1] if turned else size
        image = frame.reformat(width, height, "rgb24", interpolation=FILTERS[resample], threads=1).to_ndarray()
        return np.rot90(image, self.info.rotation // 90)
