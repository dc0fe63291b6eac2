from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from marey.video import Clip, ClipSpec

FRAMES = np.zeros((2, 4, 6, 3), np.uint8)
SPEC = ClipSpec(16, 2, 112, 128, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2), fps=25.0, sampling="uniform", resample="bicubic")


def test_a_clip() -> None:
    clip = Clip(FRAMES, np.array([0.0, 0.0]), Fraction(30), "a.mp4")
    assert len(clip) == 2


@pytest.mark.parametrize(
    "change, message",
    [
        ({"frames": FRAMES.astype(np.float32)}, r"clip frames are float32 .*; they must be uint8"),
        ({"frames": FRAMES[0]}, "they must be uint8"),
        ({"frames": FRAMES[:0]}, "with t, h, w of at least 1"),
        ({"seconds": np.zeros(3)}, "as many finite, non-decreasing numbers"),
        ({"seconds": np.array([1.0, 0.5])}, "as many finite, non-decreasing numbers"),
        ({"seconds": np.array([0.0, np.inf])}, "as many finite, non-decreasing numbers"),
        ({"fps": Fraction(0)}, "clip fps is 0; it must be positive"),
    ],
)
def test_a_clip_checks_itself(change: dict, message: str) -> None:
    good = {"frames": FRAMES, "seconds": np.array([0.0, 0.1]), "fps": Fraction(30), "source": "a.mp4"}
    with pytest.raises(ValueError, match=message):
        Clip(**{**good, **change})


@pytest.mark.parametrize(
    "change, message",
    [
        ({"frames": 0}, "frames is 0; it must be 1 or more"),
        ({"stride": -1}, "stride is -1; it must be 1 or more"),
        ({"short_px": 100}, "short_px is 100, smaller than the crop of side_px 112"),
        ({"fps": 0.0}, r"fps is 0.0; it must be positive"),
        ({"whole": True, "squash": True}, "whole and squash are both set; a frame either keeps its shape or does not"),
    ],
)
def test_a_specification_checks_itself(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SPEC, **change)


def test_a_specification_survives_json() -> None:
    import json

    assert ClipSpec.from_dict(json.loads(json.dumps(SPEC.to_dict()))) == SPEC
    older = {key: value for key, value in SPEC.to_dict().items() if key != "squash"}
    assert ClipSpec.from_dict(older) == SPEC
