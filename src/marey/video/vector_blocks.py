"""Motion vectors as cells: from what a decoder exports to how far each part of a picture moved.

Motion is float32 (rows, columns, 2): right and down, in pixels of the coded picture, positive where things move so, as
optical flow is. Cells are 8 x 8 of these pixels; together they fill whole macroblocks of 16.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from av.buffer import Buffer
from jaxtyping import Float32, UInt8

from .flow import flow_to_bytes

CELL_PX = 8  # what FFmpeg exports is no finer
_BLOCK_PX = 16
_BYTES = 40  # of FFmpeg's AVMotionVector, which has in its ten integers, from the lowest bits on:
_SOURCE = 0  # below 0 where it leads to the past, above where to the future
_SIZES = 1  # width and height of the block, a byte each; source x
_X, _Y = 2, 3  # source y and centre x; centre y and nothing
_MOTION_X, _MOTION_Y, _SCALE = 6, 7, 8  # towards the source, to be divided by the scale

Motion = Float32[np.ndarray, "rows columns 2"]


def cells(width: int, height: int) -> tuple[int, int]:
    """(rows, columns) of cells of a coded picture."""
    per_block = _BLOCK_PX // CELL_PX
    return per_block * -(-height // _BLOCK_PX), per_block * -(-width // _BLOCK_PX)


class Vectors(NamedTuple):
    """The vectors of one frame that matter.

    found          int32 (n, 10), as of `that_matter`
    past_frames    how many frames ago the frame was shown that vectors into the past lead to
    future_frames  in how many frames that of vectors into the future is shown
    """

    found: np.ndarray
    past_frames: float
    future_frames: float


NONE = np.zeros((0, _BYTES // 4), np.int32)


def that_matter(data: Buffer | bytes) -> np.ndarray:
    """Of the vectors of a frame, FFmpeg's AVMotionVector in a row, those that are not 0.

    Where some from the future are not 0, those from the past that are 0 matter too: they say that a block stands still.
    """
    raw = np.frombuffer(memoryview(data), np.int32).reshape(-1, _BYTES // 4)
    moving = raw.view(np.int64)[:, _MOTION_X // 2] != 0  # both parts at once
    found = raw.compress(moving, 0)
    if len(found) and found[:, _SOURCE].max() > 0:
        moving |= raw[:, _SOURCE] < 0
        found = raw.compress(moving, 0)
    return found


def velocities(
    frames: Sequence[Vectors], shape: tuple[int, int], *, room: np.ndarray | None = None
) -> Float32[np.ndarray, "frames rows columns 2"]:
    """Motion a frame in every cell of some frames; 0 where a block has no vector, being coded on its own.

    Vectors from the future count where a block has none from the past. Several frames cost little more than one.
    `room` is complex64 for at least so many cells, to be written over: fresh memory costs more than what is done in it.
    """
    rows, columns = shape
    count = len(frames) * rows * columns
    grid = np.zeros(count, np.complex64) if room is None else room[:count]  # both parts of a vector move as one
    if room is not None:
        grid.fill(0)
    found = np.concatenate([frame.found.T for frame in frames], 1)
    if found.size:
        number, later = np.arange(len(frames)).repeat([len(frame.found) for frame in frames]), found[_SOURCE] > 0
        scale = int(found[_SCALE, 0]) & 0xFFFF
        factors = np.array([(-1 / frame.past_frames, 1 / frame.future_frames) for frame in frames], np.float32) / scale
        motion = np.empty(len(later), np.complex64)
        motion.real, motion.imag = found[_MOTION_X], found[_MOTION_Y]
        motion *= factors.ravel()[2 * number + later]
        _paint(grid, found, motion, later, number * (rows * columns), shape)
    return grid.view(np.float32).reshape(len(frames), rows, columns, 2)


def _paint(
    grid: np.ndarray,
    found: np.ndarray,
    motion: np.ndarray,
    later: np.ndarray,
    begin: np.ndarray,
    shape: tuple[int, int],
) -> None:
    """Write the motion of each block into the one, two or four cells that it covers, from where its frame begins."""
    rows, columns = shape
    wide, tall = (found[_SIZES] >> 4) & 1, (found[_SIZES] >> 12) & 1  # 1 for 16 pixels, 0 for 8
    left, top = ((found[_X] >> 18) - wide) >> 1, (((found[_Y] & 0xFFFF) >> 2) - tall) >> 1
    if left.max() >= columns or top.max() >= rows:  # parts that are cut off when the picture is shown
        inside = (left < columns) & (top < rows)
        wide, tall = wide * (left < columns - 1), tall * (top < rows - 1)
        parts = (motion, later, begin, wide, tall, left, top)
        motion, later, begin, wide, tall, left, top = (part[inside] for part in parts)
    cell, down = begin + (top * columns + left), tall * columns
    after = later.nonzero()[0]
    if len(after):
        order = np.concatenate([after, (~later).nonzero()[0]])  # what is written last stays
        motion, cell, wide, down = (part.take(order) for part in (motion, cell, wide, down))
    right = cell + wide
    for corner in (cell, right, cell + down, right + down):
        grid[corner] = motion


def carried_on(moved: Motion, before: Motion) -> Motion:
    """Motion since the keyframe, of `moved` since the reference frame, and `before` of that since the keyframe.

    D(i) = T(i) + D_ref(i - T(i)) of Wu et al., CVPR 2018 (arXiv:1712.00636), traced from the centre of each cell
    instead of from every pixel. What comes from outside has moved as the border.
    """
    source = moved * np.float32(-1 / CELL_PX)
    source += places(*moved.shape[:2])
    whole = cv2.remap(before, source, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)  # pyright: ignore
    whole += moved
    return whole


@lru_cache(maxsize=8)
def places(rows: int, columns: int) -> Motion:
    """Each element's own column and row."""
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).astype(np.float32)


