"""The skeleton: a pose is a row of controls; two-bone inverse kinematics turns it into joints.

Units are body heights, so every figure and its props share one set of moves. Frame: x forward, y to the figure's left,
z up, the ground at z = 0. Proportions after Drillis and Contini (1966), as given by Winter, "Biomechanics and Motor
Control of Human Movement"; shoulders and hips are set in by the flesh that is drawn around them.
"""

from collections.abc import Sequence

import numpy as np

PELVIS, YAW, LEAN, SIDE, TWIST, NOD, TURN = slice(0, 3), 3, 4, 5, 6, 7, 8
HAND_L, HAND_R, FOOT_L, FOOT_R = slice(9, 12), slice(12, 15), slice(15, 18), slice(18, 21)
PITCH_L, PITCH_R = 21, 22
CONTROLS = 23

JOINTS = (
    *("pelvis", "waist", "chest", "neck", "head", "crown", "nape", "nose", "chin", "eye_l", "eye_r", "ear_l", "ear_r"),
    *("shoulder_l", "elbow_l", "wrist_l", "hand_l", "hip_l", "knee_l", "ankle_l", "heel_l", "toe_l", "flank_l"),
    *("shoulder_r", "elbow_r", "wrist_r", "hand_r", "hip_r", "knee_r", "ankle_r", "heel_r", "toe_r", "flank_r"),
)
JOINT = {name: index for index, name in enumerate(JOINTS)}

UPPER_ARM, FOREARM, PALM, THIGH, SHANK = 0.180, 0.146, 0.050, 0.245, 0.246
ANKLE_Z, HIP_Z = 0.042, 0.525
_SHOULDER_Y, _HIP_Y, _FLANK_Y = 0.105, 0.055, 0.050
_HEAD = {  # offsets from the centre of the head, in its own axes
    "crown": (-0.012, 0, 0.020),
    "nape": (-0.045, 0, -0.030),
    "nose": (0.066, 0, -0.008),
    "chin": (0.026, 0, -0.042),
    "eye_l": (0.050, 0.021, 0.010),
    "eye_r": (0.050, -0.021, 0.010),
    "ear_l": (0.004, 0.056, -0.004),
    "ear_r": (0.004, -0.056, -0.004),
}


