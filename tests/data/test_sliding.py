from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from marey.data import cut_views, reading, sliding_views
from marey.video import ClipSpec, clip_seconds, open_video, window_starts
from marey.video.decode_pyav import PyAVDecoder

SPEC = ClipSpec(4, 2, side_px=48, short_px=48, mean=(0.5,) * 5, std=(0.5,) * 5, modality="rgb+flow")


def windows(spec: ClipSpec, fps: Fraction, duration_s: float, hop_s: float) -> np.ndarray:
    window_s = spec.frames * spec.stride / float(fps)
    starts = window_starts(duration_s, window_s, hop_s)
    return np.stack([clip_seconds(spec, fps, s, min(s + window_s, duration_s), 0.5) for s in starts])


@pytest.mark.parametrize("hop_s", [0.4, 0.17])
def test_windows_are_the_clips_of_their_times(hop_s: float, small_films: Path) -> None:
    with open_video(small_films / "up" / "up1.mp4") as video:
        seconds = windows(SPEC, video.info.fps, video.info.duration_s, hop_s)
        slid = np.concatenate(list(sliding_views(video, seconds, SPEC, at_once=3)))
        np.testing.assert_array_equal(slid, cut_views(video, seconds, SPEC))


@pytest.mark.parametrize("hop_s", [0.4, 0.17])
def test_no_frame_is_decoded_twice(hop_s: float, small_films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[int] = []
    step = PyAVDecoder._step

    def counted(self: PyAVDecoder) -> None:
        step(self)
        if self._next is not None:
            shown.append(self._next.tick)

    with open_video(small_films / "up" / "up1.mp4") as video:
        seconds = windows(SPEC, video.info.fps, video.info.duration_s, hop_s)
        monkeypatch.setattr(PyAVDecoder, "_step", counted)
        for _ in sliding_views(video, seconds, SPEC, at_once=2):
            pass
    assert len(seconds) >= 4 and len(shown) == len(set(shown)) > 10


def test_what_no_later_window_wants_is_let_go(small_films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames that are cropped for a batch of windows are those from its first to its last."""
    held: list[int] = []
    cut = reading.crops

    def counted(frames: np.ndarray, side_px: int, count: int) -> list[np.ndarray]:
        held.append(len(frames))
        return cut(frames, side_px, count)

    monkeypatch.setattr(reading, "crops", counted)
    with open_video(small_films / "up" / "up1.mp4") as video:
        seconds = np.array([[0.0, 0.1], [0.1, 0.2], [0.6, 0.7], [1.2, 1.3]])
        for _ in sliding_views(video, seconds, replace(SPEC, frames=2, stride=1), at_once=1):
            pass
    assert held == [2, 2, 2, 2]
