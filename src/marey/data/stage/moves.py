"""The moves: pose paths by phase. A class plays a path forwards, backwards, slowly, fast, or after another one.

Every path of `TRANSITIONS` and `PHRASES` begins in a stand. Phrases go back the way they came: else the end of the
first and the beginning of the second, side by side in the middle of a clip, would tell their order. `CYCLES` repeat
with period 1.
"""

from collections.abc import Callable, Sequence

import numpy as np

from .body import ANKLE_Z, FOOT_L, FOOT_R, HAND_L, HAND_R, LEAN, PELVIS, STAND, TWIST, YAW, pose
from .gait import STRIDE, circle, straight, walk

PosePath = Callable[[np.ndarray], np.ndarray]  # phase (t,) -> controls (t, CONTROLS)

SEAT_X, SEAT_Z = -0.20, 0.235
BOX_TOP, CRATE_X = 0.20, 0.36
DOOR_X, DOOR_HINGE_Y, HANDLE_R, HANDLE_Z, DOOR_SWING = 0.30, 0.22, 0.36, 0.52, 1.25
PUSH_LENGTH = 2 * STRIDE
RING_RADIUS = 4 * STRIDE / (2 * np.pi)


def spline(keys: Sequence[tuple[float, np.ndarray]]) -> PosePath:
    """Smooth path through key poses: cubic Hermite, with tangents that never overshoot (Fritsch and Carlson, 1980)."""
    at, rows = np.array([k for k, _ in keys]), np.stack([row for _, row in keys])
    slope = np.diff(rows, axis=0) / np.diff(at)[:, None]
    tangent = np.zeros_like(rows)
    same = slope[:-1] * slope[1:] > 0
    total = slope[:-1] + slope[1:]
    tangent[1:-1] = np.where(same, 2 * slope[:-1] * slope[1:] / np.where(same, total, 1), 0)

    def path(s: np.ndarray) -> np.ndarray:
        s = np.clip(s, at[0], at[-1])
        k = np.clip(np.searchsorted(at, s, side="right") - 1, 0, len(at) - 2)
        width = (at[k + 1] - at[k])[:, None]
        u = (s[:, None] - at[k][:, None]) / width
        start, end = rows[k], rows[k + 1]
        rise, fall = tangent[k] * width, tangent[k + 1] * width
        return (
            (2 * u**3 - 3 * u**2 + 1) * start
            + (u**3 - 2 * u**2 + u) * rise
            + (3 * u**2 - 2 * u**3) * end
            + (u**3 - u**2) * fall
        )

    return path


SEATED = pose(pelvis=(SEAT_X, 0, 0.300), lean=0.02, hands=(0.0, 0.085, 0.37), feet=(0.03, 0.06, ANKLE_Z))
_SIT = spline(
    [
        (0.0, pose(feet=(0.03, 0.06, ANKLE_Z))),
        (0.35, pose(pelvis=(-0.09, 0, 0.46), lean=0.62, hands=(0.10, 0.10, 0.50), feet=(0.03, 0.06, ANKLE_Z))),
        (0.75, pose(pelvis=(SEAT_X, 0, 0.312), lean=0.50, hands=(0.06, 0.09, 0.38), feet=(0.03, 0.06, ANKLE_Z))),
        (1.0, SEATED),
    ]
)
GRASP_AT = 0.45
_PICK = spline(
    [
        (0.0, STAND),
        (0.40, pose(pelvis=(-0.13, 0, 0.33), lean=0.95, nod=-0.1, hands=(0.27, 0.075, 0.085))),
        (0.50, pose(pelvis=(-0.13, 0, 0.33), lean=0.95, nod=-0.1, hands=(0.27, 0.075, 0.085))),
        (0.80, pose(pelvis=(-0.04, 0, 0.49), lean=0.20, hands=(0.23, 0.075, 0.50))),
        (1.0, pose(pelvis=(-0.02, 0, 0.522), lean=-0.05, hands=(0.19, 0.075, 0.60))),
    ]
)