def rotation(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotations by `angle` (t,) radians about x, y or z (axis 0, 1, 2), right-handed: (t, 3, 3)."""
    c, s = np.cos(angle), np.sin(angle)
    m = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    m[:, axis, axis], m[:, i, i], m[:, j, j], m[:, i, j], m[:, j, i] = 1, c, c, -s, s
    return m


def _apply(m: np.ndarray, v: Sequence[float | int]) -> np.ndarray:
    return m @ np.asarray(v, float)


def two_bone(
    root: np.ndarray, target: np.ndarray, pole: np.ndarray, upper: float, lower: float
) -> tuple[np.ndarray, np.ndarray]:
    """Middle and end joint, each (t, 3), of a limb that reaches from `root` to `target` and bends towards `pole`."""
    reach = target - root
    distance = np.linalg.norm(reach, axis=1, keepdims=True)
    along = reach / np.maximum(distance, 1e-9)
    distance = np.clip(distance, abs(upper - lower) + 0.03, (upper + lower) * 0.998)
    cosine = (upper**2 + distance**2 - lower**2) / (2 * upper * distance)
    across = pole - (pole * along).sum(1, keepdims=True) * along
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    middle = root + upper * (cosine * along + np.sqrt(np.maximum(1 - cosine**2, 0)) * across)
    return middle, root + distance * along


def _trunk(controls: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Joints of the trunk, and the rotations of pelvis, chest and neck base, each (t, 3, 3)."""
    lean, yaw = controls[:, LEAN], rotation(2, controls[:, YAW])
    pelvis = yaw @ rotation(1, 0.35 * lean) @ rotation(0, 0.3 * controls[:, SIDE])
    lumbar = yaw @ rotation(1, 0.7 * lean) @ rotation(0, 0.7 * controls[:, SIDE])
    spine = yaw @ rotation(1, 1.15 * lean) @ rotation(0, controls[:, SIDE])
    chest = spine @ rotation(2, controls[:, TWIST])
    at = {"pelvis": controls[:, PELVIS]}
    at["waist"] = at["pelvis"] + _apply(lumbar, (0.0, 0, 0.10))
    at["chest"] = at["waist"] + _apply(spine, (0.008, 0, 0.115))
    at["neck"] = at["chest"] + _apply(spine, (-0.008, 0, 0.075))
    for side, sign in (("l", 1), ("r", -1)):
        at[f"shoulder_{side}"] = at["chest"] + _apply(chest, (-0.004, sign * _SHOULDER_Y, 0.058))
        at[f"flank_{side}"] = at["waist"] + _apply(chest, (0, sign * _FLANK_Y, 0))
        at[f"hip_{side}"] = at["pelvis"] + _apply(pelvis, (0, sign * _HIP_Y, 0))
    return at, pelvis, chest, spine


def joints(controls: np.ndarray) -> np.ndarray:
    """Positions (t, len(JOINTS), 3) of the joints for the rows of `controls` (t, CONTROLS)."""
    at, pelvis, chest, spine = _trunk(controls)
    yaw = rotation(2, controls[:, YAW])
    upright = yaw @ rotation(1, 0.55 * controls[:, LEAN] + controls[:, NOD]) @ rotation(2, controls[:, TURN])
    at["head"] = at["neck"] + _apply(spine, (0.012, 0, 0.045)) + _apply(upright, (0.006, 0, 0.058))
    at |= {name: at["head"] + _apply(upright, offset) for name, offset in _HEAD.items()}
    for side, sign, hand, foot, pitch in (("l", 1, HAND_L, FOOT_L, PITCH_L), ("r", -1, HAND_R, FOOT_R, PITCH_R)):
        pole = _apply(chest, (-0.75, sign * 0.45, -0.5))
        target = controls[:, hand]
        elbow, wrist = two_bone(at[f"shoulder_{side}"], target, pole, UPPER_ARM, FOREARM)
        at[f"elbow_{side}"], at[f"wrist_{side}"] = elbow, wrist
        at[f"hand_{side}"] = wrist + PALM * (wrist - elbow) / FOREARM
        knee, ankle = two_bone(
            at[f"hip_{side}"], controls[:, foot], _apply(pelvis, (1, sign * 0.12, 0.25)), THIGH, SHANK
        )
        sole = yaw @ rotation(1, controls[:, pitch])
        at[f"knee_{side}"], at[f"ankle_{side}"] = knee, ankle
        at[f"toe_{side}"] = ankle + _apply(sole, (0.098, sign * 0.012, -0.024))
        at[f"heel_{side}"] = ankle + _apply(sole, (-0.022, 0, -0.020))
    return np.stack([at[name] for name in JOINTS], 1)


def shoulders(controls: np.ndarray) -> np.ndarray:
    """Left and right shoulder, (t, 2, 3)."""
    at = _trunk(controls)[0]
    return np.stack([at["shoulder_l"], at["shoulder_r"]], 1)


Point = tuple[float | int, float | int, float | int]


def pose(
    *,
    pelvis: Point = (0, 0, HIP_Z),
    lean: float = 0.0,
    side: float = 0.0,
    twist: float = 0.0,
    nod: float = 0.0,
    turn: float = 0.0,
    hands: Point | None = None,
    hand_l: Point | None = None,
    hand_r: Point | None = None,
    feet: Point = (0, 0.06, ANKLE_Z),
    foot_l: Point | None = None,
    foot_r: Point | None = None,
    pitch_l: float = 0.0,
    pitch_r: float = 0.0,
) -> np.ndarray:
    """One row of controls (CONTROLS,). `hands`, `feet`: the left one, mirrored for the right; hands left out hang."""
    row = np.zeros(CONTROLS)
    row[PELVIS], row[LEAN], row[SIDE], row[TWIST], row[NOD], row[TURN] = pelvis, lean, side, twist, nod, turn
    row[PITCH_L], row[PITCH_R] = pitch_l, pitch_r
    left, right = shoulders(row[None])[0]
    hang = np.array([0.03, 0.045, -0.312])
    mirrored = np.array([1, -1, 1])
    row[HAND_L] = hand_l or hands or left + hang
    row[HAND_R] = hand_r or (mirrored * hands if hands else right + hang * mirrored)
    row[FOOT_L], row[FOOT_R] = foot_l or feet, foot_r or mirrored * feet
    return row


STAND = pose()
