import cv2
import numpy as np
import pytest

from marey.video import dense_flow


def texture(height: int = 120, width: int = 160) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)


@pytest.mark.parametrize("speed", ["ultrafast", "fast", "medium"])
@pytest.mark.parametrize("right, down", [(3, 0), (0, 2), (-2, 1), (0, 0)])
def test_a_shift_is_seen(speed: str, right: int, down: int) -> None:
    before = texture()
    after = np.roll(before, (down, right), axis=(0, 1))
    for pair in ((before, after), (np.stack([before] * 3, -1), np.stack([after] * 3, -1))):
        flow = dense_flow(*pair, speed=speed)
        assert flow.shape == (120, 160, 2) and flow.dtype == np.float32
        np.testing.assert_allclose(np.median(flow[16:-16, 16:-16], axis=(0, 1)), (right, down), atol=0.15)


@pytest.mark.parametrize("speed", ["ultrafast", "fast", "medium"])
def test_what_was_seen_before_does_not_matter(speed: str) -> None:
    large, small = texture(), texture(32, 40)
    first = dense_flow(large, np.roll(large, 2, 1), speed=speed)
    dense_flow(small, np.roll(small, 1, 1), speed=speed)
    assert (dense_flow(large, np.roll(large, 2, 1), speed=speed) == first).all()


def test_views_of_frames_will_do() -> None:
    frames = np.stack([texture()] * 3, -1)
    mirrored = dense_flow(frames[:, ::-1], np.roll(frames, 2, axis=1)[:, ::-1])
    assert np.median(mirrored[..., 0]) == pytest.approx(-2, abs=0.15)


def test_frames_that_are_too_small() -> None:
    with pytest.raises(ValueError, match="frames are 40 x 11; flow needs at least 12 x 12"):
        dense_flow(texture(11, 40), texture(11, 40))
    assert dense_flow(texture(12, 12), texture(12, 12)).shape == (12, 12, 2)
