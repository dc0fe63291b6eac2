"""Pictures of clips for the report: a frame, or the motion that a network was fed of it."""

from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np

from ..data import cut_views
from ..report import ARROW, RIM, calmest_corner, draw_arrows, flow_picture
from ..results import ClipScore
from ..video import ClipSpec, motion_in, open_video, view_seconds

THUMBNAIL_PX, MOTION_PX = 160, 240  # short side of a frame; of each half of a picture of motion
LEGEND_PX, ARROW_PX = 76, 20
FASTEST = 99  # per cent of the pixels whose motion the colours tell apart
LEAST_PX = 0.5  # what moves less looks still
ARROWS_FROM, ARROWS_FROM_PX = 0.2, 0.25  # of the fastest, and in pixels: what moves less has no arrow


def thumbnails(clips: Iterable[ClipScore]) -> Iterable[tuple[str, bytes]]:
    """(path, JPEG of the middle frame) of every clip."""
    for clip in clips:
        with open_video(clip.path) as video:
            start_s = clip.start_s or 0.0
            end_s = video.info.duration_s if clip.end_s is None else clip.end_s
            frame = video.frames_at([(start_s + end_s) / 2], short_px=THUMBNAIL_PX).frames[0]
        yield clip.path, _jpeg(frame)


def motion_pictures(clips: Iterable[ClipScore], fed: ClipSpec) -> Iterable[tuple[str, bytes]]:
    """(path, JPEG of the motion that a network was fed as `fed` says) of every clip.

    It is that of the middle view, at the frame where most moves: arrows on what the network saw of the frame, and
    beside it colours with their legend. What is fed spans a frame's time, or that since a keyframe: the fastest arrow
    is as long as the arrows are apart, or as what was fed where that is more.
    """
    scale = MOTION_PX / fed.side_px
    frames = replace(
        fed,
        modality="rgb",
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        side_px=MOTION_PX,
        short_px=max(MOTION_PX, round(fed.short_px * scale)),
    )
    for clip in clips:
        with open_video(clip.path) as video:
            end_s = video.info.duration_s if clip.end_s is None else min(clip.end_s, video.info.duration_s)
            seconds = view_seconds(fed, video.info.fps, clip.start_s or 0.0, end_s, 1)
            motion = motion_in(cut_views(video, seconds, fed)[0], fed.modality)
            speeds = np.hypot(motion[..., 0], motion[..., 1])
            most = int(speeds.mean((1, 2)).argmax())
            frame = cut_views(video, seconds[:, most : most + 1], frames)[0, 0]
        fastest = max(LEAST_PX, float(np.percentile(speeds[most], FASTEST)))
        longer = max(1.0, ARROW_PX / (fastest * frame.shape[0] / motion.shape[1]))
        arrows = draw_arrows(
            frame,
            motion[most],
            every_px=ARROW_PX,
            scale=longer,
            least_px=max(ARROWS_FROM * fastest, ARROWS_FROM_PX),
            colour=ARROW,
            edge=RIM,
        )
        corner = calmest_corner(motion[most])
        picture = flow_picture(motion[most], beside=arrows, most_px=fastest, legend_px=LEGEND_PX, legend_at=corner)
        yield clip.path, _jpeg(picture)


def _jpeg(picture: np.ndarray) -> bytes:
    """Colours as sharp as light: those of motion have edges."""
    how = [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    written, jpeg = cv2.imencode(".jpg", picture[:, :, ::-1], how)
    assert written
    return jpeg.tobytes()
