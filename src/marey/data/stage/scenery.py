"""Where it is played: plain studios and cluttered streets, painted once per scene and then looked at by a camera."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .solids import Colour, Solid, tint

LEVELS = ("studio", "street")
_FINE = 2  # scenery is painted this much larger, then averaged down


@dataclass(frozen=True)
class Scene:
    """A place.

    canvas   uint8 (h, w, 3), larger than the frame where the camera moves
    horizon  row of the canvas at which the ground would vanish, in pixels
    margin   canvas pixels left of and above the frame of a camera at rest
    light    direction to the lamp in the picture
    front    things between the camera and the figures, in canvas pixels (x, 0, -row)
    """

    name: str
    canvas: np.ndarray
    horizon: float
    margin: tuple[int, int]
    light: tuple[float, float]
    front: tuple[Solid, ...]


def _gradient(height: int, width: int, top: Colour, bottom: Colour) -> np.ndarray:
    ramp = np.linspace(0, 1, height)[:, None, None]
    return np.broadcast_to((1 - ramp) * np.array(top) + ramp * np.array(bottom), (height, width, 3)).copy()


def _pastel(rng: np.random.Generator, low: int, high: int) -> Colour:
    grey, spread = rng.uniform(low, high), rng.uniform(-18, 18, 3)
    r, g, b = (int(np.clip(grey + s, 0, 255)) for s in spread)
    return r, g, b


@lru_cache(maxsize=64)
def studio(index: int, seed: int, size: tuple[int, int]) -> Scene:
    """A room with a plain wall and floor, and soft light from one side."""
    rng = np.random.default_rng([seed, 2, index])
    width, height = size
    line = round(height * rng.uniform(0.66, 0.80))
    wall, floor = _pastel(rng, 120, 215), _pastel(rng, 90, 175)
    image = _gradient(height, width, tint(wall, 0.92), tint(wall, 1.05))
    image[line:] = _gradient(height - line, width, tint(floor, 0.88), tint(floor, 1.1))
    lamp = rng.uniform(0.1, 0.9) * width
    glow = np.exp(-(((np.arange(width) - lamp) / (0.6 * width)) ** 2))
    image *= (0.86 + 0.2 * glow)[None, :, None]
    if rng.random() < 0.5:
        skirting = max(1, height // 60)
        image[line - skirting : line] = np.array(tint(wall, 0.8))
    image = cv2.GaussianBlur(np.clip(image, 0, 255).astype(np.float32), (0, 0), 0.6).astype(np.uint8)
    side = -0.62 if lamp < width / 2 else 0.62
    return Scene(f"studio{index:02d}", image, 0.0, (0, 0), (side, -0.70), ())


def _buildings(image: np.ndarray, rng: np.random.Generator, base: int, top: int) -> None:
    """A row of house fronts with windows, doors and awnings, standing on row `base`."""
    x, width, unit = 0, image.shape[1], base - top
    while x < width:
        w = round(unit * rng.uniform(0.45, 1.0))
        roof = round(base - unit * rng.uniform(0.55, 1.15))
        colour = _pastel(rng, 85, 190)
        cv2.rectangle(image, (x, roof), (x + w, base), colour, -1)
        cv2.rectangle(image, (x, roof), (x + w, roof + unit // 30), tint(colour, 0.75), -1)
        columns, step = max(1, round(w / (0.24 * unit))), round(0.27 * unit)
        for row in range(roof + round(0.08 * unit), base - round(0.32 * unit), step):
            for column in range(columns):
                left = x + round((column + 0.25) * w / columns)
                right = left + round(0.5 * w / columns)
                glass = (238, 220, 150) if rng.random() < 0.12 else _pastel(rng, 60, 130)
                cv2.rectangle(image, (left, row), (right, row + round(0.16 * unit)), glass, -1)
                cv2.rectangle(image, (left, row), (right, row + round(0.16 * unit)), tint(colour, 1.2), 1)
                cv2.line(
                    image,
                    ((left + right) // 2, row),
                    ((left + right) // 2, row + round(0.16 * unit)),
                    tint(colour, 1.2),
                    1,
                )
        door = x + round(rng.uniform(0.1, 0.7) * w)
        cv2.rectangle(
            image, (door, base - round(0.25 * unit)), (door + round(0.12 * unit), base), _pastel(rng, 40, 110), -1
        )
        if rng.random() < 0.5:
            shop = base - round(0.27 * unit)
            awning = np.array([(x + 4, shop), (x + w - 4, shop), (x + w, shop + unit // 12), (x, shop + unit // 12)])
            cv2.fillConvexPoly(image, awning, tint(_pastel(rng, 90, 200), 1.0), cv2.LINE_AA)
        x += w + round(unit * max(0, rng.uniform(-0.3, 0.15)))


def _car(image: np.ndarray, rng: np.random.Generator, x: int, ground: int, length: int) -> None:
    colour, h = _pastel(rng, 60, 200), round(0.30 * length)
    colour = tint(
        (colour[0] * rng.uniform(0.4, 1.2), colour[1] * rng.uniform(0.4, 1.2), colour[2] * rng.uniform(0.4, 1.2)), 1
    )
    body = np.array([(0, 0.25), (0.02, 0.5), (0.2, 0.56), (0.98, 0.52), (1, 0.25), (0.97, 0.15), (0.03, 0.15)])
    cabin = np.array([(0.2, 0.55), (0.33, 0.98), (0.70, 0.98), (0.86, 0.54)])
    for outline, paint in ((cabin, tint(colour, 0.9)), (body, colour)):
        points = (np.array([x, ground]) + outline * [length, -h]).astype(np.int32)
        cv2.fillConvexPoly(image, cv2.convexHull(points), paint, cv2.LINE_AA)
    for a, b in ((0.28, 0.50), (0.53, 0.76)):
        glass = np.array([(a, 0.58), (a + 0.08 * (a < 0.4), 0.92), (b - 0.07 * (a > 0.4), 0.92), (b, 0.58)])
        cv2.fillConvexPoly(
            image, (np.array([x, ground]) + glass * [length, -h]).astype(np.int32), (150, 175, 190), cv2.LINE_AA
        )
    for wheel in (0.2, 0.8):
        centre = (round(x + wheel * length), round(ground - 0.12 * h))
        cv2.circle(image, centre, round(0.17 * h * 1.3), (30, 30, 34), -1, cv2.LINE_AA)
        cv2.circle(image, centre, round(0.09 * h), (140, 140, 146), -1, cv2.LINE_AA)


def _tree(image: np.ndarray, rng: np.random.Generator, x: int, ground: int, height: int) -> None:
    cv2.line(image, (x, ground), (x, ground - height // 2), (92, 70, 54), max(2, height // 16), cv2.LINE_AA)
    green = (rng.uniform(50, 110), rng.uniform(100, 150), rng.uniform(40, 80))
    for _ in range(26):
        angle, reach = rng.uniform(0, 2 * np.pi), 0.26 * height * np.sqrt(rng.random())
        centre = (round(x + reach * np.cos(angle)), round(ground - 0.72 * height + 0.9 * reach * np.sin(angle)))
        lit = 0.8 + 0.45 * (0.5 - 0.5 * np.sin(angle)) * rng.random()
        cv2.circle(image, centre, round(height * rng.uniform(0.06, 0.12)), tint(green, lit), -1, cv2.LINE_AA)


def _ground(image: np.ndarray, rng: np.random.Generator, base: int) -> None:
    height, width = image.shape[:2]
    paving = _pastel(rng, 125, 175)
    image[base:] = _gradient(height - base, width, tint(paving, 0.86), tint(paving, 1.08))
    kerb = base + round(0.10 * (height - base))
    if rng.random() < 0.7:
        road = _pastel(rng, 75, 105)
        far = base + round(0.34 * (height - base))
        image[kerb:far] = np.array(road)
        image[far : far + 3] = np.array(tint(paving, 0.7))
        for x in range(0, width, width // 9):
            cv2.line(image, (x, (kerb + far) // 2), (x + width // 22, (kerb + far) // 2), (215, 212, 200), 2)
    vanish = (width / 2, base - 0.5 * (height - base))
    for x in range(-width, 2 * width, width // 9):
        near, start = (x, height), base + 0.36 * (height - base)
        share = (start - vanish[1]) / (height - vanish[1])
        cv2.line(
            image, (round(vanish[0] + share * (x - vanish[0])), round(start)), near, tint(paving, 0.88), 1, cv2.LINE_AA
        )


@lru_cache(maxsize=64)
def street(index: int, seed: int, size: tuple[int, int]) -> Scene:
    """House fronts, trees, parked cars and street furniture under a sky; posts in front."""
    rng = np.random.default_rng([seed, 3, index])
    width, height = size
    margin = (round(0.30 * width), round(0.14 * height))
    full_w, full_h = _FINE * (width + 2 * margin[0]), _FINE * (height + 2 * margin[1])
    horizon = margin[1] + rng.uniform(0.36, 0.44) * height
    base = round(_FINE * (horizon + 0.13 * height))
    sky = ((118, 164, 214), (150, 178, 206), (176, 184, 192), (214, 190, 168))[rng.integers(4)]
    image = _gradient(full_h, full_w, sky, (226, 228, 226)).astype(np.uint8)
    _buildings(image, rng, base, round(_FINE * 0.02 * height))
    ground = image.astype(float)
    _ground(ground, rng, base)
    image = np.clip(ground, 0, 255).astype(np.uint8)
    unit = _FINE * height
    for _ in range(rng.integers(2, 5)):
        _tree(image, rng, int(rng.integers(full_w)), base + round(0.02 * unit), round(unit * rng.uniform(0.30, 0.55)))
    for _ in range(rng.integers(2, 5)):
        _car(
            image,
            rng,
            int(rng.integers(full_w)),
            base + round(unit * rng.uniform(0.03, 0.09)),
            round(unit * rng.uniform(0.34, 0.44)),
        )
    for _ in range(rng.integers(1, 4)):
        x, low = int(rng.integers(full_w)), base + round(0.12 * unit)
        cv2.rectangle(image, (x, low - unit // 16), (x + unit // 26, low), tint(_pastel(rng, 50, 120), 1), -1)
    grain = cv2.GaussianBlur(rng.normal(0, 26, image.shape).astype(np.float32), (0, 0), 1.2)
    image = np.clip(image + grain, 0, 255).astype(np.uint8)
    canvas = cv2.resize(image, (full_w // _FINE, full_h // _FINE), interpolation=cv2.INTER_AREA)
    front = _posts(rng, canvas.shape[1], canvas.shape[0], size)
    return Scene(f"street{index:02d}", canvas, horizon, margin, ((-0.62, 0.62)[rng.integers(2)], -0.70), front)


def _posts(rng: np.random.Generator, canvas_w: int, canvas_h: int, size: tuple[int, int]) -> tuple[Solid, ...]:
    """Lamp posts, sign posts and bollards, one or two of which stand in the frame of a camera at rest."""
    posts, x = [], rng.uniform(0.05, 0.35) * canvas_w
    while x < canvas_w:
        thick, colour = size[0] * rng.uniform(0.010, 0.024), _pastel(rng, 45, 105)
        tall = rng.random() < 0.65
        top = -10.0 if tall else canvas_h * rng.uniform(0.60, 0.72)
        ends = np.array([[(x, 0.0, -top), (x, 0.0, -canvas_h - 10.0)]])
        posts.append(Solid(ends, (thick, thick), colour, "post", "post", shaded=True))
        if tall and rng.random() < 0.5:
            row, half = canvas_h * rng.uniform(0.18, 0.32), size[0] * rng.uniform(0.05, 0.09)
            corners = [
                (x + dx, 0.0, -(row + dy))
                for dx, dy in ((-half, -half / 2), (half, -half / 2), (half, half / 2), (-half, half / 2))
            ]
            posts.append(
                Solid(np.array([corners]), (1.0,) * 4, _pastel(rng, 90, 210), "sign", "post", shaded=False, bias=-0.1)
            )
        x += canvas_w * rng.uniform(0.28, 0.5)
    return tuple(posts)


def find_scene(level: str, index: int, seed: int, size: tuple[int, int]) -> Scene:
    """Scene number `index` of a level; painted once per process."""
    return studio(index, seed, size) if level == "studio" else street(index, seed, size)
