"""Exact optical flow: every surface moves by the affine map that carries its anchor points along.

Files in the layout of MPI Sintel: `flow/CLIP/frame_0001.flo` (Middlebury format) leads from the first frame to the
second, `occlusions/CLIP/frame_0001.png` is 255 where a point of the first is not seen in the second, both in `labels`.
Shadows, light and noise change brightness and move nothing.
"""

from pathlib import Path

import cv2
import numpy as np

from .draw import identify
from .take import Take

_FLO_TAG = np.float32(202021.25)
_STIFFNESS = 1e-2  # px²; keeps the map of a surface seen edge-on from running wild


def surface_motion(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Affine map (2, 3) that carries the anchors `before` (n, 2) to `after`.

    A rotation fits first (limbs keep their thickness), then the rest of the motion is fitted as far as the anchors
    determine it (faces of boxes shear, limbs seen at a slant shorten).
    """
    p, q = before - before.mean(0), after - after.mean(0)
    turn = (p[:, 0] - 1j * p[:, 1]) @ (q[:, 0] + 1j * q[:, 1])
    c, s = (turn.real, turn.imag) / np.abs(turn) if np.abs(turn) > 1e-9 else (1.0, 0.0)
    rotation = np.array([[c, -s], [s, c]])
    linear = rotation + (q - p @ rotation.T).T @ p @ np.linalg.inv(p.T @ p + _STIFFNESS * np.eye(2))
    return np.concatenate([linear, (after.mean(0) - linear @ before.mean(0))[:, None]], 1)


def _camera_motion(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return after[:, :2] @ np.linalg.inv(before[:, :2]) @ np.concatenate([np.eye(2), -before[:, 2:]], 1) + np.pad(
        after[:, 2:], ((0, 0), (2, 0))
    )


def flow(take: Take, frame_index: int) -> tuple[np.ndarray, np.ndarray]:
    """Flow float32 (h, w, 2) in pixels (x, y) from a frame to the next; bool (h, w) where it leads out of sight."""
    t, (w, h) = frame_index, take.shot.size
    maps = np.zeros((len(take.shapes) + 1, 2, 3))
    maps[0] = _camera_motion(take.camera[t], take.camera[t + 1])
    for index, shape in enumerate(take.shapes):
        maps[index + 1] = surface_motion(shape.anchors[t], shape.anchors[t + 1])
    here = identify(take.shot.size, take.shapes, take.order[t], t)
    following = identify(take.shot.size, take.shapes, take.order[t + 1], t + 1)
    grid = np.stack([*np.meshgrid(np.arange(w), np.arange(h)), np.ones((h, w))], -1)
    there = (maps[here] @ grid[..., None])[..., 0]
    x, y = np.round(there).astype(int).transpose(2, 0, 1)
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    seen = inside & (following[np.where(inside, y, 0), np.where(inside, x, 0)] == here)
    return (there - grid[..., :2]).astype(np.float32), ~seen


def write_flo(path: Path, field: np.ndarray) -> None:
    """A Middlebury .flo file: tag, width, height, then (x, y) by rows, all little-endian."""
    height, width = field.shape[:2]
    path.write_bytes(_FLO_TAG.tobytes() + np.array([width, height], "<i4").tobytes() + field.astype("<f4").tobytes())


def read_flo(path: Path) -> np.ndarray:
    """The field float32 (h, w, 2) of a .flo file; ValueError if it is none."""
    data = path.read_bytes()
    if data[:4] != _FLO_TAG.tobytes():
        raise ValueError(f"{path} is no Middlebury .flo file; it starts with {data[:4]!r}")
    width, height = np.frombuffer(data, "<i4", 2, 4)
    return np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)


def write_flow(take: Take, out: Path) -> None:
    """Flow and occlusions of every pair of frames of a take, below `out / "labels"`."""
    folders = [out / "labels" / kind / take.shot.name for kind in ("flow", "occlusions")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for t in range(len(take.seconds) - 1):
        field, hidden = flow(take, t)
        write_flo(folders[0] / f"frame_{t + 1:04d}.flo", field)
        cv2.imwrite(str(folders[1] / f"frame_{t + 1:04d}.png"), hidden.astype(np.uint8) * 255)
