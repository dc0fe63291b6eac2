"""What optical flow says of a clip as a whole: how speed, acceleration and deformation vary together, and where.

Covariance descriptors with the log-Euclidean metric are those of Guo, Ishwar and Konrad, IEEE TIP 2013 (action
recognition from silhouettes and flow); derivatives of flow as motion features go back to Dalal, Triggs and Schmid,
ECCV 2006. Weights by speed, zeroed signs and the crop are ours: they make the descriptor blind to mirroring and to what
stands still, whatever share of the picture that is.

Axes: t fields, h rows, w columns, 2 = (right, down). Flow is in pixels a frame of pictures whose short side is FLOW_PX.
"""

from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ..video import dense_flow

FLOW_PX = 160
STATISTICS = 24  # numbers in the covariance descriptor
_SLOW, _FAST = 0.02, 0.25  # picture heights a second: below counts nothing, above counts no more
_FLOOR = 1e-3  # added to the eigenvalues before the logarithm
_UNITS = np.array([8, 8, 1, 1, 1, 1, 1, 8], np.float32)  # velocities are small beside their derivatives
_SIGNED = np.array([True, False, True, False, False, False, False, False])  # change sign in a mirror
_SIDES, _SHARE, _NOISE_PX = (0.4, 0.55, 0.75, 1.0), 0.7, 0.5

Flow = Float[np.ndarray, "t h w 2"]
Box = tuple[float, float, float]


def steady_flow(frames: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "m fh fw 2"]:
    """Flow between neighbouring frames less its median over the picture, which is taken for the camera's motion."""
    height, width = frames.shape[1:3]
    scale = FLOW_PX / min(height, width)
    size = (round(width * scale), round(height * scale))
    grey = [cv2.cvtColor(cv2.resize(f, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY) for f in frames]
    flow = np.stack([dense_flow(a, b, speed="fast") for a, b in pairwise(grey)])
    return flow - np.median(flow[:, ::4, ::4].reshape(len(flow), -1, 2), axis=1)[:, None, None]


def motion_covariance(flow: Flow, *, fps: float) -> Float[np.ndarray, " d"]:
    """(STATISTICS,) logarithm of the covariance of eight motion features over all pixels and times, weighted by speed.

    The features are velocity, acceleration, |divergence|, |curl|, shear and speed, in picture heights and seconds.
    Covariances between what changes sign in a mirror and what does not are zero.
    """
    velocity = flow[:, ::2, ::2] * np.float32(fps / FLOW_PX)
    acceleration = np.diff(velocity, axis=0) * np.float32(fps)
    velocity = velocity[1:]
    (ux, uy), (vx, vy) = (_slopes(velocity[..., i]) for i in (0, 1))
    u, v = velocity[..., 0], velocity[..., 1]
    speed = np.hypot(u, v)
    features = (
        np.stack(
            [
                u,
                v,
                acceleration[..., 0],
                acceleration[..., 1],
                np.abs(ux + vy),
                np.abs(vx - uy),
                np.hypot(ux - vy, uy + vx),
                speed,
            ],
            axis=-1,
        ).reshape(-1, 8)
        * _UNITS
    )
    weight = np.clip(speed - _SLOW, 0, _FAST).ravel()
    weight = weight / (weight.sum() + 1e-9)
    mean = weight @ features
    covariance = (features * weight[:, None]).T @ features - np.outer(mean, mean)
    covariance = np.where(_SIGNED[:, None] == _SIGNED[None], covariance, 0)
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    logarithm = (vectors * np.log(np.maximum(values, 0) + _FLOOR)) @ vectors.T
    row, column = np.triu_indices(8)
    kept = _SIGNED[row] == _SIGNED[column]
    norm = np.where(row == column, 1.0, 2**0.5)  # so that distances between vectors are those between matrices
    return (logarithm[row, column] * norm)[kept].astype(np.float32)


def motion_box(flow: Flow) -> Box:
    """(top, left, side), in short sides, of the smallest square that holds most of the motion; centred without any."""
    motion = np.maximum(np.hypot(flow[..., 0], flow[..., 1]) - _NOISE_PX, 0).mean(0)
    height, width = motion.shape
    short = min(height, width)
    if motion.sum() < 1e-6:
        return (height - short) / 2 / short, (width - short) / 2 / short, 1.0
    table = np.pad(motion.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
    box = (0.0, 0.0, 1.0)
    for share_of_short in _SIDES:
        side = int(short * share_of_short)
        held = table[side:, side:] - table[:-side, side:] - table[side:, :-side] + table[:-side, :-side]
        top, left = np.unravel_index(held.argmax(), held.shape)
        box = (float(top / short), float(left / short), side / short)
        if held[top, left] >= _SHARE * motion.sum():
            break
    return box


def pixels(box: Box, short_px: int) -> tuple[slice, slice]:
    """Rows and columns of a box in pictures of that short side."""
    top, left, side = (round(part * short_px) for part in box)
    return slice(top, top + side), slice(left, left + side)


def motion_weights(flow: Flow, box: Box, *, every: int, side: int) -> Float[np.ndarray, "n side side"]:
    """How much of the clip's motion is in each cell of a grid over the box, at every `every`-th frame; sums to 1.

    A frame's motion is the mean of that before and after it; less than 0.3 pixels counts as none.
    """
    rows, columns = pixels(box, FLOW_PX)
    motion = np.maximum(np.hypot(flow[..., 0], flow[..., 1]) - 0.3, 0)[:, rows, columns]
    motion = np.concatenate([motion[:1], motion, motion[-1:]])
    motion = ((motion[:-1] + motion[1:]) / 2)[::every]
    grid = np.stack([cv2.resize(np.ascontiguousarray(m), (side, side), interpolation=cv2.INTER_AREA) for m in motion])
    return grid / (grid.sum() + 1e-6)


def _slopes(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Central differences along x and y of (t, h, w) on every second pixel, per picture height; 0 at the border."""
    x, y, scale = np.zeros_like(field), np.zeros_like(field), FLOW_PX / 4
    x[:, :, 1:-1] = (field[:, :, 2:] - field[:, :, :-2]) * scale
    y[:, 1:-1] = (field[:, 2:] - field[:, :-2]) * scale
    return x, y
