"""Frame-exact decoding by time: what an open video offers, whichever library decodes it."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Literal, NoReturn, Protocol, runtime_checkable

import numpy as np

from ..errors import VideoError
from .clip import Clip
from .container import Source
from .decode_pyav import PyAVDecoder
from .decode_torchcodec import TorchcodecDecoder, torchcodec_problem
from .probe import VideoInfo
from .transform import Resample, short_side

DecoderName = Literal["auto", "pyav", "torchcodec"]


@runtime_checkable
class Decoder(Protocol):
    """What a decoding library must offer. Times are seconds from the presentation start, sizes (width, height)."""

    info: VideoInfo

    @property
    def why_no_motion(self) -> str | None:
        """Why motion cannot be followed up to what was decoded last, in words; None where it can."""
        ...

    def frames_at(
        self, seconds: Sequence[float] | np.ndarray, size: tuple[int, int], resample: Resample
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames uint8 (t, h, w, 3) on screen at sorted times, and when each of them appeared, float64 (t,)."""
        ...

    def frames_from(
        self, start_s: float, size: tuple[int, int], resample: Resample
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Every frame from the one on screen at `start_s`: when it appears, and uint8 (h, w, 3)."""
        ...

    def close(self) -> None: ...


class Video:
    """An open video, to be used in a `with` block. It belongs to the process that opened it, and to one thread."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder: Decoder | None = decoder
        self._process = os.getpid()
        self.info = decoder.info

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"the open video {self.info.path} cannot be sent to another process; open it there")

    def close(self) -> None:
        """Release the file and the codec; closing twice is fine."""
        if self._decoder is not None and self._process == os.getpid():  # a fork has no codec threads to stop
            self._decoder.close()
        self._decoder = None

    @property
    def why_no_motion(self) -> str | None:
        """Why motion cannot be followed up to the frame that was asked for last: it is the only one, or its size is
        another than at first. None where it can."""
        return self._opened().why_no_motion

    def refuse_without_motion(self) -> None:
        """VideoError that says `why_no_motion`, if it cannot be followed."""
        if reason := self.why_no_motion:
            raise VideoError(self.info.path, reason)

    def frames_at(
        self,
        seconds: Sequence[float] | np.ndarray,
        *,
        short_px: int | None = None,
        squash: bool = False,
        resample: Resample = "area",
    ) -> Clip:
        """For each of the sorted times the frame on screen then; times may repeat.

        Before the first frame that is the first frame, after the end the last one. `short_px` resizes the short side
        as the frame is converted, and with `squash` the long one to as much. Only the frames that are asked for are
        converted, and the file is sought only where a keyframe saves decoding. VideoError where a frame that is asked
        for is damaged.
        """
        times = np.asarray(seconds, dtype=np.float64)
        if times.ndim != 1 or not len(times) or not np.isfinite(times).all():
            raise ValueError(f"seconds are {seconds}; they must be at least one finite number")
        if (np.diff(times) < 0).any():
            raise ValueError(f"seconds are {seconds}; they must be sorted")
        frames, shown = self._opened().frames_at(times.tolist(), self._size(short_px, squash=squash), resample)
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
        """Frames uint8 (h, w, 3) with their times from `start_s` until before `end_s`, one in memory at a time.

        Without `fps`: every frame that appears in that span, at the time when it appears. With `fps`: the frame on
        screen at `start_s`, `start_s + 1/fps`, ... as long as the video lasts; only these are converted.
        """
        end = min(math.inf if end_s is None else end_s, self.info.duration_s if fps else math.inf)
        if fps is not None and not fps > 0:
            raise ValueError(f"fps is {fps}; it must be positive")
        size = self._size(short_px)
        if fps is None:
            for second, frame in self._opened().frames_from(start_s, size, resample):
                if second >= end:
                    return
                if second >= start_s - 5e-4:  # times of frames are rounded, see Clock.ticks
                    yield second, frame
                    self._opened()  # or it was closed meanwhile
            return
        for k in range(max(0, math.ceil((end - start_s) * fps - 1e-6))):
            second = start_s + k / fps
            frames, _ = self._opened().frames_at([second], size, resample)
            yield second, frames[0]

    def _size(self, short_px: int | None, *, squash: bool = False) -> tuple[int, int]:
        width, height = self.info.width, self.info.height
        if squash and short_px is not None:
            return short_px, short_px
        return (width, height) if short_px is None else short_side(width, height, short_px)

    def _opened(self) -> Decoder:
        if self._decoder is None:
            raise ValueError(f"the video {self.info.path} is closed; open it again")
        if self._process != os.getpid():
            raise ValueError(f"the video {self.info.path} was opened by another process; open it in this one")
        return self._decoder


def open_video(path: Source, *, decoder: DecoderName = "pyav", threads: int = 1) -> Video:
    """Open a video, or a member of an uncompressed tar as "shard.tar::member.mp4", to decode frames by time.

    decoder  "pyav" carries its own FFmpeg; "torchcodec" needs `pip install 'marey[torchcodec]'` and FFmpeg on the
             system; "auto" is torchcodec where it loads and gets the file right, else PyAV
    threads  of the codec; 1 is best where several processes decode

    Raises VideoError for what is no readable video, MissingExtra where torchcodec is asked for and does not load.
    """
    if threads < 1:
        raise ValueError(f"threads is {threads}; it must be 1 or more")
    if decoder == "torchcodec":
        return Video(TorchcodecDecoder(path, threads=threads))
    if decoder == "auto" and torchcodec_problem() is None:
        with suppress(VideoError):
            return Video(TorchcodecDecoder(path, threads=threads))
    return Video(PyAVDecoder(path, threads=threads))
