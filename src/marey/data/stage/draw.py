"""From solids to pixels: projection, painter's order and anti-aliased hulls."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .solids import Colour, Solid, tint

_SHIFT = 4  # OpenCV's fixed-point coordinates: 1/16 px
_RING = np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], 1)


@dataclass(frozen=True)
class View:
    """How a figure and its props are seen: parallel projection from `elevation` above the ground, turned by `yaw`.

    scale   pixels per body height, origin: where the middle of its ground lies on the canvas, in pixels
    plane   figures and things of a smaller plane hide those of a larger one
    mirror  swaps the figure's left and right
    """

    yaw: float
    scale: float
    origin: tuple[float, float]
    plane: float = 0.0
    elevation: float = 0.16
    mirror: bool = False

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Canvas pixels (..., 2) and depth (...) of `points` (..., 3)."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        side = -points[..., 1] if self.mirror else points[..., 1]
        x, y, z = c * points[..., 0] - s * side, s * points[..., 0] + c * side, points[..., 2]
        lift, away = np.sin(self.elevation), np.cos(self.elevation)
        u = self.origin[0] + self.scale * x
        v = self.origin[1] - self.scale * (away * z + lift * y)
        return np.stack([u, v], -1), away * y - lift * z + 100 * self.plane


@dataclass(frozen=True)
class Shape:
    """A solid as the camera sees it over t frames.

    outline  int32 (t, n, 1, 2) points whose hull is filled, in 1/16 px; gleam: the lit part of it, or None
    anchors  float (t, n, 2): points that carry the surface along, in px; they define its motion
    box      float (t, 4): left, top, right, bottom in px
    """

    outline: np.ndarray
    gleam: np.ndarray | None
    fill: Colour
    light: Colour
    depth: np.ndarray
    anchors: np.ndarray
    box: np.ndarray
    stroke_px: int
    shown: np.ndarray
    name: str
    owner: str


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(points * (1 << _SHIFT)).astype(np.int32).reshape(*points.shape[:-1], 1, 2)


def see(solids: Iterable[Solid], view: View, camera: np.ndarray, light: tuple[float, float]) -> list[Shape]:
    """Shapes of `solids` under a camera (t, 2, 3) that maps the canvas to the frame; `light` points to the lamp."""
    solids = list(solids)
    frames = len(camera)
    counts = [solid.points.shape[1] for solid in solids]
    canvas, depths = view.project(np.concatenate([solid.points for solid in solids], 1))
    pixels = canvas @ camera[:, :, :2].transpose(0, 2, 1) + camera[:, None, :, 2]
    zoom = np.sqrt(np.abs(np.linalg.det(camera[:, :, :2])))[:, None, None, None] * view.scale
    radii = np.concatenate([np.asarray(solid.radii, float) for solid in solids])[:, None]
    rings = pixels[:, :, None] + zoom * (radii[..., None] * _RING)
    gleams = pixels[:, :, None] + zoom * (radii[..., None] * (0.66 * _RING + 0.30 * np.asarray(light)))
    outlines, lit = _fixed(rings), _fixed(gleams)
    shapes, start = [], 0
    for solid, count in zip(solids, counts, strict=True):
        span = slice(start, start + count)
        start += count
        around = rings[:, span].reshape(frames, -1, 2)
        thickness = 0
        if solid.stroke:
            thickness = max(1, round(2 * solid.radii[0] * view.scale))
        outline = _fixed(pixels[:, span]) if solid.stroke else outlines[:, span].reshape(frames, -1, 1, 2)
        shapes.append(
            Shape(
                outline=outline,
                gleam=lit[:, span].reshape(frames, -1, 1, 2) if solid.shaded else None,
                fill=tint(solid.colour, 0.70) if solid.shaded else solid.colour,
                light=solid.colour,
                depth=depths[:, span].mean(1) + solid.bias,
                anchors=pixels[:, span],
                box=np.concatenate([around.min(1), around.max(1)], 1),
                stroke_px=thickness,
                shown=np.ones(frames, bool) if solid.shown is None else solid.shown,
                name=solid.name,
                owner=solid.owner,
            )
        )
    return shapes


def paint(image: np.ndarray, shapes: Sequence[Shape], order: Sequence[int] | np.ndarray, frame_index: int) -> None:
    """Draw the shapes of one frame into `image` (h, w, 3), anti-aliased, in `order`."""
    t = frame_index
    for index in order:
        shape = shapes[index]
        if not shape.shown[t]:
            continue
        if shape.stroke_px:
            cv2.polylines(image, [shape.outline[t]], True, shape.fill, shape.stroke_px, cv2.LINE_AA, _SHIFT)
            continue
        cv2.fillConvexPoly(image, cv2.convexHull(shape.outline[t]), shape.fill, cv2.LINE_AA, _SHIFT)
        if shape.gleam is not None:
            cv2.fillConvexPoly(image, cv2.convexHull(shape.gleam[t]), shape.light, cv2.LINE_AA, _SHIFT)


def identify(
    size: tuple[int, int], shapes: Sequence[Shape], order: Sequence[int] | np.ndarray, frame_index: int
) -> np.ndarray:
    """Which shape is seen at each pixel: uint16 (h, w), 0 for the scenery, 1 + index of the shape elsewhere."""
    ids = np.zeros((size[1], size[0]), np.uint16)
    for index in order:
        shape, colour = shapes[index], int(index) + 1
        if not shape.shown[frame_index]:
            continue
        if shape.stroke_px:
            cv2.polylines(ids, [shape.outline[frame_index]], True, colour, shape.stroke_px, cv2.LINE_8, _SHIFT)
        else:
            cv2.fillConvexPoly(ids, cv2.convexHull(shape.outline[frame_index]), colour, cv2.LINE_8, _SHIFT)
    return ids


def painter_order(shapes: Sequence[Shape]) -> np.ndarray:
    """Indices (t, n) from the farthest shape to the nearest."""
    return np.argsort(-np.stack([shape.depth for shape in shapes], 1), axis=1, kind="stable")