def door_angle(s: np.ndarray) -> np.ndarray:
    """How far the door stands open, in radians, by phase: shut until the hand is at its handle."""
    u = np.clip((s - 0.25) / 0.7, 0, 1)
    return DOOR_SWING * u * u * (3 - 2 * u)


def door_handle(s: np.ndarray) -> np.ndarray:
    """Where the handle is (t, 3)."""
    angle = door_angle(s)
    x, y = DOOR_X + HANDLE_R * np.sin(angle), DOOR_HINGE_Y - HANDLE_R * np.cos(angle)
    return np.stack([x, y, np.full_like(s, HANDLE_Z)], 1)


_DOOR_STEPS = spline(
    [
        (0.0, pose()),
        (0.25, pose(pelvis=(0.03, 0, 0.515), lean=0.08, twist=0.2)),
        (0.60, pose(pelvis=(0.16, 0, 0.500), lean=0.14, twist=0.15, foot_r=(0.26, -0.06, ANKLE_Z), pitch_l=0.35)),
        (0.80, pose(pelvis=(0.25, 0, 0.505), lean=0.12, foot_r=(0.26, -0.06, ANKLE_Z), foot_l=(0.14, 0.05, 0.10))),
        (1.0, pose(pelvis=(0.30, 0, 0.520), lean=0.06, foot_r=(0.28, -0.06, ANKLE_Z), foot_l=(0.30, 0.06, ANKLE_Z))),
    ]
)


def _door(s: np.ndarray) -> np.ndarray:
    rows = _DOOR_STEPS(s)
    reach = np.clip(s / 0.25, 0, 1)
    reach = (reach * reach * (3 - 2 * reach))[:, None]
    rows[:, HAND_R] += reach * (door_handle(s) - [0.04, 0, 0] - rows[:, HAND_R])
    return rows


_PUSH_WALK = walk(straight(PUSH_LENGTH), PUSH_LENGTH, lean=0.30)


def _push(s: np.ndarray) -> np.ndarray:
    rows = _PUSH_WALK(s)
    rows[:, TWIST] *= 0.3
    for hand, side in ((HAND_L, 1), (HAND_R, -1)):
        rows[:, hand] = np.stack([rows[:, 0] + CRATE_X - 0.05, np.full_like(s, side * 0.09), np.full_like(s, 0.56)], 1)
    return rows


_UP = ANKLE_Z + BOX_TOP
_CLIMB = spline(
    [
        (0.0, pose()),
        (
            0.30,
            pose(pelvis=(0.02, -0.01, 0.52), lean=0.15, foot_r=(0.20, -0.05, _UP + 0.05), hand_l=(0.20, 0.16, 0.55)),
        ),
        (
            0.42,
            pose(
                pelvis=(0.07, -0.02, 0.53), lean=0.32, foot_r=(0.24, -0.05, _UP), hand_l=(0.25, 0.14, 0.58), pitch_l=0.2
            ),
        ),
        (
            0.68,
            pose(
                pelvis=(0.20, -0.02, 0.67), lean=0.26, foot_r=(0.24, -0.05, _UP), foot_l=(0.06, 0.05, 0.22), pitch_l=0.6
            ),
        ),
        (0.84, pose(pelvis=(0.23, -0.01, 0.71), lean=0.10, foot_r=(0.24, -0.05, _UP), foot_l=(0.20, 0.05, _UP + 0.05))),
        (1.0, pose(pelvis=(0.25, 0, 0.522 + BOX_TOP), foot_r=(0.25, -0.06, _UP), foot_l=(0.25, 0.06, _UP))),
    ]
)
HAT_AT = 0.55
_HAT_UP = pose(nod=0.12, hand_r=(0.07, -0.075, 0.965), hand_l=(0.06, 0.20, 0.55))
_HAT = spline(
    [
        (0.0, pose(hand_r=(0.20, -0.15, 0.50))),
        (0.25, pose(hand_r=(0.24, -0.17, 0.72))),
        (0.50, _HAT_UP),
        (0.60, _HAT_UP),
        (0.80, pose(hand_r=(0.20, -0.19, 0.78))),
        (1.0, pose()),
    ]
)
_STEP = 0.15


