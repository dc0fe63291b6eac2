"""Writing H.264/AAC MP4 files."""

from fractions import Fraction
from os import PathLike
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av import AudioFrame, VideoFrame
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

from ..errors import VideoError
from .transform import SWSCALE

# x264's macroblock tree (presets from "veryfast" up have it) depends on memory that was never written, so on what the
# process did before. Without it the same quality takes about a tenth more bytes, at the same speed.
_X264 = {"threads": "1", "mbtree": "0"}
AUDIO_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # that AAC in MP4 takes everywhere


class VideoWriter:
    """Writes an MP4 file of H.264 (4:2:0, BT.709) and, with `audio_rate`, AAC mono; to be used in a `with` block.

    The file takes its name when it is complete, and nothing is left behind if the block fails. The same frames and
    samples give the same bytes, in every process on machines of one kind: processors with other instructions, and other
    versions of x264, round elsewhere. Times are exact: frame n is shown at n / fps, and the file ends with its last
    frame.

    size      (width, height) of the frames; the last row or column is repeated where one is odd: 4:2:0 needs even ones
    crf       x264's quality: 18 looks lossless, 23 is its default, 51 is the worst
    gop_s     longest time between keyframes: short ones are found faster, long ones take less space
    preset    x264's: how much time it may take to find what is similar
    b_frames  the most frames in a row that may be predicted from later ones too; None leaves that to the preset
    comment   kept in the file

    VideoError where the file cannot be written; ValueError for arguments and frames that do not fit.
    """

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
        b_frames: int | None = None,
        comment: str | None = None,
    ) -> None:
        if not fps > 0 or not gop_s > 0 or min(size) < 1 or not 0 <= crf <= 51:
            raise ValueError(f"fps {fps}, gop_s {gop_s} and size {size} must be positive and crf {crf} lie in 0..51")
        if audio_rate is not None and audio_rate not in AUDIO_RATES:
            raise ValueError(f"audio_rate is {audio_rate}; AAC has {', '.join(map(str, AUDIO_RATES))}")
        self.path, self.size = Path(path), (int(size[0]), int(size[1]))
        if not self.path.parent.is_dir():
            raise VideoError(self.path, f"cannot be written, for there is no folder {self.path.parent}; make it first")
        self._part = self.path.with_name(f".{self.path.name}.part")
        self._frames = self._samples = 0
        self._reformatter = VideoReformatter()
        rate = Fraction(fps).limit_denominator(1001)
        # The length of what is shown is counted in these units; in FFmpeg's 1/1000 s most rates have no whole number.
        options = {"fflags": "+bitexact", "movie_timescale": str(rate.numerator * -(-10_000 // rate.numerator))}
        self._container = av.open(f"file:{self._part}", "w", format="mp4", options=options)
        if comment is not None:
            self._container.metadata["comment"] = comment
        how = {"crf": str(crf), "preset": preset, **_X264, **({} if b_frames is None else {"bf": str(b_frames)})}
        self._video = self._video_stream(rate, how, round(gop_s * rate))
        self._audio: AudioStream | None = None
        if audio_rate is not None:
            self._audio = self._container.add_stream("aac", rate=audio_rate, layout="mono")

    def _video_stream(self, rate: Fraction, options: dict[str, str], gop: int) -> VideoStream:
        stream = self._container.add_stream("libx264", rate=rate, options=options)
        codec = stream.codec_context
        codec.width, codec.height = (side + side % 2 for side in self.size)
        codec.pix_fmt, codec.gop_size, codec.time_base = "yuv420p", max(1, gop), 1 / rate
        codec.colorspace, codec.color_range = Colorspace.ITU709, ColorRange.MPEG
        codec.color_primaries, codec.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        return stream

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._discard()

    def write(self, frame: np.ndarray) -> None:
        """Append a frame, uint8 (h, w, 3) RGB."""
        width, height = self.size
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            raise ValueError(f"frame is {frame.dtype} {frame.shape}; this writer takes uint8 {(height, width, 3)}")
        if width % 2 or height % 2:
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        rgb = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = self._reformatter.reformat(
            rgb,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=SWSCALE["bicubic"],
            threads=1,
        )
        picture.pts, picture.time_base = self._frames, self._video.codec_context.time_base
        self._frames += 1
        self._encode(self._video, picture)

    def write_audio(self, samples: np.ndarray) -> None:
        """Append mono samples, float32 (n,) in -1..1, at `audio_rate`; the first one sounds with the first frame."""
        if self._audio is None:
            raise ValueError("this writer has no sound; give it an audio_rate")
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise ValueError(f"samples are {samples.dtype} {samples.shape}; they must be float32 (n,)")
        if not len(samples):
            return
        block = AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="fltp", layout="mono")
        block.sample_rate, block.pts = self._audio.codec_context.sample_rate, self._samples
        block.time_base = Fraction(1, block.sample_rate)
        self._samples += len(samples)
        self._encode(self._audio, block)

    def close(self) -> None:
        """Complete the file and give it its name; ValueError if no frame was written."""
        if not self._frames:
            self._discard()
            raise ValueError(f"no frame was written to {self.path}; a video has at least one")
        try:
            for stream in (self._video, self._audio):
                if stream is not None:
                    self._encode(stream, None)
            self._container.close()
        except BaseException:
            self._discard()
            raise
        self._part.replace(self.path)

    def _encode(self, stream: VideoStream | AudioStream, frame: VideoFrame | AudioFrame | None) -> None:
        try:
            self._container.mux(stream.encode(frame))  # pyright: ignore[reportArgumentType] - each gets its own kind
        except FFmpegError as error:
            raise VideoError(self.path, f"cannot be written ({error.strerror})") from None

    def _discard(self) -> None:
        try:
            self._container.close()
        except FFmpegError:
            pass  # it is thrown away
        finally:
            self._part.unlink(missing_ok=True)
