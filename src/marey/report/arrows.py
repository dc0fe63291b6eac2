"""Arrows in a film: where things go, by optical flow between small versions of its frames."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from ..video import dense_flow
from .flow_picture import ARROW, draw_arrows

AHEAD_S = 0.2  # an arrow ends where things will be by then, if they go on so
SMALL_PX = 128  # short side of the frames that flow is computed on
LEAST_PX = 0.4  # a frame, of these: what moves less may be noise
LONGEST = 0.9  # of the distance from arrow to arrow
_RIM = (34, 32, 29)


class Motion(NamedTuple):
    """How the small version of a frame moves until the next frame, `step_s` later: float32 (h, w, 2), its pixels."""

    flow: np.ndarray
    step_s: float


def with_motion(frames: Iterable[tuple[float, np.ndarray]]) -> Iterator[tuple[float, np.ndarray, Motion | None]]:
    """(second, frame, motion) of frames uint8 (h, w, 3) with their seconds, by DIS at its fastest.

    The last frame goes on as the one before it; a frame alone has no motion. Two frames are in memory at a time.
    """
    held, small, motion = None, np.empty(0, np.uint8), None
    for second, frame in frames:
        after = _small(frame)
        if held is not None:
            motion = Motion(dense_flow(small, after, speed="ultrafast"), max(second - held[0], 1e-3))
            yield *held, motion
        held, small = (second, frame), after
    if held is not None:
        yield *held, motion


def draw_motion(picture: np.ndarray, motion: Motion, *, every_px: int, thick_px: int) -> np.ndarray:
    """A copy of a picture of the frame, of any size, with arrows that end where things will be in 0.2 s.

    They stand about `every_px` apart, and what would reach the next one is shortened.
    """
    return draw_arrows(
        picture,
        motion.flow,
        every_px=every_px,
        scale=AHEAD_S / motion.step_s,
        least_px=LEAST_PX,
        longest_px=LONGEST * every_px,
        colour=ARROW,
        thick_px=thick_px,
        edge=_RIM,
    )


def _small(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    scale = SMALL_PX / min(height, width)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.cvtColor(
        cv2.resize(frame, (round(width * scale), round(height * scale)), interpolation=how), cv2.COLOR_RGB2GRAY
    )