def _sidestep(s: np.ndarray) -> np.ndarray:
    """Three steps towards +y: in each the left foot opens, then the right one closes."""
    rows = np.repeat(pose(hands=(0.03, 0.15, 0.52))[None], len(s), 0)
    count = np.minimum(np.floor(3 * s), 2)
    for foot, lag in ((FOOT_L, 0.0), (FOOT_R, 0.5)):
        u = np.clip(2 * (3 * s - count - lag), 0, 1)
        rows[:, foot.start + 1] += 2 * _STEP * (count + u * u * (3 - 2 * u) - 1.5)
        rows[:, foot.start + 2] += 0.05 * np.sin(np.pi * u) ** 2
    feet = rows[:, [FOOT_L.start + 1, FOOT_R.start + 1]]
    middle, apart = feet.mean(1), feet[:, 0] - feet[:, 1] - 0.12
    for hand in (HAND_L, HAND_R):
        rows[:, hand.start + 1] += middle
    rows[:, 1], rows[:, 2] = middle, 0.52 - 0.25 * np.maximum(apart, 0) ** 1.5
    return rows


TRANSITIONS: dict[str, PosePath] = {
    "sit": _SIT,
    "pick": _PICK,
    "door": _door,
    "push": _push,
    "climb": _CLIMB,
    "hat": _HAT,
    "sidestep": _sidestep,
}


def _cosine(s: np.ndarray) -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * s))[:, None]


def _wave(s: np.ndarray) -> np.ndarray:
    rows = np.repeat(pose(hand_r=(0.09, -0.285, 0.985))[None], len(s), 0)
    swing = np.sin(2 * np.pi * s)
    rows[:, HAND_R] += np.stack([0.0 * s, 0.105 * swing, -0.04 * swing**2 + 0.01 * swing], 1)
    rows[:, TWIST] += 0.04 * swing
    return rows


_SQUATTING = pose(pelvis=(-0.13, 0, 0.300), lean=0.70, nod=-0.35, hands=(0.38, 0.09, 0.58))
_READY = pose(hands=(0.14, 0.11, 0.58))


def _squat(s: np.ndarray) -> np.ndarray:
    return _READY + _cosine(s) * (_SQUATTING - _READY)


_APART, _TOGETHER = pose(hands=(0.15, 0.25, 0.72)), pose(hands=(0.23, 0.022, 0.73))


def _clap(s: np.ndarray) -> np.ndarray:
    return _APART + _cosine(s) ** 0.8 * (_TOGETHER - _APART)


def _ride(s: np.ndarray) -> np.ndarray:
    rows = np.repeat(pose(pelvis=(-0.16, 0, 0.545), lean=0.62, nod=-0.25, hands=(0.26, 0.10, 0.585))[None], len(s), 0)
    for foot, offset, pitch in ((FOOT_L, 0.0, 21), (FOOT_R, 0.5, 22)):
        angle = 2 * np.pi * (s + offset)
        rows[:, foot.start], rows[:, foot.start + 2] = 0.01 + 0.085 * np.sin(angle), 0.20 + 0.085 * np.cos(angle)
        rows[:, pitch] = 0.25 - 0.15 * np.cos(angle)
    return rows


def _hold(row: np.ndarray) -> PosePath:
    """Standing in one pose with a slow shift of weight."""

    def path(s: np.ndarray) -> np.ndarray:
        rows = np.repeat(row[None], len(s), 0)
        sway = np.sin(2 * np.pi * s)
        rows[:, 1] += 0.012 * sway
        rows[:, LEAN] += 0.03 * np.sin(4 * np.pi * s)
        rows[:, HAND_L], rows[:, HAND_R] = (
            rows[:, h] + np.stack([0.01 * sway, 0.012 * sway, 0 * s], 1) for h in (HAND_L, HAND_R)
        )
        return rows

    return path


