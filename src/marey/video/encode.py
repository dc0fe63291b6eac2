"""Re-encoding for what reads motion vectors: H.264 of a chosen size, at a constant rate, with keyframes close by."""

import json
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from av.error import FFmpegError

from ..errors import VideoError
from .clock import clock_of, packet_tick
from .container import Source, locate, open_container, video_stream
from .decode import open_video
from .flow_hash import source_hash
from .probe import VideoInfo, probe
from .soundtrack import Soundtrack
from .transform import short_side
from .write import VideoWriter

_ROUNDING_S = 1e-3  # by which keyframes may be further apart


class Prepared(NamedTuple):
    """A prepared video.

    made    "encoded", "copied" where the source was fit already, or "kept" where the file was there already
    frames  that were encoded; None where none were
    """

    path: Path
    made: Literal["encoded", "copied", "kept"]
    width: int
    height: int
    fps: Fraction
    duration_s: float
    frames: int | None
    source_bytes: int
    bytes: int


def why_prepare(path: Source, *, short_px: int, gop_s: float = 1.0, b_frames: bool = True) -> str | None:
    """Why a video is not as `prepare_video` would make it, in words; None if it is. At most keyframes are decoded.

    It is if it is H.264 of one size with a short side of at most `short_px` pixels, a constant rate and keyframes at
    most `gop_s` apart, and, without `b_frames`, no frame is predicted from a later one.
    """
    return _unfit(path, probe(path, exact=True), short_px=short_px, gop_s=gop_s, b_frames=b_frames)


def _unfit(path: Source, info: VideoInfo, *, short_px: int, gop_s: float, b_frames: bool) -> str | None:
    """`why_prepare` of a video that was probed exactly."""
    if info.codec != "h264":
        return f"it is {info.codec} video"
    if min(info.width, info.height) > short_px:
        return f"its short side is {min(info.width, info.height)} pixels"
    if info.variable_rate:
        return "its rate varies"
    with open_container(path) as container:
        stream = video_stream(container, path)
        clock, name = clock_of(container, stream), container.format.name
        packets = [(packet_tick(p, name), p.is_keyframe) for p in container.demux(stream) if p.size]
    shown = [(clock.seconds(tick), key) for tick, key in packets if tick is not None]
    keys = sorted([second for second, key in shown if key])
    gaps = np.diff([*keys, info.duration_s])
    if len(keys) == len(shown) > 1:
        return "each of its frames is coded on its own"
    if not len(gaps) or gaps.max() > gop_s + _ROUNDING_S:
        return f"its keyframes are up to {gaps.max(initial=0):.1f} s apart"
    if not b_frames and any(np.diff([second for second, _ in shown]) < 0):
        return "some of its frames are predicted from later ones"
    if len(sizes := _sizes(path)) > 1:
        return f"its pictures are {' and '.join(f'{width} x {height}' for width, height in sizes)}"
    return None


def _sizes(path: Source) -> list[tuple[int, int]]:
    """The sizes of a video's pictures, each once; they change at keyframes, and no others are decoded."""
    found: dict[tuple[int, int], None] = {}
    with open_container(path) as container, suppress(FFmpegError):  # what is damaged is found where it is read
        stream = video_stream(container, path)
        stream.codec_context.skip_frame = "NONKEY"
        for frame in container.decode(stream):
            found[frame.width, frame.height] = None
    return list(found)


def prepare_video(
    path: Source,
    out: str | PathLike[str],
    *,
    short_px: int = 256,
    fps: Fraction | float | None = None,
    gop_s: float = 1.0,
    b_frames: bool = True,
    crf: int = 20,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Write `out`, an MP4 of H.264 that has motion vectors, with its sound (AAC, mono); sound that breaks is silence.

    short_px  the short side; smaller videos keep their size
    fps       frames a second, None for those of the video (their average where they vary)
    gop_s     most seconds between keyframes
    b_frames  whether frames may be predicted from later ones: smaller files, but vectors in both directions
    crf       x264's quality

    A source that is fit already (see `why_prepare`) is copied as it is, and a file that was made of the same bytes in
    the same way is kept. The file takes its name when it is complete. `progress` is told how many frames are done, and
    how many there are about. VideoError where the source cannot be read, or has only one frame, for no copy can have
    motion vectors.
    """
    out, info = Path(out), probe(path, exact=True)
    if info.frame_count == 1:
        raise VideoError(info.path, "has only one frame, so that no copy of it can have motion; leave it out")
    if not out.parent.is_dir():
        raise VideoError(out, f"cannot be written, for there is no folder {out.parent}; make it first")
    rate = info.fps if fps is None else Fraction(fps).limit_denominator(1001)
    digest, size, frames = source_hash(path), locate(path).size, None
    how = {"short_px": short_px, "fps": str(rate), "gop_s": gop_s, "b_frames": b_frames, "crf": crf}
    comment = json.dumps({"source_hash": digest, **how})
    named_alike = Path(info.path).suffix.lower() == out.suffix.lower()
    if (
        named_alike
        and rate == info.fps
        and _unfit(path, info, short_px=short_px, gop_s=gop_s, b_frames=b_frames) is None
    ):
        made = "kept" if out.exists() and source_hash(out) == digest else "copied"
        if made == "copied":
            _copy(path, out)
    elif out.exists() and _comment(out) == comment:
        made = "kept"
    else:
        made = "encoded"
        short, sound = min(short_px, info.width, info.height), Soundtrack(path, info)
        writer = VideoWriter(
            out,
            fps=rate,
            size=short_side(info.width, info.height, short),
            crf=crf,
            gop_s=gop_s,
            audio_rate=sound.rate,
            b_frames=None if b_frames else 0,
            comment=comment,
        )
        frames = _encode(path, info, sound, writer, rate, short, progress)
    written = probe(out)
    return Prepared(
        out, made, written.width, written.height, written.fps, written.duration_s, frames, size, out.stat().st_size
    )


def _encode(
    path: Source,
    info: VideoInfo,
    sound: Soundtrack,
    writer: VideoWriter,
    rate: Fraction,
    short_px: int,
    progress: Callable[[int, int], None] | None,
) -> int:
    """Fill a file with pictures and sound; how many frames it has."""
    steady = rate == info.fps and not info.variable_rate
    total = max(1, (info.frame_count or 0) if steady else round(info.duration_s * rate))
    done = 0
    with writer, open_video(path) as video:
        for second, frame in video.stream(short_px=short_px, fps=None if steady else float(rate)):
            sound.write_until(second, writer)
            writer.write(frame)
            done += 1
            if progress:
                progress(min(done, total), total)
    return done


def _comment(path: Path) -> str | None:
    try:
        with open_container(path) as container:
            return container.metadata.get("comment")
    except VideoError:
        return None


def _copy(path: Source, out: Path) -> None:
    place, part = locate(path), out.with_name(f".{out.name}.part")
    try:
        with place.file.open("rb") as source, part.open("wb") as copy:
            source.seek(place.offset)
            left = place.size
            while left and (block := source.read(min(left, 1 << 20))):
                left -= copy.write(block)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
