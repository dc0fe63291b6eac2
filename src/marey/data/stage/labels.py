"""What is where in a clip, five times a second: boxes, joints and relations, read off the geometry that is painted."""

from dataclasses import dataclass

import numpy as np

from .body import JOINT
from .classes import CLASSES
from .draw import identify
from .moves import GRASP_AT, HAT_AT
from .take import MAIN, Person, Take

KEYFRAMES_PER_S = 5
CATEGORIES = ("person", "chair", "parcel", "door", "crate", "box", "hat", "umbrella", "bicycle", "ball", "book")
KEYPOINTS = (  # in the order of COCO
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    *(f"{s}_{j}" for j in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for s in ("left", "right")),
)
SKELETON = (  # COCO's, 1-based
    *((16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10), (9, 11)),
    *((2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)),
)
# prop -> (predicate, object, from phase, to phase); the subject is the person
BONDS: dict[str, tuple[tuple[str, str, float, float], ...]] = {
    "chair": (("sits on", "chair", 0.75, 1.0), ("stands before", "chair", 0.0, 0.3)),
    "reading chair": (("sits on", "chair", -np.inf, np.inf), ("reads", "book", -np.inf, np.inf)),
    "parcel": (("holds", "parcel", GRASP_AT, 1.0), ("stands before", "parcel", 0.0, 0.15)),
    "door": (("touches", "door", 0.25, 1.0), ("stands before", "door", 0.0, 0.25)),
    "crate": (("touches", "crate", 0.0, 1.0),),
    "box": (("stands on", "box", 0.84, 1.0), ("stands before", "box", 0.0, 0.3)),
    "hat": (("holds", "hat", 0.0, HAT_AT), ("wears", "hat", HAT_AT, 1.0)),
    "umbrella": (("carries", "umbrella", -np.inf, np.inf),),
    "bicycle": (("rides", "bicycle", -np.inf, np.inf),),
    "ball": (("holds", "ball", -np.inf, np.inf),),
}
_PARTS = {  # joint -> parts of the figure at which it may be seen
    "nose": ("face",),
    "eye": ("face", "eye_l", "eye_r"),
    "ear": ("face", "hair"),
    "shoulder": ("torso", "upper_arm_{s}"),
    "elbow": ("upper_arm_{s}", "forearm_{s}"),
    "wrist": ("forearm_{s}", "hand_{s}"),
    "hip": ("hips", "thigh_{s}", "skirt"),
    "knee": ("thigh_{s}", "shank_{s}", "skirt"),
    "ankle": ("shank_{s}", "foot_{s}"),
}
_WIDE = ("torso", "hips", "skirt", "face", "hair")
_BEHIND = 0.045  # a joint this much farther than the middle of a wide part is on its far side, in body heights


@dataclass(frozen=True)
class Thing:
    """A person or object on one frame: pixel box (left, top, right, bottom) cut to the frame; `seen_px` are not hidden.

    keypoints (17, 3) of a person: x, y and COCO's visibility, 2 seen, 1 hidden, 0 outside the frame
    """

    owner: str
    category: str
    track: int
    box: tuple[float, float, float, float]
    seen_px: int
    keypoints: np.ndarray | None


@dataclass(frozen=True)
class Keyframe:
    """The labels of one frame; relations are (subject, predicate, object) by owner."""

    frame_index: int
    seconds: float
    things: tuple[Thing, ...]
    relations: tuple[tuple[str, str, str], ...]


def category(owner: str) -> str:
    return "person" if owner.startswith("passer-by") else owner


def keyframe_indices(take: Take) -> range:
    return range(0, len(take.seconds), max(1, round(take.shot.fps / KEYFRAMES_PER_S)))


def outlines(take: Take) -> dict[str, np.ndarray]:
    """Box (t, 4) of everything that has a label, in pixels, before it is cut to the frame; NaN where it is absent."""
    found: dict[str, np.ndarray] = {}
    for shape in take.shapes:
        if category(shape.owner) not in CATEGORIES:
            continue
        box = np.where(shape.shown[:, None], shape.box, np.nan)
        old = found.get(shape.owner, box)
        found[shape.owner] = np.concatenate([np.fmin(old, box)[:, :2], np.fmax(old, box)[:, 2:]], 1)
    return found


def observe(take: Take) -> list[Keyframe]:
    """The keyframes of a take. Points of light have joints and a box, and nothing is hidden."""
    w, h = take.shot.size
    boxes = outlines(take)
    tracks = {owner: number + 1 for number, owner in enumerate(boxes)}
    owners = np.array(["", *(shape.owner for shape in take.shapes)])
    found = []
    for t in keyframe_indices(take):
        ids = identify(take.shot.size, take.shapes, take.order[t], t)
        counts = np.bincount(ids.ravel(), minlength=len(owners))
        things = []
        for owner, box in boxes.items():
            left, top, right, bottom = np.clip(box[t], 0, (w, h, w, h)).tolist()
            if not (right - left >= 1 and bottom - top >= 1):
                continue
            seen = int(counts[owners == owner].sum())
            joints = next((_keypoints(take, p, ids, t) for p in take.people if p.owner == owner), None)
            things.append(Thing(owner, category(owner), tracks[owner], (left, top, right, bottom), seen, joints))
        found.append(Keyframe(t, float(take.seconds[t]), tuple(things), _relations(take, t, {x.owner for x in things})))
    return found


def _keypoints(take: Take, person: Person, ids: np.ndarray, t: int) -> np.ndarray:
    """COCO keypoints (17, 3). The figure's own left and right, also where it is drawn mirrored."""
    h, w = ids.shape
    points = np.zeros((len(KEYPOINTS), 3))
    for row, name in enumerate(KEYPOINTS):
        side, _, kind = name.rpartition("_")
        s = side[:1]
        if person.view.mirror and s:
            s = "r" if s == "l" else "l"
        index = JOINT[f"{kind}_{s}" if s else kind]
        x, y = person.pixels[t, index]
        column, line = round(float(x)), round(float(y))
        if not (0 <= column < w and 0 <= line < h):
            continue
        points[row] = x, y, 1
        if take.shot.style == "point-light":
            points[row, 2] = 2
            continue
        if number := int(ids[line, column]):
            cover = take.shapes[number - 1]
            fitting = {part.format(s=s) for part in _PARTS[kind]}
            near = cover.name not in _WIDE or person.depth[t, index] <= cover.depth[t] + _BEHIND
            points[row, 2] = 1 + int(cover.owner == person.owner and cover.name in fitting and near)
    return points


def _relations(take: Take, t: int, present: set[str]) -> tuple[tuple[str, str, str], ...]:
    phase = take.performance.phase[t]
    bonds = BONDS.get(take.performance.prop or "", ())
    found = [(MAIN, verb, thing) for verb, thing, low, high in bonds if low <= phase <= high and thing in present]
    playing = [b for b in take.performance.beats if b.start_s <= take.seconds[t] <= b.end_s]
    for beat in playing:
        prop = CLASSES[beat.label].prop
        if beat.move == "door" and 0.25 < phase < 0.95:
            found.append((MAIN, "opens" if beat.last > beat.first else "closes", "door"))
        if beat.move == "push" and prop in present:
            found.append((MAIN, "pushes" if beat.last > beat.first else "pulls", "crate"))
    found += [(owner, "walks behind", MAIN) for owner in sorted(present) if owner.startswith("passer-by")]
    return tuple(f for f in found if f[0] in present and f[2] in present)
