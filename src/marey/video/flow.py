"""Dense optical flow: where every pixel goes from one frame to the next."""

from functools import cache
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Speed = Literal["ultrafast", "fast", "medium"]
_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


def dense_flow(
    previous: UInt8[np.ndarray, "h w *c"], following: UInt8[np.ndarray, "h w *c"], *, speed: Speed = "fast"
) -> Float[np.ndarray, "h w 2"]:
    """Pixels to the right and down that every pixel of `previous` moves until `following`, by DIS.

    Frames are grey (h, w) or RGB (h, w, 3), uint8. Kroeger et al., ECCV 2016 (arXiv:1603.03590), as OpenCV has it;
    faster is coarser: "ultrafast" costs about an eighth of "medium".
    """
    grey = [f if f.ndim == 2 else cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in (previous, following)]
    return _method(speed).calc(grey[0], grey[1], None)


@cache
def _method(speed: Speed) -> cv2.DISOpticalFlow:
    return cv2.DISOpticalFlow.create(_PRESETS[speed])
