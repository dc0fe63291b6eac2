from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from marey.errors import VideoError
from marey.video import (
    Clip,
    ClipSpec,
    FlowSource,
    Video,
    VideoWriter,
    bytes_to_flow,
    described,
    flow_to_bytes,
    motion_in,
    motion_vectors,
    open_video,
    read_input,
)
from marey.video.modality import SOUND_STEPS

RIGHT, DOWN = 3, 1  # pixels a frame
RGB = ClipSpec(4, 2, side_px=64, short_px=64, mean=(0.5,) * 3, std=(0.5,) * 3)
FLOW = replace(RGB, modality="flow", mean=(0.5,) * 2, std=(0.5,) * 2)
BOTH = replace(RGB, modality="rgb+flow", mean=(0.5,) * 5, std=(0.5,) * 5)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames in which everything moves by the same whole number of pixels, 64 rows of 96."""
    ground = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(120, 160, 3)), (0, 0), 2)
    ground = np.clip(128 + 60 * ground / ground.std(), 0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("moving") / "film.mp4"
    with VideoWriter(path, fps=25, size=(96, 64)) as writer:
        for k in range(10):
            top, left = 40 - DOWN * k, 50 - RIGHT * k
            writer.write(ground[top : top + 64, left : left + 96])
    return path


def read(path: Path, seconds: list[float], spec: ClipSpec) -> np.ndarray:
    with open_video(path) as video:
        return read_input(video, np.array(seconds), spec)


def test_flow_is_the_motion_to_the_next_frame(film: Path) -> None:
    flow = bytes_to_flow(read(film, [0.0, 0.12, 0.2], FLOW))
    assert flow.shape == (3, 64, 96, 2)
    inside = np.median(flow[:, 16:-16, 16:-16].reshape(3, -1, 2), axis=1)
    np.testing.assert_allclose(inside, [[RIGHT, DOWN]] * 3, atol=0.4)


def test_flow_at_the_last_frame_is_that_before_it(film: Path) -> None:
    last, before = read(film, [0.36], FLOW), read(film, [0.32], FLOW)
    np.testing.assert_array_equal(last, before)
    assert np.abs(bytes_to_flow(last)).max() > 1


def test_frames_and_flow_are_those_of_each_alone(film: Path) -> None:
    seconds = [0.0, 0.04, 0.16, 0.36]
    both = read(film, seconds, BOTH)
    np.testing.assert_array_equal(both[..., :3], read(film, seconds, RGB))
    np.testing.assert_array_equal(both[..., 3:], read(film, seconds, FLOW))


def test_flow_is_in_pixels_of_the_size_that_is_fed(film: Path) -> None:
    flow = bytes_to_flow(read(film, [0.12], replace(FLOW, side_px=32, short_px=32)))
    assert flow.shape == (1, 32, 48, 2)
    np.testing.assert_allclose(np.median(flow[0, 8:-8, 8:-8].reshape(-1, 2), axis=0), [RIGHT / 2, DOWN / 2], atol=0.25)


def test_each_frame_is_asked_for_once(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    frames_at = Video.frames_at

    def counted(self: Video, seconds: np.ndarray, **how: Any) -> Clip:
        asked.append(len(seconds))
        return frames_at(self, seconds, **how)

    monkeypatch.setattr(Video, "frames_at", counted)
    read(film, [0.0, 0.04, 0.08, 0.12], BOTH)
    assert asked == [5]


def test_vectors_are_the_motion_since_the_keyframe(film: Path) -> None:
    vectors = bytes_to_flow(read(film, [0.0, 0.08, 0.16], replace(FLOW, modality="vectors")))
    assert vectors.shape == (3, 64, 96, 2) and not vectors[0].any()
    inside = np.median(vectors[:, 16:-16, 16:-16].reshape(3, -1, 2), axis=1)
    np.testing.assert_allclose(inside, [[0, 0], [2 * RIGHT, 2 * DOWN], [4 * RIGHT, 4 * DOWN]], atol=0.5)


def test_vectors_and_what_they_leave_over(film: Path) -> None:
    spec = replace(BOTH, modality="vectors+residual")
    both = read(film, [0.0, 0.08, 0.16], spec)
    vectors = motion_vectors(film, [0.0, 0.08, 0.16], short_px=64, accumulate=False)
    np.testing.assert_array_equal(both[..., :2], flow_to_bytes(vectors))
    np.testing.assert_allclose(np.median(vectors[1, 16:-16, 16:-16].reshape(-1, 2), axis=0), [RIGHT, DOWN], atol=0.3)
    assert (both[0, ..., 2:] == 128).all()
    inside = both[1:, 16:-16, 16:-16, 2:].astype(float) - 128
    assert 0 < np.abs(inside).mean() < 8  # coding noise: half a level of residual each


def test_the_teacher_of_vectors_is_flow_between_the_same_pictures(film: Path) -> None:
    seconds = [0.0, 0.08, 0.16]
    taught = replace(BOTH, modality="vectors+residual+flow", mean=(0.5,) * 7, std=(0.5,) * 7)
    clip = read(film, seconds, taught)
    np.testing.assert_array_equal(clip[..., :5], read(film, seconds, replace(BOTH, modality="vectors+residual")))
    inside = np.median(bytes_to_flow(clip[1:, 16:-16, 16:-16, 5:]).reshape(-1, 2), axis=0)
    np.testing.assert_allclose(inside, [RIGHT, DOWN], atol=0.3)
    assert (clip[0] == 128).all(), "a keyframe leads nowhere"


def test_motion_is_found_among_the_channels(film: Path) -> None:
    both = read(film, [0.04], BOTH)
    np.testing.assert_array_equal(motion_in(both, "rgb+flow"), motion_in(read(film, [0.04], FLOW), "flow"))
    with pytest.raises(ValueError, match="rgb has no motion; flow, rgb\\+flow, vectors"):
        motion_in(both[..., :3], "rgb")


def test_a_stamp_says_which_motion_was_fed() -> None:
    residual = replace(BOTH, modality="vectors+residual")
    assert described(replace(FLOW, modality="vectors")) == "vectors (since the keyframe, within 20 px)"
    assert described(residual) == "vectors+residual (of one frame, within 20 px)"
    assert described(FLOW) == "flow (DIS fast, within 20 px)"
    assert described(replace(FLOW, flow=FlowSource("tvl1", None, 256))) == "flow (TV-L1 at 256 px, within 20 px)"


def test_sound_is_heard_around_each_time(tmp_path: Path) -> None:
    path, rate = tmp_path / "tone.mp4", 16_000
    with VideoWriter(path, fps=10, size=(32, 32), audio_rate=rate) as writer:
        time_s = np.arange(4 * rate) / rate
        for _ in range(40):
            writer.write(np.zeros((32, 32, 3), np.uint8))
        writer.write_audio(np.where(time_s < 2, 0.5 * np.sin(2 * np.pi * 1000 * time_s), 0).astype(np.float32))
    sound = read(path, [1.0, 3.0], ClipSpec(1, 1, 64, 64, (0.5,), (0.25,), whole=True, modality="sound"))
    assert sound.shape == (2, 64, SOUND_STEPS, 1)
    assert sound[0, :, 20:-20].mean(axis=(1, 2)).argmax() in (19, 20) and sound[0].max() == 255
    assert sound[1].max() < 60
    at_the_end = read(path, [3.95], ClipSpec(1, 1, 64, 64, (0.5,), (0.25,), whole=True, modality="sound"))
    assert at_the_end.shape == (1, 64, SOUND_STEPS, 1)


def test_a_video_without_sound_is_refused(film: Path) -> None:
    with pytest.raises(VideoError, match="sound"):
        read(film, [0.1], ClipSpec(1, 1, 64, 64, (0.5,), (0.25,), whole=True, modality="sound"))
