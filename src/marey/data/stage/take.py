"""Directing one clip: who, where, seen how, with whom in the background, under which camera. All from one seed."""

import colorsys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .body import JOINT, joints
from .classes import CLASSES, MIRROR, StageClass
from .draw import Shape, View, paint, painter_order, see
from .figure import Actor, cast, clothe
from .gait import STRIDE, straight, walk
from .plan import Shot
from .play import Performance, extent, loosen, perform, perform_many
from .props import PROPS
from .scenery import Scene, find_scene
from .solids import Colour, Solid

MAIN = "person"
_PASSERS_BY = 1000  # numbers of the cast from which the crowd is drawn, so that no labelled actor is among it
_DOTS = (
    "head",
    *(f"{joint}_{s}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for s in ("l", "r")),
)


@dataclass(frozen=True)
class Person:
    """Somebody in the picture: joints in the figure's own frame (t, j, 3) and as pixels (t, j, 2) with depth (t, j)."""

    owner: str
    actor: Actor
    view: View
    body: np.ndarray
    pixels: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class Take:
    """A directed clip, before it is painted.

    seconds (t,); camera (t, 2, 3) from canvas to frame; shapes and their painter's order (t, n); gain (t,) of the light
    """

    shot: Shot
    scene: Scene
    seconds: np.ndarray
    performance: Performance
    people: tuple[Person, ...]
    shapes: tuple[Shape, ...]
    order: np.ndarray
    camera: np.ndarray
    gain: np.ndarray
    grain: float


def _facing(entries: Sequence[StageClass], rng: np.random.Generator) -> float:
    """Yaw of the figure's forward direction; -pi/2 looks at the camera."""
    wishes = {entry.facing for entry in entries}
    if wishes == {"front"}:
        spread = 0.25 if entries[0].name in MIRROR else 0.7
        return -np.pi / 2 + rng.uniform(-spread, spread)
    if wishes & {"side", "away"}:
        turn = rng.uniform(-0.65, -0.2) if "away" in wishes else rng.uniform(-0.05, 0.55)
        return -turn if rng.random() < 0.5 else np.pi + turn
    return rng.uniform(-np.pi, 0)


def _move_camera(
    level: str, scene: Scene, seconds: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """Canvas to frame (t, 2, 3): steady in the studio; in the street it pans, shakes, rolls and zooms."""
    t, (w, h) = len(seconds), size
    centre = np.array([scene.margin[0] + w / 2, scene.margin[1] + h / 2])
    zoom, roll, pan = np.ones(t), np.zeros(t), np.zeros((t, 2))
    if level == "street":
        zoom = 1.0 + 0.07 * rng.uniform(0, 1) * (
            1 + np.sin(2 * np.pi * (rng.uniform(0.1, 0.35) * seconds + rng.random()))
        )
        roll = 0.02 * rng.normal() + 0.012 * np.sin(2 * np.pi * (rng.uniform(0.3, 1.0) * seconds + rng.random()))
        sweep = rng.uniform(0, 0.07) * w * np.sin(2 * np.pi * (rng.uniform(0.1, 0.35) * seconds + rng.random()))
        pan = np.stack([sweep, 0.25 * sweep * rng.normal()], 1)
        for rate in (1.3, 2.9, 5.1):
            pan += rng.uniform(0, 0.006) * w * np.sin(2 * np.pi * (rate * seconds[:, None] + rng.random(2)))
    c, s = zoom * np.cos(roll), zoom * np.sin(roll)
    turn = np.stack([np.stack([c, -s], 1), np.stack([s, c], 1)], 1)
    shift = np.array([w / 2, h / 2]) - (turn @ (centre + pan)[..., None])[..., 0]
    return np.concatenate([turn, shift[..., None]], 2)


def _place(
    entries: Sequence[StageClass],
    yaw: float,
    mirror: bool,
    shot: Shot,
    scene: Scene,
    height: float,
    rng: np.random.Generator,
) -> View:
    """Scale and position of the figure, such that all that it may do stays in the frame of a camera at rest."""
    w, h = shot.size
    reached = []
    for entry in entries:
        rows, phase = extent(entry)
        body = joints(rows)
        solids = PROPS[entry.prop](phase, body, (0, 0, 0)) if entry.prop else []
        reached += [body.reshape(-1, 3), *(s.points.reshape(-1, 3) for s in solids)]
    unit = View(yaw=yaw, scale=1.0, origin=(0.0, 0.0), mirror=mirror)
    points, _ = unit.project(np.concatenate(reached))
    low, high = points.min(0) - np.array([0.06, 0.08]), points.max(0) + np.array([0.06, 0.04])
    share = rng.uniform(0.72, 0.86) if shot.level == "studio" else rng.uniform(0.42, 0.74)
    scale = min(share * height * h, 0.96 * w / (high - low)[0], 0.92 * h / (high - low)[1])
    slack = max(0.0, w - scale * (high - low)[0]) / 2
    middle = w / 2 + rng.uniform(-1, 1) * min(slack, (0.16 if shot.level == "studio" else 0.25) * w)
    u = scene.margin[0] + middle - scale * (low + high)[0] / 2
    ground = h * (0.97 - rng.uniform(0, 0.10)) - scale * high[1]
    if shot.level == "street":
        ground = scene.horizon - scene.margin[1] + scale / 1.6
    ground = min(max(ground, 0.03 * h - scale * low[1]), 0.985 * h - scale * high[1])
    return View(yaw=yaw, scale=scale, origin=(u, scene.margin[1] + ground), mirror=mirror)


def _crowd(
    shot: Shot, scene: Scene, seconds: np.ndarray, main: View, rng: np.random.Generator
) -> Iterator[tuple[Actor, View, np.ndarray]]:
    """People who walk by behind the figure."""
    w, h = shot.size
    for _ in range(rng.integers(1, 4)):
        actor = cast(_PASSERS_BY + int(rng.integers(1000)), shot.seed)
        scale = main.scale * rng.uniform(0.45, 0.85)
        row = min(scene.horizon + scale / 1.6, main.origin[1] - 0.02 * h)
        right = rng.random() < 0.5
        speed, cycles = rng.uniform(0.45, 0.85), 6
        length = cycles * STRIDE
        phase = 0.5 + (speed * (seconds - seconds.mean())) / length
        body = joints(walk(straight(length), length)(phase))
        x = scene.margin[0] + rng.uniform(0, 1) * w
        yaw = rng.uniform(-0.4, 0.4) + (0 if right else np.pi)
        yield actor, View(yaw=yaw, scale=scale, origin=(x, row), plane=1 + main.origin[1] - row), body


def _person(owner: str, actor: Actor, view: View, body: np.ndarray, camera: np.ndarray) -> Person:
    canvas, depth = view.project(body)
    return Person(owner, actor, view, body, canvas @ camera[:, :, :2].transpose(0, 2, 1) + camera[:, None, :, 2], depth)


def direct(shot: Shot) -> Take:
    """Everything about a clip but its pixels."""
    rng = np.random.default_rng([shot.seed, 4, shot.key])
    actor = cast(shot.actor, shot.seed)
    scene = find_scene(shot.level, shot.scene, shot.seed, shot.size)
    seconds = np.arange(round(shot.duration_s * shot.fps)) / shot.fps
    if shot.label:
        performance = perform(CLASSES[shot.label], seconds, shot.duration_s, actor.tempo, rng)
        entries = [CLASSES[shot.label]]
    else:
        performance = perform_many(shot.repertoire, seconds, shot.duration_s, actor.tempo, rng)
        entries = [CLASSES[name] for name in sorted({beat.label for beat in performance.beats})]
    body = joints(loosen(performance.controls, seconds, rng))
    mirror = bool(rng.random() < 0.5) and not any(entry.name in MIRROR for entry in entries)
    view = _place(entries, _facing(entries, rng), mirror, shot, scene, actor.height, rng)
    camera = _move_camera(shot.level, scene, seconds, shot.size, rng)
    people = [_person(MAIN, actor, view, body, camera)]
    if shot.style == "point-light":
        shapes = see(_dots(body), view, camera, scene.light)
    else:
        solids = clothe(actor, body, MAIN)
        if performance.prop:
            solids += PROPS[performance.prop](performance.phase, body, _prop_colour(rng))
        shapes = see(solids, view, camera, scene.light)
        if shot.level == "street":
            for number, (other, where, walker) in enumerate(_crowd(shot, scene, seconds, view, rng)):
                owner = f"passer-by {number + 1}"
                people.append(_person(owner, other, where, walker, camera))
                shapes += see(
                    clothe(other, walker, owner, detail=bool(where.scale > 0.4 * shot.size[1])),
                    where,
                    camera,
                    scene.light,
                )
            shapes += _front(scene, view, camera)
    return Take(
        shot=shot,
        scene=scene,
        seconds=seconds,
        performance=performance,
        people=tuple(people),
        shapes=tuple(shapes),
        order=painter_order(shapes),
        camera=camera,
        gain=_light(shot.level, seconds, rng),
        grain=0.0 if shot.level == "studio" else float(rng.uniform(1.5, 5.0)),
    )


def _prop_colour(rng: np.random.Generator) -> Colour:
    r, g, b = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.35, 0.8), rng.uniform(0.55, 0.9))
    return int(255 * r), int(255 * g), int(255 * b)