@lru_cache(maxsize=32)
def _cell_of(count: int, coded_px: int, shown_px: int) -> np.ndarray:
    """Which cell the centre of each shown pixel lies in, along one side."""
    centres = (np.arange(shown_px) + 0.5) * (coded_px / shown_px)
    return np.minimum(centres.astype(np.int64) // CELL_PX, count - 1)


class Blocks(NamedTuple):
    """Motion of one frame in cells.

    motion  float32 (rows, columns, 2) in pixels of the coded picture
    coded   (width, height) of that; cells may reach beyond it
    turn    degrees counter-clockwise by which it is turned to be shown
    """

    motion: np.ndarray
    coded: tuple[int, int]
    turn: int

    def pixels(self, size: tuple[int, int]) -> Float32[np.ndarray, "h w 2"]:
        """Motion in pixels of the picture shown at `size` (width, height)."""
        shown = self._spread(self._scaled(size).view(np.complex64)[..., 0], size)
        return shown.view(np.float32).reshape(*shown.shape, 2)

    def bytes(self, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 2"]:
        """`flow_to_bytes` of `pixels`, in less time: cells become bytes before they become pixels."""
        shown = self._spread(flow_to_bytes(self._scaled(size)).view(np.uint16)[..., 0], size)
        return shown.view(np.uint8).reshape(*shown.shape, 2)

    def _coded(self, size: tuple[int, int]) -> tuple[int, int]:
        """`size` before the picture is turned."""
        return size if self.turn % 180 == 0 else (size[1], size[0])

    def _scaled(self, size: tuple[int, int]) -> np.ndarray:
        """Motion of the cells as it is shown, not yet where it is shown."""
        width, height = self._coded(size)
        motion = self.motion * np.array([width / self.coded[0], height / self.coded[1]], np.float32)
        for _ in range(self.turn // 90):  # to the right becomes upwards, downwards becomes to the right
            motion = np.stack([motion[..., 1], -motion[..., 0]], -1)
        return motion

    def _spread(self, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        width, height = self._coded(size)
        column = _cell_of(values.shape[1], self.coded[0], width)
        row = _cell_of(values.shape[0], self.coded[1], height)
        return np.ascontiguousarray(np.rot90(values.take(column, 1).take(row, 0), self.turn // 90))
