"""The sound of a video carried over into a film that is made of its pictures."""

from collections.abc import Iterator

import numpy as np

from ..errors import VideoError
from .audio import read_audio
from .container import Source
from .probe import VideoInfo
from .write import AUDIO_RATES, VideoWriter

_BLOCK_S = 10.0


class Soundtrack:
    """The sound of a video, mono, to be written between its pictures; what cannot be decoded of it is silence.

    rate  samples a second, the nearest that AAC takes, higher before lower; None where the video has no sound
    """

    def __init__(self, path: Source, info: VideoInfo) -> None:
        heard = info.audio_rate
        self.rate = min(AUDIO_RATES, key=lambda rate: (rate < heard, abs(rate - heard))) if heard else None
        self._blocks = _blocks(path, info.duration_s, self.rate) if self.rate else iter(())
        self._heard_s = 0.0

    def write_until(self, second: float, writer: VideoWriter) -> None:
        """Append what sounds up to the picture at `second`, by the block."""
        while self._heard_s <= second and (samples := next(self._blocks, None)) is not None:
            writer.write_audio(samples)
            self._heard_s += _BLOCK_S


def _blocks(path: Source, duration_s: float, rate: int) -> Iterator[np.ndarray]:
    """float32 (n,) each."""
    for start_s in np.arange(0.0, duration_s, _BLOCK_S).tolist():
        end_s = min(duration_s, start_s + _BLOCK_S)
        try:
            yield read_audio(path, start_s=start_s, end_s=end_s, rate=rate)
        except VideoError:
            yield np.zeros(round((end_s - start_s) * rate), np.float32)