def _dots(body: np.ndarray) -> list[Solid]:
    return [Solid(body[:, [JOINT[j]]], (0.019,), (255, 255, 255), j, MAIN, shaded=False) for j in _DOTS]


def _front(scene: Scene, main: View, camera: np.ndarray) -> list[Shape]:
    """The things in front of the figure, but none that would hide its trunk all the time."""
    view = View(yaw=0.0, scale=1.0, origin=(0.0, 0.0), elevation=0.0, plane=-1.0)
    frames = len(camera)
    solids = [
        Solid(np.repeat(s.points, frames, 0), s.radii, s.colour, s.name, s.owner, s.shaded, s.bias)
        for s in scene.front
        if abs(s.points[0, :, 0].mean() - main.origin[0]) > 0.16 * main.scale
    ]
    return see(solids, view, camera, scene.light) if solids else []


def _light(level: str, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness over time: constant in the studio, clouds and a camera's exposure in the street."""
    if level == "studio":
        return np.full(len(seconds), rng.uniform(0.92, 1.04))
    slow = np.sin(2 * np.pi * (rng.uniform(0.1, 0.5) * seconds + rng.random()))
    return rng.uniform(0.72, 1.08) * (1 + rng.uniform(0, 0.12) * slow)


_SHADOW_W, _SHADOW_H = 48, 24
_SHADOW = (
    255
    - 105 * np.exp(-2.2 * (np.linspace(-1.6, 1.6, _SHADOW_W) ** 2 + np.linspace(-1.6, 1.6, _SHADOW_H)[:, None] ** 2))
).astype(np.uint8)


def _cast_shadow(image: np.ndarray, centre: np.ndarray, half: np.ndarray) -> None:
    """Darken a soft ellipse on the ground."""
    h, w = image.shape[:2]
    left, top = round(centre[0] - half[0]), round(centre[1] - half[1])
    right, bottom = left + max(2, round(2 * half[0])), top + max(2, round(2 * half[1]))
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, w), min(bottom, h)
    if x0 >= x1 or y0 >= y1:
        return
    sprite = cv2.resize(_SHADOW, (right - left, bottom - top))[y0 - top : y1 - top, x0 - left : x1 - left]
    region = image[y0:y1, x0:x1]
    region[:] = cv2.multiply(region, cv2.cvtColor(sprite, cv2.COLOR_GRAY2RGB), scale=1 / 255)


