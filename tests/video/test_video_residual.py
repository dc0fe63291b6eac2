from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marey.errors import VideoError
from marey.video import motion_vectors, open_video, read_compressed, residual_to_bytes
from marey.video.residual import predicted
from moving_video import write_moving

TIMES = [0.1 * k + 0.05 for k in range(14)]


@pytest.mark.parametrize("accumulate", [True, False])
@pytest.mark.parametrize("how", [{}, {"b_frames": 2}, {"codec": "mpeg4"}, {"rotation": 90}], ids=str)
def test_what_vectors_predict_is_taken_away(tmp_path: Path, how: dict, accumulate: bool) -> None:
    path = write_moving(tmp_path / "a.mp4", **how)
    clip = read_compressed(path, TIMES, accumulate=accumulate)
    with open_video(path) as video:
        shown = video.frames_at(TIMES)
    assert (clip.frames == shown.frames).all() and (clip.seconds == shown.seconds).all()
    assert (clip.vectors == motion_vectors(path, TIMES, accumulate=accumulate)).all()
    assert not clip.residual[[0, 12]].any()  # keyframes
    inner = (slice(1, 12), slice(16, -16), slice(32, -32))
    if how.get("rotation"):
        inner = (inner[0], inner[2], inner[1])
    unmoved = np.abs(clip.frames[1:12].astype(int) - clip.frames[:1])[(slice(None), *inner[1:])]
    assert np.abs(clip.residual[inner]).mean() < 0.15 * unmoved.mean()


def test_frame_less_residual_is_the_keyframe_moved(tmp_path: Path) -> None:
    """I_i(t) = I_(i - D_i)(0) + R_i(t), equation 4 of Wu et al."""
    path = write_moving(tmp_path / "a.mp4", step=(3, 1))
    clip = read_compressed(path, TIMES)
    right, down = (clip.vectors[5] + 0.5).astype(int).transpose(2, 0, 1)
    rows, columns = np.indices(right.shape)
    whole = (clip.vectors[5] == clip.vectors[5].round()).all(-1)  # others fall between pixels
    y, x = (rows - down).clip(0, 63), (columns - right).clip(0, 95)
    assert whole.mean() > 0.5
    assert (clip.frames[5].astype(int) - clip.residual[5])[whole].tolist() == clip.frames[0][y, x][whole].tolist()


def test_sizes_and_repeated_times(tmp_path: Path) -> None:
    path = write_moving(tmp_path / "a.mp4")
    clip = read_compressed(path, [0.3, 0.31, 0.5], short_px=32)
    assert clip.frames.shape == clip.residual.shape == (3, 32, 48, 3) and clip.vectors.shape == (3, 32, 48, 2)
    assert (clip.residual[0] == clip.residual[1]).all() and clip.residual[0].any()
    assert read_compressed(path, [0.3], size=(40, 20)).residual.shape == (1, 20, 40, 3)


def test_a_reference_between_the_asked_times_is_kept(tmp_path: Path) -> None:
    path = write_moving(tmp_path / "a.mp4", b_frames=2)
    whole, one = (read_compressed(path, times, accumulate=False) for times in (TIMES, TIMES[7:8]))
    assert (one.residual[0] == whole.residual[7]).all()


@pytest.mark.parametrize("how", [{}, {"b_frames": 2}, {"codec": "mpeg4"}], ids=str)
def test_flow_is_what_the_vectors_stand_for(tmp_path: Path, how: dict) -> None:
    path = write_moving(tmp_path / "a.mp4", step=(3, 1), **how)
    for accumulate in (True, False):
        clip = read_compressed(path, TIMES, accumulate=accumulate, flow="medium")
        assert clip.flow is not None and not clip.flow[[0, 12]].any()
        gone = np.arange(1, 4) if accumulate else np.ones(3)  # frames
        inside = np.median(clip.flow[1:4, 16:-16, 32:-32].reshape(3, -1, 2), axis=1)
        np.testing.assert_allclose(inside, np.outer(gone, (3, 1)), atol=0.3)
    assert read_compressed(path, [0.3]).flow is None
    same = read_compressed(path, [0.3, 0.31], accumulate=False, flow="fast").flow
    assert same is not None and same[0].any() and (same[0] == same[1]).all()


def test_videos_without_vectors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="each of its frames is coded on its own"):
        read_compressed(write_moving(tmp_path / "a.mp4", gop=1), [0.0])


def test_prediction_goes_on_beyond_the_border() -> None:
    reference = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    motion = np.zeros((2, 4, 2), np.float32)
    motion[..., 0] = 1
    assert (predicted(reference, motion) == reference[:, [0, 0, 1, 2]]).all()
    assert (predicted(reference, -motion) == reference[:, [1, 2, 3, 3]]).all()


@given(arrays(np.int16, (2, 3), elements=st.integers(-255, 255)))
def test_residuals_as_bytes(residual: np.ndarray) -> None:
    data = residual_to_bytes(residual)
    assert (np.abs((data.astype(int) - 128) * 2 - residual) <= 1).all()
    assert residual_to_bytes(np.array([0, 255, -255], np.int16)).tolist() == [128, 255, 0]
