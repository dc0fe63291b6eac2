"""Writing H.264/AAC MP4 files."""

from fractions import Fraction
from os import PathLike
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av import AudioFrame, VideoFrame
from av.audio.stream import AudioStream
from av.video.stream import VideoStream


class VideoWriter:
    """Writes an MP4 file; nothing is left behind when the block that uses it fails."""

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        fps: Fraction | float,
        size: tuple[int, int],
        crf: int = 23,
        gop_s: float = 1.0,
        audio_rate: int | None = None,
        preset: str = "veryfast",
    ) -> None:
        self.path, self.size = Path(path), size
        self._temporary = self.path.with_name(f".{self.path.name}.part")
        rate = Fraction(fps).limit_denominator(100_000)
        width, height = size
        self._padding = ((0, height % 2), (0, width % 2), (0, 0))
        self._container = av.open(str(self._temporary), "w", format="mp4")
        options = {"crf": str(crf), "preset": preset, "threads": "1"}
        stream = self._container.add_stream("libx264", rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        self._video = stream
        self._video.width, self._video.height, self._video.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        self._video.codec_context.gop_size = max(1, round(gop_s * rate))
        self._video.codec_context.time_base = 1 / rate
        self._audio: AudioStream | None = None
        self._samples = 0
        if audio_rate is not None:
            audio = self._container.add_stream("aac", rate=audio_rate, layout="mono")
            assert isinstance(audio, AudioStream)
            self._audio = audio
        self._count = 0

    def __enter__(self) -> "VideoWriter":
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append a frame, uint8 (h, w, 3) RGB."""
        padded = np.pad(frame, self._padding, mode="edge") if any(p[1] for p in self._padding) else frame
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
        picture.pts, self._count = self._count, self._count + 1
        self._container.mux(self._video.encode(picture.reformat(format="yuv420p", threads=1)))

    def write_audio(self, samples: np.ndarray) -> None:
        """Append mono samples, float32 (n,) in -1..1."""
        if self._audio is None:
            raise ValueError("this writer has no audio; give it audio_rate")
        block = AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32)[None], format="fltp", layout="mono")
        block.sample_rate, block.pts = self._audio.codec_context.sample_rate, self._samples
        self._samples += len(samples)
        self._container.mux(self._audio.encode(block))

    def close(self) -> None:
        for stream in filter(None, (self._video, self._audio)):
            self._container.mux(stream.encode(None))
        self._container.close()
        self._temporary.replace(self.path)

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._container.close()
            self._temporary.unlink(missing_ok=True)
