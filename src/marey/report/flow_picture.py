"""Pictures of flow: direction as hue and speed as saturation, a legend for that, and arrows.

Colours are those of Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 92 (2011), which the
field's pictures are in: what stands still is white, to the right is red, downwards yellow, to the left cyan-blue,
upwards violet, and of six hues between red, yellow, green, cyan, blue and magenta those that the eye tells apart better
have more room.

Axes: h rows, w columns, 2 = (right, down), 3 = RGB.
"""

import math
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from .lettering import blend, lettering

_STEPS = (15, 6, 4, 11, 13, 6)  # hues from red to yellow, green, cyan, blue, magenta and red again
_BEYOND = 0.75  # how bright what is faster than the legend is
_INK = (34, 32, 29)
ARROW, RIM = (255, 214, 10), _INK  # on frames
_LEAST_TEXT_PX = 11
Corner = Literal["lower right", "lower left", "upper right", "upper left"]
CORNERS: dict[Corner, tuple[bool, bool]] = {  # (upper, left)
    "lower right": (False, False),
    "lower left": (False, True),
    "upper right": (True, False),
    "upper left": (True, True),
}


def _wheel() -> np.ndarray:
    """float32 (56, 3) in 0..1: the hues once around, the first one twice."""
    corners = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]], np.float32)
    places = np.concatenate([[0], np.cumsum(_STEPS)])
    return np.stack([np.interp(np.arange(places[-1] + 1), places, channel) for channel in corners.T], -1)


def flow_colours(flow: Float[np.ndarray, "h w 2"], *, most_px: float | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """A picture of flow. `most_px` is the speed of full colour, by default the highest; what is faster is darker.

    What is not finite is black. ValueError for `most_px` that is not positive.
    """
    if most_px is not None and not most_px > 0:
        raise ValueError(f"most_px is {most_px}; it must be positive")
    known = np.isfinite(flow[..., 0]) & np.isfinite(flow[..., 1])
    right, down = np.where(known[..., None], flow, 0).astype(np.float32).transpose(2, 0, 1)
    speed = np.hypot(right, down)
    speed /= most_px or max(float(speed.max(initial=0)), 1e-6)
    wheel = _wheel()
    place = (np.arctan2(down, right) % (2 * np.pi)) / (2 * np.pi) * (len(wheel) - 1)
    low = np.minimum(place.astype(int), len(wheel) - 2)
    share = (place - low)[..., None]
    hue = wheel[low] * (1 - share) + wheel[low + 1] * share
    colour = np.where(speed[..., None] <= 1, 1 - speed[..., None] * (1 - hue), _BEYOND * hue)
    return np.rint(255 * np.where(known[..., None], colour, 0)).astype(np.uint8)


def flow_legend(side_px: int, most_px: float) -> UInt8[np.ndarray, "s s 3"]:
    """The colours of all directions in a disc, its rim at `most_px` pixels a frame, which is written below it."""
    text = lettering(f"{most_px:.3g} px", max(_LEAST_TEXT_PX, side_px // 8))
    radius = (side_px - text.shape[0]) / 2
    y, x = np.indices((side_px, side_px), np.float32)
    x, y = (x + 0.5 - side_px / 2) / radius, (y + 0.5 - radius) / radius
    disc = flow_colours(np.stack([x, y], -1), most_px=1)
    edge = np.clip((1 - np.hypot(x, y)) * radius, 0, 1)[..., None]
    picture = np.rint(disc * edge + 255 * (1 - edge)).astype(np.uint8)
    blend(picture, text, ((side_px - text.shape[1]) // 2, side_px - text.shape[0]), _INK)
    return picture


def draw_arrows(
    picture: UInt8[np.ndarray, "_ _ 3"],
    flow: Float[np.ndarray, "h w 2"],
    *,
    every_px: int = 16,
    scale: float | int = 1.0,
    least_px: float = 0.5,
    longest_px: float = math.inf,
    colour: tuple[int, int, int] = _INK,
    thick_px: int = 1,
    edge: tuple[int, int, int] | None = None,
) -> UInt8[np.ndarray, "_ _ 3"]:
    """A copy of a picture with an arrow in the middle of each of its squares of about `every_px` pixels, from where
    their mean flow starts to where it ends. `scale` makes arrows longer, up to `longest_px` of the picture, and `edge`
    is the colour of their rim.

    Flow is in its own pixels, which may be larger or smaller than those of the picture. Where it is under `least_px` of
    them, or not finite, there is no arrow. ValueError for flow of another shape than the picture's.
    """
    (height, width), (flow_height, flow_width) = picture.shape[:2], flow.shape[:2]
    ratio_x, ratio_y = width / flow_width, height / flow_height
    if abs(flow_width * ratio_y - width) > max(1.0, ratio_y):
        raise ValueError(f"picture is {picture.shape[:2]} and flow {flow.shape[:2]}; they must be of one shape")
    drawn = np.ascontiguousarray(picture).copy()
    columns, rows = (max(1, round(side / every_px)) for side in (width, height))
    means = cv2.resize(np.asarray(flow, np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    moving = np.hypot(means[..., 0], means[..., 1]) >= least_px
    means *= (scale * ratio_x, scale * ratio_y)
    means *= np.minimum(1, longest_px / np.maximum(np.hypot(means[..., 0], means[..., 1]), 1e-6))[..., None]
    for row, column in zip(*(index.tolist() for index in moving.nonzero()), strict=True):
        right, down = means[row, column]
        x, y = (column + 0.5) * width / columns - 0.5, (row + 0.5) * height / rows - 0.5
        start, end = ((round(16 * float(a)), round(16 * float(b))) for a, b in ((x, y), (x + right, y + down)))
        for ink, thick in ((edge, thick_px + 2), (colour, thick_px)):
            if ink is not None:
                cv2.arrowedLine(drawn, start, end, ink, thick, cv2.LINE_AA, shift=4, tipLength=0.3)
    return drawn


def calmest_corner(flow: Float[np.ndarray, "h w 2"]) -> Corner:
    """The corner in which least moves: where a legend hides least."""
    height, width = (max(1, side // 3) for side in flow.shape[:2])
    speeds = np.hypot(flow[..., 0], flow[..., 1])

    def moved(corner: Corner) -> float:
        upper, left = CORNERS[corner]
        rows = speeds[:height] if upper else speeds[-height:]
        return float(np.nansum(rows[:, :width] if left else rows[:, -width:]))

    return min(CORNERS, key=moved)


def flow_picture(
    flow: Float[np.ndarray, "h w 2"],
    *,
    beside: UInt8[np.ndarray, "_ _ 3"] | None = None,
    most_px: float | None = None,
    legend_px: int = 64,
    legend_at: Corner = "lower right",
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Flow in colours with its legend in a corner, and left of it what it goes `beside`, such as a frame with arrows.

    The colours are as large as that, whose pixels may be smaller than those of the flow; without it they are as large
    as the flow. Smaller pictures than two legends have none. `most_px` is as in `flow_colours`.
    """
    speeds = np.hypot(flow[..., 0], flow[..., 1])
    fastest = most_px or max(float(np.nanmax(speeds, initial=0)), 1e-6)
    picture = flow_colours(flow, most_px=fastest)
    if beside is not None and beside.shape != picture.shape:
        picture = cv2.resize(picture, beside.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    if min(picture.shape[:2]) >= 2 * legend_px:
        rows, columns = (slice(None, legend_px) if first else slice(-legend_px, None) for first in CORNERS[legend_at])
        picture[rows, columns] = flow_legend(legend_px, fastest)
    return picture if beside is None else np.concatenate([beside, picture], 1)
