"""Sound of a video as mono samples."""

import os
from itertools import chain

import numpy as np
from av import AudioResampler
from av.error import FFmpegError

from ..errors import VideoError
from .container import Source, open_container


def read_audio(path: Source, *, start_s: float = 0.0, end_s: float | None = None, rate: int = 16_000) -> np.ndarray:
    """Mono samples float32 (n,) in -1..1 from `start_s` to `end_s`, resampled to `rate` per second."""
    with open_container(path) as container:
        if not container.streams.audio:
            raise VideoError(os.fspath(path), "has no sound")
        stream = container.streams.audio[0]
        resampler = AudioResampler(format="flt", layout="mono", rate=rate)
        try:
            blocks = [b.to_ndarray()[0] for f in chain(container.decode(stream), [None]) for b in resampler.resample(f)]
        except FFmpegError as error:
            raise VideoError(os.fspath(path), f"its sound cannot be decoded ({error.strerror})") from None
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return samples[round(start_s * rate) : None if end_s is None else round(end_s * rate)]
