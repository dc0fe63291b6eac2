"""The motion descriptor: blind to mirrors and to what stands still, and it finds where the motion is."""

import numpy as np
import pytest
import torch

from marey.models import MotionAppearance
from marey.models.motion_statistics import (
    FLOW_PX,
    STATISTICS,
    motion_box,
    motion_covariance,
    motion_weights,
    pixels,
    steady_flow,
)


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture that flow can follow: smoothed noise, uint8 (h, w, 3)."""
    noise = torch.rand(1, 1, height // 4, width // 4, generator=torch.Generator().manual_seed(seed))
    grey = torch.nn.functional.interpolate(noise, (height, width), mode="bicubic").clamp(0, 1)[0, 0]
    return np.repeat((grey.numpy() * 255).astype(np.uint8)[..., None], 3, axis=2)


def moving_square(*, step: int, frames: int = 6) -> np.ndarray:
    """uint8 (t, 160, 240, 3): a textured square of 48 pixels that moves right by `step` over a textured wall."""
    wall, patch = textured(160, 240), textured(48, 48, seed=1)
    film = np.repeat(wall[None], frames, axis=0)
    for index in range(frames):
        film[index, 60:108, 30 + step * index : 78 + step * index] = patch
    return film


def random_flow(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (5, FLOW_PX, 200, 2)).astype(np.float32)


def test_a_mirror_image_has_the_same_statistics() -> None:
    flow = random_flow()
    mirrored = flow[:, :, ::-1] * np.array([-1, 1], np.float32)
    # every second pixel is looked at; an odd width would put a mirrored pixel between two of them
    shifted = np.roll(mirrored, -1, axis=2)
    ours, theirs = motion_covariance(flow, fps=10.0), motion_covariance(shifted, fps=10.0)
    assert ours.shape == (STATISTICS,)
    np.testing.assert_allclose(ours, theirs, atol=0.15)


def test_stillness_has_no_motion_and_a_centred_box() -> None:
    film = np.repeat(textured(160, 240)[None], 4, axis=0)
    flow = steady_flow(film)
    assert np.abs(flow).max() < 0.05
    assert motion_box(np.zeros_like(flow)) == (0.0, 0.25, 1.0)
    statistics = motion_covariance(np.zeros_like(flow), fps=10.0)
    assert np.isfinite(statistics).all()
    assert statistics.min() == pytest.approx(np.log(1e-3), abs=1e-4)


def test_the_cameras_own_motion_is_taken_out() -> None:
    wide = textured(160, 300)
    film = np.stack([wide[:, 3 * index : 3 * index + 240] for index in range(5)])
    flow = steady_flow(film)
    inner = flow[:, 20:-20, 20:-20]
    assert np.median(np.abs(inner)) < 0.1


def test_flow_and_box_follow_what_moves() -> None:
    flow = steady_flow(moving_square(step=4))
    rows, columns = pixels(motion_box(flow), FLOW_PX)
    assert rows.start <= 60 and rows.stop >= 100 and columns.start <= 40 and columns.stop >= 78
    assert rows.stop - rows.start < 0.7 * FLOW_PX
    assert np.median(flow[:, 70:98, 55:70, 0]) == pytest.approx(4, abs=1)


def test_weights_are_where_the_motion_is_and_sum_to_one() -> None:
    flow = steady_flow(moving_square(step=4))
    weights = motion_weights(flow, (0.0, 0.0, 1.0), every=2, side=8)
    assert weights.shape == (3, 8, 8) and weights.sum() == pytest.approx(1, abs=1e-3)
    assert weights[:, 3:6, 1:5].sum() > 0.9


def test_faster_motion_has_larger_statistics() -> None:
    slow, fast = (motion_covariance(steady_flow(moving_square(step=s)), fps=10.0) for s in (1, 4))
    assert fast[-1] > slow[-1]  # the variance of speed, the last of the triangle


def test_logits_are_the_sum_of_the_branches() -> None:
    torch.manual_seed(0)
    model = MotionAppearance(num_classes=3)
    encoded = torch.randn(5, STATISTICS)
    model.measure(encoded)
    for head in model.heads:
        torch.nn.init.normal_(head.fc.weight)
    torch.testing.assert_close(model.classify(encoded), sum(model.branches(encoded)))
