"""Arrows in a film: where things go, by optical flow between its pictures, of which some may be there twice."""

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import NamedTuple

import cv2
import numpy as np

from ..video import dense_flow
from .flow_picture import ARROW, RIM, draw_arrows

AHEAD_S = 0.2  # an arrow ends where things will be by then, if they go on so
SMALL_PX = 128  # short side of the frames that are compared
LEAST_PX = 0.4  # from picture to picture, of these: what moves less may be noise
ARROW_SHARE = 2  # squares that have an arrow each, by the height of the lettering
LONGEST = 0.9  # of the distance from arrow to arrow
SAME_MEAN, SAME_MOST = 1.0, 20  # grey levels by which copies of a picture differ, once they are coded
MOST_HELD = 6  # frames


class Motion(NamedTuple):
    """How a picture moves until the next one, which differs, `step_s` later: float32 (h, w, 2) in pixels of the flow,
    whatever the size of the frame."""

    flow: np.ndarray
    step_s: float


def with_motion(
    frames: Iterable[tuple[float, np.ndarray]], fields: Iterable[np.ndarray] | None = None
) -> Iterator[tuple[float, np.ndarray, Motion | None]]:
    """(second, frame, motion) of frames uint8 (h, w, 3) with their seconds.

    fields  the flow from each frame to the next, where it is known; otherwise it is computed between versions with a
            short side of 128 pixels, by DIS at its fastest

    Many videos show each picture twice, or every sixth: copies have the motion of their picture, which leads to the
    next picture that differs. What stays as it is for six frames stands still, and has no motion; nor has a frame
    alone. The last picture goes on as the one before it. At most seven frames are in memory.
    """
    steps = repeat(None) if fields is None else iter(fields)
    held: list[tuple[float, np.ndarray]] = []  # frames that show one picture
    picture, motion, moved = np.empty(0, np.uint8), None, None
    for second, frame in frames:
        following = _small(frame)
        if held:
            if (step := next(steps, None)) is not None:
                moved = step if moved is None else moved + step
            if _differ(picture, following):
                flow = dense_flow(picture, following, speed="ultrafast") if moved is None else moved
                motion = Motion(flow, max(second - held[0][0], 1e-3))
            elif len(held) < MOST_HELD:
                held.append((second, frame))
                continue
            else:
                motion = None
            yield from ((*each, motion) for each in held)
        held, picture, moved = [(second, frame)], following, None
    yield from ((*each, motion) for each in held)


def draw_motion(picture: np.ndarray, motion: Motion, *, text_px: int) -> np.ndarray:
    """A copy of a picture of the frame, of any size, with arrows that end where things will be in 0.2 s.

    They stand about twice the height of the lettering, `text_px`, apart, and what would reach the next one is
    shortened.
    """
    every_px = ARROW_SHARE * text_px
    return draw_arrows(
        picture,
        motion.flow,
        every_px=every_px,
        scale=AHEAD_S / motion.step_s,
        least_px=LEAST_PX * min(motion.flow.shape[:2]) / SMALL_PX,
        longest_px=LONGEST * every_px,
        colour=ARROW,
        thick_px=max(1, text_px // 16),
        edge=RIM,
    )


def _differ(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether grey pictures are more than two codings of one."""
    gap = cv2.absdiff(before, after)
    return bool(gap.mean() > SAME_MEAN or gap.max() > SAME_MOST)


def _small(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    scale = SMALL_PX / min(height, width)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.cvtColor(
        cv2.resize(frame, (round(width * scale), round(height * scale)), interpolation=how), cv2.COLOR_RGB2GRAY
    )
