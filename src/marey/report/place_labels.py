"""Names beside points so that none lies over another, over a mark or over an interval."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, BboxBase

from .canvas import MUTED

# All in pixels of the figure.
GAP = 7  # between a point and its name
STEP = 11
RINGS = 9  # steps that a name may go away from its point
FAR = 16  # beyond it a thin line leads back to the point
MARK = 10  # side of the square that a mark takes
Line = tuple[tuple[float, float], tuple[float, float]]

_SIDES = ((1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1))  # right and up; in this order


def place_labels(
    figure: Figure,
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    *,
    colours: Sequence[str],
    lines: Sequence[Line] = (),
    size_pt: float = 8,
) -> None:
    """Write each name near its point, in the order given: as near as it is in nobody's way.

    axes  of the figure; their limits and scales must stand
    lines  (x, y) to (x, y), straight up or across or short, which names keep off

    Where no place is free, the least crowded one is taken.
    """
    figure.draw_without_rendering()  # the layout is found now, so that pixels mean what they will mean
    inside = axes.get_window_extent()
    marks = [_square(*axes.transData.transform(point)) for point in points]
    for line in lines:
        (left, bottom), (right, top) = np.sort(axes.transData.transform(line), axis=0)
        marks.append(Bbox.from_extents(left - 2, bottom - 2, right + 2, top + 2))
    taken: list[Bbox] = []
    for point, name, colour in zip(points, names, colours, strict=True):
        text = axes.annotate(
            name, point, (0, 0), textcoords="offset points", va="bottom", fontsize=size_pt, color=colour, zorder=5
        )
        text.set_annotation_clip(False)
        text.set_in_layout(False)
        written, (x, y) = text.get_window_extent(), axes.transData.transform(point)
        best, least = written, np.inf
        for dx, dy in _offsets(written.width, written.height):
            box = Bbox.from_bounds(x + dx, y + dy, written.width, written.height)
            crowded = sum(overlap_px(box, other) for other in (*taken, *marks))
            crowded += box.width * box.height - overlap_px(box, inside)
            if crowded < least - 1e-6:
                best, least = box, crowded
            if least < 1e-6:
                break
        taken.append(best)
        text.set_position(((best.x0 - x) * 72 / figure.dpi, (best.y0 - y) * 72 / figure.dpi))
        near = np.clip((x, y), best.min, best.max)
        if np.hypot(*(near - (x, y))) > FAR:
            ends = axes.transData.inverted().transform([(x, y), near])
            axes.plot(ends[:, 0], ends[:, 1], color=MUTED, lw=0.5, zorder=1, scalex=False, scaley=False)


def _square(x: float, y: float) -> Bbox:
    return Bbox.from_bounds(x - MARK / 2, y - MARK / 2, MARK, MARK)


def _offsets(width: float, height: float) -> Iterator[tuple[float, float]]:
    """Where the lower left corner of a name may be, seen from its point, nearest first."""
    for ring in range(RINGS):
        reach = GAP + ring * STEP
        for right, up in _SIDES:
            aside = GAP if right and up else reach  # a diagonal one stays beside the interval, higher or lower
            dx = (-width / 2, aside, -aside - width)[right]
            dy = (-height / 2, reach, -reach - height)[up]
            yield dx, dy


def overlap_px(a: BboxBase, b: BboxBase) -> float:
    """The area that two boxes have in common."""
    wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    return wide * high if wide > 0 and high > 0 else 0.0
