"""Optical flow of the stage: exact where it can be known otherwise, and true to the pixels everywhere else."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.data.stage.motion import flow, read_flo, surface_motion, write_flo, write_flow
from marey.data.stage.plan import Shot
from marey.data.stage.take import Take, direct, film


def taken(label: str, level: str) -> Take:
    return direct(Shot("clip", label, (), 4, 3, "train", "train", 2.0, 25, (160, 120), level, "figure", 0, 2))


@given(st.integers(0, 2**32 - 1))
def test_a_flat_surface_moves_by_its_affine_map(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = np.array([[0.0, 0], [30, 0], [30, 20], [0, 20]]) + rng.normal(0, 2, (4, 2))
    linear, shift = np.eye(2) + rng.normal(0, 0.1, (2, 2)), rng.normal(0, 5, 2)
    found = surface_motion(corners, corners @ linear.T + shift)
    assert found == pytest.approx(np.column_stack([linear, shift]), abs=0.01)


@given(st.floats(-3, 3), st.floats(0.5, 2))
def test_a_limb_turns_and_shortens_but_keeps_its_thickness(angle: float, stretch: float) -> None:
    limb = np.array([[10.0, 10], [10, 40]])
    c, s = np.cos(angle), np.sin(angle)
    along = stretch * (limb[1] - limb[0]) @ np.array([[c, -s], [s, c]]).T
    found = surface_motion(limb, np.array([limb[0], limb[0] + along]))
    across = found[:, :2] @ np.array([1.0, 0.0])
    assert np.linalg.norm(across) == pytest.approx(1, abs=1e-6)
    assert across @ along == pytest.approx(0, abs=1e-3)


def test_one_anchor_only_shifts() -> None:
    assert surface_motion(np.array([[3.0, 4]]), np.array([[5.0, 1]])) == pytest.approx(
        np.array([[1, 0, 2], [0, 1, -3]])
    )


def test_a_steady_camera_sees_scenery_at_rest_and_a_moving_one_moves_it_as_a_whole() -> None:
    field, hidden = flow(taken("clap slowly", "studio"), 5)
    assert np.abs(field[0]).max() == 0 and not hidden[0].any()
    take = taken("clap slowly", "street")
    bare = replace(take, shapes=take.shapes[:1], order=take.order[:, :1] * 0)
    field, _ = flow(bare, 5)
    corner = np.linalg.inv(np.vstack([take.camera[5], [0, 0, 1]])) @ [0, 0, 1]
    assert field[0, 0] == pytest.approx(take.camera[6] @ corner, abs=1e-4)


@pytest.mark.parametrize(
    "label, level", [("push crate", "studio"), ("step right", "street"), ("ride bicycle", "studio")]
)
def test_flow_carries_each_frame_into_the_next(label: str, level: str) -> None:
    take = replace(taken(label, level), grain=0.0)
    take = replace(take, gain=np.ones_like(take.gain))
    frames = np.stack(list(film(take))).astype(np.float32)
    y, x = np.mgrid[:120, :160].astype(np.float32)
    still, carried, inner = [], [], []
    for t in range(8, 40, 6):
        field, hidden = flow(take, t)
        back = cv2.remap(frames[t + 1], x + field[..., 0], y + field[..., 1], cv2.INTER_LINEAR)
        moving = ~hidden & (np.abs(field).max(2) > 0.2)
        error = np.abs(back - frames[t]).mean(2)
        still.append(np.abs(frames[t + 1] - frames[t]).mean(2)[moving].mean())
        carried.append(error[moving].mean())
        inner.append(np.median(error[moving]))
    assert np.mean(carried) < 0.6 * np.mean(still)
    assert np.mean(inner) < 4  # of 255; edges, whose smoothing changes from frame to frame, are few


def test_files_are_middlebury_and_sintel(tmp_path: Path) -> None:
    field = np.random.default_rng(0).normal(0, 3, (6, 9, 2)).astype(np.float32)
    write_flo(tmp_path / "a.flo", field)
    data = (tmp_path / "a.flo").read_bytes()
    assert data[:4] == b"PIEH" and np.frombuffer(data, "<i4", 2, 4).tolist() == [9, 6]
    assert np.array_equal(read_flo(tmp_path / "a.flo"), field)
    (tmp_path / "b.flo").write_bytes(b"nope" + data[4:])
    with pytest.raises(ValueError, match=r"b\.flo is no Middlebury .flo file; it starts with b'nope'"):
        read_flo(tmp_path / "b.flo")
    take = direct(Shot("clip", "stroll", (), 0, 0, "train", "train", 0.8, 10, (64, 48), "street", "figure", 0, 2))
    write_flow(take, tmp_path)
    names = [f"frame_{k:04d}" for k in range(1, 8)]
    assert sorted(p.stem for p in (tmp_path / "labels" / "flow" / "clip").iterdir()) == names
    masks = [cv2.imread(str(p), cv2.IMREAD_GRAYSCALE) for p in (tmp_path / "labels" / "occlusions" / "clip").iterdir()]
    assert len(masks) == 7 and all(
        m is not None and m.shape == (48, 64) and set(np.unique(m)) <= {0, 255} for m in masks
    )
