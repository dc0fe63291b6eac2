"""Props: solids that stand on the ground, are carried by a hand, or turn on a hinge, by the phase of the move."""

from collections.abc import Callable

import numpy as np

from .body import JOINT
from .moves import (
    BOX_TOP,
    CRATE_X,
    DOOR_HINGE_Y,
    DOOR_X,
    GRASP_AT,
    HAT_AT,
    SEAT_X,
    SEAT_Z,
    door_angle,
    door_handle,
)
from .solids import Colour, Solid, cuboid, still, tint, tube

Prop = Callable[[np.ndarray, np.ndarray, Colour], list[Solid]]  # phase (t,), joints (t, j, 3), colour -> solids


def _at(body: np.ndarray, name: str) -> np.ndarray:
    return body[:, JOINT[name]]


def _between_hands(body: np.ndarray) -> np.ndarray:
    return (_at(body, "hand_l") + _at(body, "hand_r")) / 2


def _panel(points: np.ndarray, colour: Colour, name: str, owner: str, bias: float = 0.0) -> Solid:
    return Solid(points, (0.006,) * points.shape[1], colour, name, owner, shaded=False, bias=bias)


def _chair(phase: np.ndarray, body: np.ndarray, colour: Colour) -> list[Solid]:
    t, back, front, half = len(phase), SEAT_X - 0.14, SEAT_X + 0.10, 0.125
    solids = []
    for x in (back, front):
        for y in (-half, half):
            foot, seat = still([(x, y, 0.01)], t)[:, 0], still([(x, y, SEAT_Z)], t)[:, 0]
            solids.append(tube(foot, seat, 0.012, tint(colour, 0.7), "chair leg", "chair", bias=0.02))
    seat = [(back, -half, SEAT_Z), (front, -half, SEAT_Z), (front, half, SEAT_Z), (back, half, SEAT_Z)]
    solids.append(_panel(still(seat, t), colour, "chair seat", "chair", bias=0.06))
    rest = [(back, -half, 0.36), (back, half, 0.36), (back - 0.04, half, 0.56), (back - 0.04, -half, 0.56)]
    solids.append(_panel(still(rest, t), tint(colour, 0.9), "chair back", "chair"))
    for y in (-half, half):
        a, b = still([(back, y, SEAT_Z), (back - 0.04, y, 0.54)], t).transpose(1, 0, 2)
        solids.append(tube(a, b, 0.012, tint(colour, 0.75), "chair back", "chair"))
    return solids


def _book(phase: np.ndarray, body: np.ndarray, colour: Colour) -> list[Solid]:
    middle = _between_hands(body) + np.array([0.02, 0, 0.03])
    solids = _chair(phase, body, (122, 92, 66))
    for side in (-1, 1):
        corners = np.array([(0.0, 0, -0.06), (0.03, side * 0.085, -0.06), (0.05, side * 0.085, 0.07), (0.02, 0, 0.07)])
        solids.append(_panel(middle[:, None] + corners, tint(colour, 1.0 if side > 0 else 0.85), "book", "book", -0.06))
        inset = corners * 0.86 + [-0.006, 0, 0.002]
        solids.append(_panel(middle[:, None] + inset, (245, 242, 232), "book page", "book", -0.058))
    return solids


def _parcel(phase: np.ndarray, body: np.ndarray, colour: Colour) -> list[Solid]:
    held = _between_hands(body) + np.array([0.015, 0, -0.01])
    resting = still([(0.285, 0, 0.065)], len(phase))[:, 0]
    lifted = np.clip((phase - GRASP_AT + 0.05) / 0.1, 0, 1)[:, None]
    return cuboid(resting + lifted * (held - resting), (0.15, 0.145, 0.13), colour, "parcel", "parcel")


