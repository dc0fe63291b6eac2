"""The moves: bones keep their length, feet stay where they stand, and no single frame tells twins apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from marey.data.stage import CLASS_GROUPS, CLASSES, MIRROR
from marey.data.stage.body import (
    CONTROLS,
    FOOT_L,
    FOOT_R,
    FOREARM,
    JOINT,
    PELVIS,
    SHANK,
    STAND,
    THIGH,
    UPPER_ARM,
    joints,
)
from marey.data.stage.gait import STRIDE, circle, straight, walk
from marey.data.stage.moves import CYCLES, PHRASES, TRANSITIONS, spline
from marey.data.stage.play import perform, perform_many

MOVES = {**TRANSITIONS, **PHRASES, **CYCLES}
PAIRS = sorted({tuple(sorted((name, entry.twin))) for name, entry in CLASSES.items() if entry.twin})


def test_the_class_table_is_sound() -> None:
    assert len(CLASSES) >= 24 and set(CLASS_GROUPS.values()) == {"reversed", "tempo", "order", "appearance"}
    for name, entry in CLASSES.items():
        assert entry.name == name and set(entry.moves) <= set(MOVES)
        assert (entry.twin is None) == (entry.group == "appearance")
        if entry.twin:
            twin = CLASSES[entry.twin]
            assert (twin.twin, twin.group, twin.facing, twin.prop) == (name, entry.group, entry.facing, entry.prop)
            assert sorted(twin.moves) == sorted(entry.moves)
    assert all(MIRROR[MIRROR[name]] == name for name in MIRROR)
    assert {name for name in CLASSES if "left" in name or "right" in name} == set(MIRROR)


@pytest.mark.parametrize("move", MOVES)
def test_bones_keep_their_length_and_feet_stay_above_ground(move: str) -> None:
    body = joints(MOVES[move](np.linspace(0, 1, 241)))

    def length(a: str, b: str) -> np.ndarray:
        return np.linalg.norm(body[:, JOINT[a]] - body[:, JOINT[b]], axis=1)

    for s in ("l", "r"):
        assert length(f"shoulder_{s}", f"elbow_{s}") == pytest.approx(UPPER_ARM)
        assert length(f"elbow_{s}", f"wrist_{s}") == pytest.approx(FOREARM)
        assert length(f"hip_{s}", f"knee_{s}") == pytest.approx(THIGH)
        assert length(f"knee_{s}", f"ankle_{s}") == pytest.approx(SHANK)
        for joint in ("heel", "toe", "ankle"):
            assert body[:, JOINT[f"{joint}_{s}"], 2].min() > -0.03
    steps = np.linalg.norm(np.diff(body, axis=0), axis=2)
    assert steps.max() < 0.045, "a joint jumps"


@given(st.integers(0, 2**32 - 1))
def test_any_controls_give_finite_joints(seed: int) -> None:
    rows = STAND + np.random.default_rng(seed).normal(0, 0.5, (4, CONTROLS))
    body = joints(rows)
    assert np.isfinite(body).all() and body.shape == (4, len(JOINT), 3)


@pytest.mark.parametrize("path", [straight(4 * STRIDE), circle(4 * STRIDE / (2 * np.pi))], ids=["straight", "circle"])
def test_walking_feet_stand_still_on_the_ground_and_take_turns(path) -> None:
    s = np.linspace(0, 1, 401)
    rows = walk(path, 4 * STRIDE)(s)
    moving = []
    for foot in (FOOT_L, FOOT_R):
        speed = np.linalg.norm(np.diff(rows[:, foot][:, :2], axis=0), axis=1)
        moving.append(speed > 1e-9)
        assert 0.3 < moving[-1].mean() < 0.5
    assert (moving[0] & moving[1]).mean() < 0.02, "never both in the air"
    rise = rows[:, PELVIS][:, 2]
    assert 0.01 < np.ptp(rise) < 0.04


def test_splines_pass_their_keys_and_never_overshoot() -> None:
    rows = np.array([[0.0], [1.0], [1.0], [0.2]])
    path = spline([(k / 3, row) for k, row in enumerate(rows)])
    assert path(np.arange(4) / 3) == pytest.approx(rows)
    between = path(np.linspace(0, 1, 301))
    assert between.min() >= 0 and between.max() <= 1 + 1e-12


def _frames(label: str, count: int, where: float | None) -> np.ndarray:
    """Poses of one frame each of `count` clips: in the middle, or anywhere."""
    poses = []
    for k in range(count):
        rng = np.random.default_rng([k, len(label), ord(label[0])])
        instant = np.array([2.0 * (rng.random() if where is None else where)])
        poses.append(perform(CLASSES[label], instant, 2.0, rng.uniform(0.9, 1.1), rng).controls[0])
    return joints(np.stack(poses)).reshape(count, -1)


@pytest.mark.parametrize("where", [None, 0.5], ids=["any frame", "middle frame"])
@pytest.mark.parametrize("pair", PAIRS, ids=" / ".join)
def test_one_frame_does_not_tell_twins_apart(pair: tuple[str, str], where: float | None) -> None:
    count = 180
    poses = np.concatenate([_frames(label, count, where) for label in pair])
    truth = np.repeat([0, 1], count)
    spread = poses.std(0)
    poses = (poses - poses.mean(0)) / np.where(spread > 1e-9, spread, 1)
    poses = np.concatenate([poses, poses**2], 1)
    held_out = np.arange(len(truth)) % 3 == 0
    model = LogisticRegression(max_iter=1000, C=0.1).fit(poses[~held_out], truth[~held_out])
    assert model.score(poses[held_out], truth[held_out]) < 0.64  # 0.5 is chance; 120 clips are held out


def test_a_long_recording_returns_to_a_stand_between_actions() -> None:
    seconds = np.arange(30 * 25) / 25
    for seed in range(6):
        rng = np.random.default_rng(seed)
        played = perform_many(tuple(CLASSES), seconds, 30.0, 1.0, rng)
        segments = played.segments(30.0)
        assert len(segments) >= 3 and all(a < b <= 30 for _, a, b in segments)
        assert all(CLASSES[label].prop in (None, played.prop) for label, _, _ in segments)
        assert np.abs(np.diff(played.controls[:, PELVIS], axis=0)).max() < 0.12, "the figure jumps"
        assert played.controls[-1] == pytest.approx(STAND)
    nothing = perform_many(("ride bicycle",), seconds, 30.0, 1.0, np.random.default_rng(0))
    assert nothing.segments(30.0) == []