def _feet(person: Person, camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle of the ground under a figure, and half the size of its shadow, in pixels, each (t, 2)."""
    ground = person.body[:, [JOINT["ankle_l"], JOINT["ankle_r"], JOINT["pelvis"]]].copy()
    ground[..., 2] = 0.0
    canvas, _ = person.view.project(ground)
    middle, scale = canvas.mean(1), person.view.scale
    spread = canvas[..., 0].max(1) - canvas[..., 0].min(1)
    half = np.stack([0.24 * scale + 0.6 * spread, np.full_like(spread, 0.085 * scale)], 1)
    return (camera[:, :, :2] @ middle[..., None])[..., 0] + camera[:, :, 2], half


def film(take: Take) -> Iterator[np.ndarray]:
    """The frames, uint8 (h, w, 3)."""
    w, h = take.shot.size
    rng = np.random.default_rng([take.shot.seed, 5, take.shot.key])
    points = take.shot.style == "point-light"
    shadows = [] if points else [_feet(p, take.camera) for p in take.people]
    noise = rng.normal(0, take.grain, (h + 32, w + 32, 3)).astype(np.int16) if take.grain and not points else None
    black = np.zeros((h, w, 3), np.uint8)
    steady = take.shot.level == "studio"
    order = take.order.tolist()
    for t in range(len(take.seconds)):
        if points:
            image = black.copy()
        elif steady:
            image = take.scene.canvas.copy()
        else:
            image = cv2.warpAffine(
                take.scene.canvas, take.camera[t], (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
            )
        for centre, half in shadows:
            _cast_shadow(image, centre[t], half[t])
        paint(image, take.shapes, order[t], t)
        if not points:
            image = cv2.convertScaleAbs(image, alpha=float(take.gain[t]))
        if noise is not None:
            dx, dy = rng.integers(32, size=2)
            image = cv2.add(image, noise[dy : dy + h, dx : dx + w], dtype=cv2.CV_8U)
        yield image