def _door(phase: np.ndarray, body: np.ndarray, colour: Colour) -> list[Solid]:
    t, width, top, angle = len(phase), 0.42, 1.10, door_angle(phase)
    hinge = still([(DOOR_X, DOOR_HINGE_Y, 0.01)], t)[:, 0]
    free = np.stack([DOOR_X + width * np.sin(angle), DOOR_HINGE_Y - width * np.cos(angle), np.full(t, 0.01)], 1)
    solids = []
    for y in (DOOR_HINGE_Y + 0.015, DOOR_HINGE_Y - width - 0.015):
        a, b = still([(DOOR_X, y, 0), (DOOR_X, y, top + 0.02)], t).transpose(1, 0, 2)
        solids.append(tube(a, b, 0.018, tint(colour, 0.55), "door post", "door"))
    a, b = still([(DOOR_X, DOOR_HINGE_Y, top + 0.02), (DOOR_X, DOOR_HINGE_Y - width, top + 0.02)], t).transpose(1, 0, 2)
    solids.append(tube(a, b, 0.018, tint(colour, 0.55), "door lintel", "door"))
    rise = np.array([0, 0, top])

    def panel(inner: float, outer: float, low: float, high: float, shade: float, bias: float) -> Solid:
        left, right = hinge + inner * (free - hinge), hinge + outer * (free - hinge)
        corners = np.stack([left + low * rise, right + low * rise, right + high * rise, left + high * rise], 1)
        return _panel(corners, tint(colour, shade), "door panel", "door", bias)

    solids += [
        panel(0.0, 1.0, 0.0, 1.0, 1.0, 0.05),
        panel(0.2, 0.8, 0.1, 0.42, 0.85, 0.045),
        panel(0.2, 0.8, 0.55, 0.92, 0.85, 0.045),
    ]
    solids.append(Solid(door_handle(phase)[:, None], (0.022,), (225, 200, 110), "door handle", "door", bias=-0.02))
    return solids


def _crate(phase: np.ndarray, body: np.ndarray, colour: Colour) -> list[Solid]:
    centre = np.stack([_at(body, "pelvis")[:, 0] + CRATE_X + 0.19, np.zeros(len(phase)), np.full(len(phase), 0.29)], 1)
    solids = cuboid(centre, (0.38, 0.36, 0.56), colour, "crate", "crate")
    for side in (-1, 1):
        y = side * 0.18
        for slope in (-1, 1):
            ends = centre[:, None] + np.array([(-0.17, y, -0.26 * slope), (0.17, y, 0.26 * slope)])
            solids.append(Solid(ends, (0.016, 0.016), tint(colour, 0.6), "crate brace", "crate", False, -0.01))
    return solids


def _box(phase: np.ndarray, body: np.ndarray, colour: Colour) -> list[Solid]:
    return cuboid(still([(0.30, 0, BOX_TOP / 2)], len(phase))[:, 0], (0.38, 0.40, BOX_TOP), colour, "box", "box")


def _hat(phase: np.ndarray, body: np.ndarray, colour: Colour) -> list[Solid]:
    head, neck, nose = _at(body, "head"), _at(body, "neck"), _at(body, "nose")
    up = (head - neck) / np.linalg.norm(head - neck, axis=1, keepdims=True)
    worn = head + 0.046 * up
    held = _at(body, "hand_r") + np.array([0.03, 0.0, -0.02])
    on = np.clip((phase - HAT_AT + 0.12) / 0.12, 0, 1)
    centre = held + (on * on * (3 - 2 * on))[:, None] * (worn - held)
    forward = (nose - head) / np.linalg.norm(nose - head, axis=1, keepdims=True)
    side = np.cross(up, forward)
    angles = np.arange(10) * 2 * np.pi / 10
    ring = np.cos(angles)[:, None, None] * forward + np.sin(angles)[:, None, None] * side
    brim = centre[:, None] + 0.098 * ring.transpose(1, 0, 2)
    crown = np.concatenate(
        [centre[:, None] + 0.058 * ring.transpose(1, 0, 2)[:, ::2], (centre + 0.062 * up)[:, None]], 1
    )
    return [
        Solid(brim, (0.008,) * 10, tint(colour, 0.75), "hat brim", "hat", shaded=False, bias=-0.05),
        Solid(crown, (0.012,) * 5 + (0.045,), colour, "hat crown", "hat", bias=-0.055),
    ]


