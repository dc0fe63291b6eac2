from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from marey.data import Views, cut_views, reading, sliding_views
from marey.video import (
    DIS_FAST,
    ClipSpec,
    FlowSource,
    clip_seconds,
    open_input,
    open_video,
    view_seconds,
    window_starts,
)
from marey.video.clip import Modality
from marey.video.reel import Reel

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


@pytest.mark.parametrize("flow", [DIS_FAST, FlowSource(short_px=32)])
@pytest.mark.parametrize("hop_s", [0.4, 0.17])
def test_no_frame_is_decoded_twice(
    hop_s: float, flow: FlowSource, small_films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(SPEC, flow=flow)
    shown: list[int] = []
    step = Reel.step

    def counted(self: Reel) -> None:
        step(self)
        if self.next is not None:
            shown.append(self.next.tick)

    with open_video(small_films / "up" / "up1.mp4") as video:
        seconds = windows(spec, video.info.fps, video.info.duration_s, hop_s)
        monkeypatch.setattr(Reel, "step", counted)
        for _ in sliding_views(video, seconds, spec, at_once=2):
            pass
    assert len(seconds) >= 4 and len(shown) == len(set(shown)) > 10


@pytest.mark.parametrize("modality, channels", [("rgb", 3), ("vectors", 2), ("rgb+flow", 5)])
def test_views_are_filled_as_windows_slide_by(modality: Modality, channels: int, small_films: Path) -> None:
    spec = replace(SPEC, modality=modality, mean=(0.5,) * channels, std=(0.5,) * channels)
    with open_input(small_films / "up" / "up1.mp4", spec) as video:
        info = video.info
        seconds, views_s = windows(spec, info.fps, info.duration_s, 0.4), view_seconds(spec, info.fps, 0, 1.9, 3)
        aside = Views(views_s, spec, crop_count=3)
        slid = np.concatenate(list(sliding_views(video, seconds, spec, at_once=3, aside=aside)))
    with open_input(small_films / "up" / "up1.mp4", spec) as video:
        np.testing.assert_array_equal(slid, cut_views(video, seconds, spec))
        np.testing.assert_array_equal(aside.clips, cut_views(video, views_s, spec, crop_count=3))


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
