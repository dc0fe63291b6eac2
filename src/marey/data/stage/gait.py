"""Walking along a path: planted feet, swinging arms, a pelvis that rises over the standing leg."""

from collections.abc import Callable

import numpy as np

from .body import (
    ANKLE_Z,
    CONTROLS,
    FOOT_L,
    FOOT_R,
    HAND_L,
    HAND_R,
    LEAN,
    NOD,
    PELVIS,
    PITCH_L,
    PITCH_R,
    TWIST,
    YAW,
    shoulders,
)

Path = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]  # phase -> x, y, heading
STRIDE = 0.62  # body heights per cycle of both feet; the legs of the figure reach no further without sliding
_STANCE = 0.6  # part of the cycle that a foot spends on the ground


def straight(length: float) -> Path:
    """From -length/2 to length/2 along x while the phase runs from 0 to 1."""

    def at(s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return length * (s - 0.5), np.zeros_like(s), np.zeros_like(s)

    return at


def circle(radius: float) -> Path:
    """Once around, anticlockwise seen from above, while the phase runs from 0 to 1."""

    def at(s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        a = 2 * np.pi * s
        return radius * np.sin(a), -radius * np.cos(a), a

    return at


def _smooth(u: np.ndarray) -> np.ndarray:
    return u * u * (3 - 2 * u)


def _foot(path: Path, s: np.ndarray, cycles: int, offset: float, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Ankle (t, 3) and pitch (t,) of one foot: still while it stands, an eased arc while it swings."""
    cycle = s * cycles + offset
    step = np.floor(cycle)
    part = cycle - step

    def plant(k: np.ndarray) -> np.ndarray:
        x, y, heading = path((k - offset + 0.48 * _STANCE) / cycles)
        lateral = side * 0.042
        return np.stack([x - lateral * np.sin(heading), y + lateral * np.cos(heading), np.full_like(x, ANKLE_Z)], 1)

    swing = np.clip((part - _STANCE) / (1 - _STANCE), 0, 1)
    push_off = np.clip((part - 0.38) / (_STANCE - 0.38), 0, 1) ** 2
    here, following = plant(step), plant(step + 1)
    ankle = here + _smooth(swing)[:, None] * (following - here)
    ankle[:, 2] += 0.055 * np.sin(np.pi * swing) ** 2 + 0.045 * push_off * (1 - swing) ** 2
    heel_strike = -0.30 * _smooth(np.clip((swing - 0.6) / 0.4, 0, 1)) - 0.30 * np.clip(1 - part / 0.1, 0, 1)
    return ankle, 0.75 * push_off * (1 - swing) + np.where(
        swing > 0, np.minimum(heel_strike, 0), heel_strike * (part < 0.1)
    )


def walk(path: Path, length: float, *, lean: float = 0.03, swing: float = 0.16) -> Callable[[np.ndarray], np.ndarray]:
    """Controls (t, CONTROLS) by phase of a walk along `path`, which is `length` body heights long."""
    cycles = max(1, round(length / STRIDE))

    def controls(s: np.ndarray) -> np.ndarray:
        rows = np.zeros((len(s), CONTROLS))
        x, y, heading = path(s)
        turn = 2 * np.pi * s * cycles
        rows[:, PELVIS] = np.stack([x, y, 0.497 - 0.011 * np.cos(2 * turn)], 1)
        rows[:, YAW], rows[:, LEAN], rows[:, NOD] = heading, lean, -0.02
        rows[:, TWIST] = 0.16 * np.cos(turn)
        rows[:, FOOT_L], rows[:, PITCH_L] = _foot(path, s, cycles, 0.0, 1)
        rows[:, FOOT_R], rows[:, PITCH_R] = _foot(path, s, cycles, 0.5, -1)
        for index, (hand, side) in enumerate(((HAND_L, 1), (HAND_R, -1))):
            forward = -side * swing * np.cos(turn)
            hang = np.stack(
                [
                    0.04 + forward,
                    np.full_like(s, side * 0.035),
                    -0.300 + 0.5 * forward**2 + 0.2 * np.maximum(forward, 0),
                ],
                1,
            )
            c, n = np.cos(heading), np.sin(heading)
            hang[:, 0], hang[:, 1] = c * hang[:, 0] - n * hang[:, 1], n * hang[:, 0] + c * hang[:, 1]
            rows[:, hand] = shoulders(rows)[:, index] + hang
        return rows

    return controls


def contacts(cycles: int) -> tuple[float, ...]:
    """Phases in 0..1 at which a heel comes down."""
    return tuple(k / (2 * cycles) for k in range(2 * cycles))