def _umbrella(phase: np.ndarray, body: np.ndarray, colour: Colour) -> list[Solid]:
    grip = _at(body, "hand_r")
    top = grip + np.array([0.0, 0.0, 0.50])
    angles = np.arange(12) * 2 * np.pi / 12
    rim = np.stack([0.30 * np.cos(angles), 0.30 * np.sin(angles), np.full(12, -0.12)], 1)
    upper = np.stack([0.17 * np.cos(angles), 0.17 * np.sin(angles), np.full(12, -0.035)], 1)
    canopy = np.concatenate([top[:, None] + rim, top[:, None] + upper, top[:, None]], 1)
    solids = [
        tube(grip - [0, 0, 0.06], top, 0.009, (90, 74, 62), "umbrella stick", "umbrella", bias=-0.02),
        Solid(canopy, (0.004,) * 25, tint(colour, 0.82), "umbrella canopy", "umbrella", shaded=False, bias=-0.10),
    ]
    for k in range(0, 12, 4):
        panel = np.stack([top, *(top + rim[(k + j) % 12] for j in range(3))], 1)
        solids.append(Solid(panel, (0.003,) * 4, colour, "umbrella panel", "umbrella", shaded=False, bias=-0.11))
    return solids


def _bicycle(phase: np.ndarray, body: np.ndarray, colour: Colour) -> list[Solid]:
    x = _at(body, "pelvis")[:, 0] + 0.16
    ground = np.stack([x, np.zeros_like(x), np.zeros_like(x)], 1)
    points = {
        "bracket": (0.01, 0.20),
        "saddle": (-0.17, 0.475),
        "head": (0.22, 0.48),
        "rear": (-0.30, 0.185),
        "front": (0.33, 0.185),
    }
    at = {name: ground + np.array([dx, 0, z]) for name, (dx, z) in points.items()}
    solids = []
    angles = np.arange(20) * 2 * np.pi / 20
    for hub in ("rear", "front"):
        ring = 0.175 * np.stack([np.cos(angles), 0 * angles, np.sin(angles)], 1)
        solids.append(
            Solid(at[hub][:, None] + ring, (0.011,) * 20, (36, 36, 40), "wheel", "bicycle", False, 0.02, stroke=True)
        )
        for quarter in (0.0, np.pi / 2):
            turn = quarter - x / 0.185
            spoke = 0.17 * np.stack([np.cos(turn), 0 * turn, np.sin(turn)], 1)
            solids.append(
                tube(at[hub] - spoke, at[hub] + spoke, 0.0035, (150, 150, 155), "spoke", "bicycle", bias=0.03)
            )
    bars = (
        ("bracket", "saddle"),
        ("bracket", "head"),
        ("saddle", "head"),
        ("rear", "bracket"),
        ("rear", "saddle"),
        ("head", "front"),
    )
    solids += [tube(at[a], at[b], 0.012, colour, "frame", "bicycle") for a, b in bars]
    grips = [_at(body, f"hand_{s}") for s in ("l", "r")]
    solids.append(tube(grips[0], grips[1], 0.010, (60, 60, 64), "handlebar", "bicycle", bias=-0.02))
    solids.append(tube(at["head"], (grips[0] + grips[1]) / 2, 0.010, (60, 60, 64), "stem", "bicycle"))
    solids.append(
        tube(at["saddle"] + [-0.05, 0, 0.02], at["saddle"] + [0.05, 0, 0.02], 0.020, (40, 34, 34), "saddle", "bicycle")
    )
    solids += [
        tube(
            at["bracket"],
            _at(body, f"ankle_{s}") + np.array([0.03, 0, -0.035]),
            0.009,
            (110, 110, 116),
            "crank",
            "bicycle",
        )
        for s in ("l", "r")
    ]
    return solids


def _ball(phase: np.ndarray, body: np.ndarray, colour: Colour) -> list[Solid]:
    centre = _between_hands(body) + np.array([0, 0, 0.055])
    return [Solid(centre[:, None], (0.088,), colour, "ball", "ball", bias=0.0)]


PROPS: dict[str, Prop] = {
    "chair": _chair,
    "reading chair": _book,
    "parcel": _parcel,
    "door": _door,
    "crate": _crate,
    "box": _box,
    "hat": _hat,
    "umbrella": _umbrella,
    "bicycle": _bicycle,
    "ball": _ball,
}
