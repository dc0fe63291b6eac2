"""Decoding with PyAV, whose wheel brings its own FFmpeg: see `Reel` for how the frame at a time is found.

Frames that break in the middle of a file, and all that are predicted from them, are marked as damaged.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from av import VideoFrame
from av.packet import Packet
from av.video.reformatter import Colorspace, VideoReformatter

from ..errors import VideoError
from .container import Source
from .feed import Shown
from .reel import Reel
from .transform import SWSCALE, Resample

_UNSPECIFIED = 2  # the colour matrix of a file that does not say; players then go by the size of the picture


class _AsTheyAre:
    """Nothing is made of frames: they are what is read."""

    wanted: int | None = None

    def note(self, packet: Packet) -> None:
        pass

    def follow(self, frames: Iterator[Shown]) -> Iterator[Shown]:
        return frames


class PyAVDecoder:
    """One open file. `frames_at` and `frames_from` may be mixed: each finds its own place again when it must."""

    def __init__(self, path: Source, *, threads: int) -> None:
        self._reformatter = VideoReformatter()
        self._reel = Reel(path, reading=lambda *_: _AsTheyAre(), threads=threads)
        try:
            self._reel.begin()
        except VideoError:
            self._reel.container.close()
            raise
        self.info = self._reel.info

    @property
    def why_no_motion(self) -> str | None:
        return self._reel.why_no_motion

    def close(self) -> None:
        self._reel.close()
        del self._reformatter

    def frames_at(
        self, seconds: Sequence[float] | np.ndarray, size: tuple[int, int], resample: Resample
    ) -> tuple[np.ndarray, np.ndarray]:
        frames, shown = np.empty((len(seconds), size[1], size[0], 3), np.uint8), np.empty(len(seconds))
        before: Shown | None = None
        for k, second in enumerate(seconds):
            now = self._reel.wind(self._reel.clock.ticks(second))
            frames[k] = frames[k - 1] if now is before else self._picture(now, size, resample)
            shown[k], before = self._reel.clock.seconds(now.tick), now
        return frames, shown

    def frames_from(
        self, start_s: float, size: tuple[int, int], resample: Resample
    ) -> Iterator[tuple[float, np.ndarray]]:
        reel = self._reel
        now = reel.wind(reel.clock.ticks(start_s))
        while True:
            yield reel.clock.seconds(now.tick), self._picture(now, size, resample)
            if reel.now is not now:  # another call has moved on meanwhile
                reel.wind(now.tick)
            if reel.next is None:
                return
            now = reel.wind(reel.next.tick)

    def _picture(self, now: Shown, size: tuple[int, int], resample: Resample) -> np.ndarray:
        frame, rotation = now.frame, self.info.rotation
        if frame is None:
            where = f"the frame at {self._reel.clock.seconds(now.tick):.3f} s is damaged"
            raise VideoError(
                self._reel.path, f"{where}, or one that it is predicted from; copy or encode the file again"
            )
        return to_rgb(self._reformatter, frame, size, rotation, resample)


def to_rgb(
    reformatter: VideoReformatter, frame: VideoFrame, size: tuple[int, int], rotation: int, resample: Resample
) -> np.ndarray:
    """A decoded frame as uint8 (h, w, 3) of `size` (width, height), which is that after it is turned by `rotation`."""
    hd = frame.width >= 1280 or frame.height > 576
    matrix = Colorspace.ITU709 if hd and frame.colorspace == _UNSPECIFIED and not frame.format.is_rgb else None
    width, height = size if rotation % 180 == 0 else size[::-1]
    rgb = reformatter.reformat(
        frame, width, height, "rgb24", src_colorspace=matrix, interpolation=SWSCALE[resample], threads=1
    )
    return np.rot90(rgb.to_ndarray(), rotation // 90)
