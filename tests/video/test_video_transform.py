import numpy as np
import pytest
import torch

from marey.video import ClipSpec, crops, resize_short, to_input
from marey.video.transform import short_side

CLIP = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)


@pytest.mark.parametrize("resample", ["area", "bilinear", "bicubic"])
@pytest.mark.parametrize("short_px, size", [(20, (20, 30)), (40, (40, 60)), (80, (80, 120))])
def test_the_short_side_is_resized(resample: str, short_px: int, size: tuple[int, int]) -> None:
    assert resize_short(CLIP, short_px, resample).shape == (3, *size, 3)
    turned = resize_short(np.ascontiguousarray(CLIP.swapaxes(1, 2)), short_px, resample)
    assert turned.shape == (3, *size[::-1], 3)


def test_area_is_the_mean_of_what_it_covers() -> None:
    mean = CLIP.reshape(3, 20, 2, 30, 2, 3).mean(axis=(2, 4))
    assert np.abs(resize_short(CLIP, 20, "area") - mean).max() <= 1.5


def test_a_plain_colour_stays_what_it_is() -> None:
    plain = np.full((1, 33, 47, 3), (250, 128, 3), np.uint8)
    for short_px in (7, 33, 50):
        assert np.abs(resize_short(plain, short_px, "bicubic").astype(int) - plain[:, :1, :1]).max() <= 1


def test_short_side() -> None:
    assert short_side(1920, 1080, 128) == (228, 128)
    assert short_side(1080, 1920, 128) == (128, 228)
    assert short_side(5000, 10, 1) == (500, 1)
    with pytest.raises(ValueError, match="short_px is 0; it must be 1 or more"):
        short_side(10, 10, 0)


@pytest.mark.parametrize("turned", [False, True])
def test_crops(turned: bool) -> None:
    clip = CLIP.swapaxes(1, 2) if turned else CLIP
    (middle,) = crops(clip, 20, 1)
    three = crops(clip, 20, 3)
    expected = [CLIP[:, 10:30, left : left + 20] for left in (0, 20, 40)]
    expected = [e.swapaxes(1, 2) for e in expected] if turned else expected
    assert (middle == expected[1]).all()
    assert all((crop == e).all() for crop, e in zip(three, expected, strict=True))
    assert crops(CLIP, 40, 1)[0].shape == (3, 40, 40, 3)


def test_crops_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="side_px is 41, larger than frames of 60 x 40; resize the short side first"):
        crops(CLIP, 41, 1)
    with pytest.raises(ValueError, match="count is 2; it must be 1 or 3"):
        crops(CLIP, 20, 2)


def test_input_is_normalized_and_channels_first() -> None:
    spec = ClipSpec(3, 1, 40, 40, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5))
    frames = torch.from_numpy(CLIP)[None].repeat(2, 1, 1, 1, 1)
    video = to_input(frames, spec)
    assert video.shape == (2, 3, 3, 40, 60) and video.dtype == torch.float32
    expected = (CLIP.astype(np.float64) / 255 - spec.mean) / spec.std
    np.testing.assert_allclose(video[1].permute(1, 2, 3, 0), expected, atol=1e-5)
    assert (frames[0].numpy() == CLIP).all()
