"""Pictures of clips in the report: frames, or the motion that the network was fed."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from marey.jobs.pictures import MOTION_PX, THUMBNAIL_PX, motion_pictures, thumbnails
from marey.presets import find_preset
from marey.results import ClipScore
from marey.video import ClipSpec, open_video

FLOW, VECTORS, BOTH = (find_preset(f"{name}_stage").clip for name in ("two_stream_flow", "vectors", "two_stream"))


def clip(path: Path, start_s: float | None = None, end_s: float | None = None) -> ClipScore:
    return ClipScore(str(path), start_s, end_s, ("up",), "down", (0.4, 0.6))


def pixels(jpeg: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture[..., ::-1].astype(int)


def test_a_thumbnail_is_the_middle_frame(small_films: Path) -> None:
    (found,) = thumbnails([clip(small_films / "up" / "up0.mp4")])
    assert found[0].endswith("up0.mp4") and pixels(found[1]).shape[0] == THUMBNAIL_PX


@pytest.mark.parametrize("fed", [FLOW, BOTH, replace(VECTORS, frames=4)], ids=["flow", "rgb+flow", "vectors"])
def test_motion_has_its_colour_and_arrows_where_it_is(small_films: Path, fed: ClipSpec) -> None:
    for label, sign in (("up", -1), ("down", 1)):
        ((_, jpeg),) = motion_pictures([clip(small_films / label / f"{label}2.mp4")], fed)
        picture = pixels(jpeg)
        assert picture.shape == (MOTION_PX, 2 * MOTION_PX, 3)
        frame, colours = picture[:, :MOTION_PX], picture[:, MOTION_PX:]
        square = (frame[..., 0] > 180) & (frame[..., 2] < 100)
        strong = colours.min(-1) < 60
        red, green, blue = (float(colours[strong & square][:, c].mean()) for c in range(3))
        assert (blue > green + 60) if sign < 0 else (green > blue + 60 and red > 120), "up is violet, down is yellow"
        rows = square.nonzero()[0]
        arrows = (abs(frame - (255, 214, 10)).sum(-1) < 60).nonzero()[0]
        assert len(arrows) and rows.min() - 40 < arrows.mean() < rows.max() + 40


def test_a_still_clip_has_neither(small_films: Path) -> None:
    ((_, jpeg),) = motion_pictures([clip(small_films / "still" / "still0.mp4", 0.2, 1.5)], VECTORS)
    frame, colours = pixels(jpeg)[:, :MOTION_PX], pixels(jpeg)[:, MOTION_PX:]
    with open_video(small_films / "still" / "still0.mp4") as video:
        plain = video.frames_at([0.5], short_px=MOTION_PX).frames[0, :, 40:280]
    assert abs(frame - plain).max() < 80, "an arrow's rim is darker than the square by 200"
    assert (colours[:150, :] > 235).mean() > 0.95