_LOOP = walk(circle(RING_RADIUS), 4 * STRIDE)


def _umbrella(s: np.ndarray) -> np.ndarray:
    rows = _LOOP(s)
    c, n = np.cos(rows[:, YAW]), np.sin(rows[:, YAW])
    rows[:, HAND_R] = rows[:, PELVIS] + np.stack([0.13 * c + 0.09 * n, 0.13 * n - 0.09 * c, np.full_like(s, 0.20)], 1)
    return rows


CYCLES: dict[str, PosePath] = {
    "loop": _LOOP,
    "wave": _wave,
    "squat": _squat,
    "clap": _clap,
    "ride": _ride,
    "overhead": _hold(pose(hands=(0.03, 0.085, 1.10), nod=-0.15)),
    "read": _hold(
        pose(pelvis=(SEAT_X, 0, 0.300), lean=0.04, nod=0.35, hands=(0.06, 0.06, 0.53), feet=(0.03, 0.06, ANKLE_Z))
    ),
    "umbrella": _umbrella,
}


_CROUCHED = pose(pelvis=(-0.06, 0, 0.41), lean=0.42, hands=(0.12, 0.16, 0.40))
_TAKE_OFF = pose(pelvis=(0, 0, 0.56), hands=(0.20, 0.17, 0.80), feet=(0, 0.06, 0.08), pitch_l=0.6, pitch_r=0.6)
_IN_THE_AIR = pose(pelvis=(0, 0, 0.72), hands=(0.14, 0.17, 1.18), feet=(-0.01, 0.06, 0.23), pitch_l=0.5, pitch_r=0.5)
_KNEE_UP = pose(
    pelvis=(0, 0.03, 0.515),
    foot_r=(0.10, -0.06, 0.26),
    pitch_r=0.25,
    hand_l=(0.16, 0.19, 0.64),
    hand_r=(-0.02, -0.22, 0.56),
)
_KICKING = pose(
    pelvis=(0, 0.03, 0.52),
    lean=-0.22,
    foot_r=(0.42, -0.05, 0.42),
    pitch_r=-0.6,
    hand_l=(0.20, 0.20, 0.66),
    hand_r=(-0.10, -0.23, 0.58),
)
_BOWED = pose(pelvis=(-0.07, 0, 0.515), lean=1.0, nod=0.1, hands=(0.14, 0.07, 0.42))
_OPEN = pose(hands=(0.20, 0.24, 0.75))
_STRETCHED = pose(
    pelvis=(0, 0, 0.55), lean=-0.08, nod=-0.3, hands=(0.05, 0.16, 1.14), feet=(0, 0.06, 0.062), pitch_l=0.3, pitch_r=0.3
)


def _there_and_back(*keys: tuple[float, np.ndarray]) -> PosePath:
    """From a stand through `keys` in the first half, and the same way back: what begins looks like what ends."""
    back = [(1 - at, row) for at, row in reversed(keys)]
    return spline([(0.0, STAND), *keys, *back, (1.0, STAND)])


def _greet(s: np.ndarray) -> np.ndarray:
    up = np.clip(np.minimum(s, 1 - s) / 0.28, 0, 1)
    up = (up * up * (3 - 2 * up))[:, None]
    return STAND + up * (_wave(2.5 * s) - STAND)


PHRASES: dict[str, PosePath] = {
    "greet": _greet,
    "jump": _there_and_back((0.22, _CROUCHED), (0.36, _TAKE_OFF), (0.48, _IN_THE_AIR)),
    "bow": _there_and_back((0.42, _BOWED)),
    "kick": _there_and_back((0.28, _KNEE_UP), (0.45, _KICKING)),
    "crouch": _there_and_back((0.42, _SQUATTING)),
    "reach": _there_and_back((0.22, _OPEN), (0.44, _STRETCHED)),
}
