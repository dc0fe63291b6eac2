"""The sound of a video as mono samples on the clock of its pictures."""

import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction

import numpy as np
from av import AudioFrame, AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard

from ..errors import VideoError
from .clock import clock_of
from .container import Source, open_container, video_stream

_LEAD_IN_S = 0.5  # decoded before the start, so that codec and resampler have settled
_GAP_S = 0.02  # times of blocks are rounded; a silence is longer than that


def read_audio(path: Source, *, start_s: float = 0.0, end_s: float | None = None, rate: int = 16_000) -> np.ndarray:
    """Mono samples float32 (n,) in -1..1 from `start_s` to `end_s`, `rate` a second; sample 0 sounds at `start_s`.

    Times are those of the pictures: sound that starts late is preceded by silence, and gaps are silence too. Up to
    `end_s` there are always round((end_s - start_s) * rate) samples; without it, as many as there is sound. Memory is
    that of the samples. VideoError if there is no sound or it cannot be decoded.
    """
    if start_s < 0 or (end_s is not None and end_s <= start_s):
        raise ValueError(
            f"sound was asked for from {start_s} s to {end_s} s; it must start at 0 or later and end later"
        )
    name = os.fspath(path)
    limit = None if end_s is None else round((end_s - start_s) * rate)
    parts: list[np.ndarray] = []
    held = 0
    with open_container(path) as container:
        sounds = [s for s in container.streams.audio if s.codec_context]
        if not sounds:
            raise VideoError(name, "has no sound")
        zero_s = _zero_s(container, name)
        try:
            for place_s, samples in _blocks(container, sounds[0], zero_s + start_s, rate):
                gap = round((place_s - zero_s - start_s) * rate) - held
                if gap < 0 and held == 0:
                    samples = samples[-gap:]
                elif gap > 0 and (held == 0 or gap > _GAP_S * rate):
                    parts.append(np.zeros(gap, np.float32))
                    held += gap
                parts.append(samples)
                held += len(samples)
                if limit is not None and held >= limit:
                    break
        except FFmpegError as error:
            raise VideoError(name, f"its sound cannot be decoded ({error.strerror}); copy or encode it again") from None
    if limit is not None and held < limit:
        parts.append(np.zeros(limit - held, np.float32))
    return np.concatenate(parts)[:limit] if parts else np.zeros(0, np.float32)


def _zero_s(container: InputContainer, name: str) -> float:
    """Time 0 of the pictures by the clock of the file; that of a file without pictures is its own."""
    try:
        clock = clock_of(container, video_stream(container, name))
    except VideoError:
        return 0.0
    return float(clock.zero * clock.base)


def _blocks(
    container: InputContainer, stream: AudioStream, from_s: float, rate: int
) -> Iterator[tuple[float, np.ndarray]]:
    """Resampled blocks with the times at which they sound, by the clock of the file, from a little before `from_s`."""
    base = stream.time_base or Fraction(1, rate)
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    if from_s > _LEAD_IN_S:
        with suppress(FFmpegError):  # where the file cannot be sought it is read from the start
            container.seek(round((from_s - _LEAD_IN_S) / base), stream=stream)
    run: _Run | None = None
    for frame in _frames(container, stream):
        now_s = None if frame.pts is None else float(frame.pts * (frame.time_base or base))
        if run is None or (now_s is not None and abs(now_s - run.heard_s) > _GAP_S):
            yield from run.resample(None) if run else []
            run = _Run(now_s or 0.0, rate)
        yield from run.resample(frame)
    yield from run.resample(None) if run else []


class _Run:
    """A stretch of sound without a gap."""

    def __init__(self, start_s: float, rate: int) -> None:
        self.heard_s, self._start_s, self._made, self._rate = start_s, start_s, 0, rate
        self._resampler = AudioResampler("flt", "mono", rate)

    def resample(self, frame: AudioFrame | None) -> Iterator[tuple[float, np.ndarray]]:
        for block in self._resampler.resample(frame):
            samples = block.to_ndarray()[0]
            yield self._start_s + self._made / self._rate, samples
            self._made += len(samples)
        if frame is not None:
            self.heard_s += frame.samples / frame.sample_rate


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decoded blocks; what cannot be decoded before the first one is what a seek has cut through."""
    begun = False
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except FFmpegError:
            if begun:
                raise
            continue
        begun = begun or bool(frames)
        yield from frames  # pyright: ignore[reportReturnType] - the stream is an audio stream
