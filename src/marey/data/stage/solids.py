"""What everything on the stage is made of: the convex hull of a few balls, in one colour, lit from one side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]
Real = float | int


@dataclass(frozen=True)
class Solid:
    """A limb, a face of a box, a tube: the hull of balls at `points` (t, n, 3) with `radii`, in body heights.

    colour  RGB; where `shaded`, the side away from the light is darker
    name    of the part; `owner` says what it belongs to ("person", "chair", ...)
    bias    added to the depth: negative is drawn later
    stroke  a closed outline through the points instead of a filled hull (wheels)
    shown   (t,) where it exists; None is always
    """

    points: np.ndarray
    radii: Sequence[Real]
    colour: Colour
    name: str
    owner: str
    shaded: bool = True
    bias: float = 0.0
    stroke: bool = False
    shown: np.ndarray | None = None


def tint(colour: Sequence[Real], factor: Real) -> Colour:
    """A colour made darker (factor below 1) or lighter."""
    r, g, b = (int(min(255, max(0, c * factor))) for c in colour)
    return r, g, b


def still(points: Sequence[Sequence[Real]], frames: int) -> np.ndarray:
    """Points (n, 3) that do not move: (t, n, 3)."""
    return np.broadcast_to(np.asarray(points, float), (frames, len(points), 3))


def cuboid(centre: np.ndarray, size: tuple[float, float, float], colour: Colour, name: str, owner: str) -> list[Solid]:
    """The six faces of an upright box that is carried along by its centre (t, 3)."""
    half = np.asarray(size) / 2
    faces = []
    for axis in range(3):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        for sign in (-1, 1):
            corners = np.zeros((4, 3))
            corners[:, axis], corners[:, i], corners[:, j] = sign, (-1, 1, 1, -1), (-1, -1, 1, 1)
            shade = (0.78, 0.62, 1.0)[axis] if sign > 0 else (0.72, 0.86, 0.5)[axis]
            points = centre[:, None] + corners * half
            faces.append(Solid(points, (0.004,) * 4, tint(colour, shade), f"{name} face", owner, shaded=False))
    return faces


def tube(
    a: np.ndarray, b: np.ndarray, radius: float, colour: Colour, name: str, owner: str, bias: float = 0.0
) -> Solid:
    """A round bar from a to b, each (t, 3)."""
    return Solid(np.stack([a, b], 1), (radius, radius), colour, name, owner, shaded=False, bias=bias)
