"""A film of optical flow: the frames of a video with arrows, and beside them the flow in colours."""

from collections.abc import Callable, Iterator
from os import PathLike

import numpy as np

from ..video import Video, VideoWriter, flow_fields, flow_header, open_video
from .arrows import SMALL_PX, Motion, draw_motion, with_motion
from .flow_picture import flow_picture
from .overlay import SMALLEST_PX, enlarged
from .strip import text_of

SPEED, FRAMES = 99, 75  # per cent: of pixels, of frames, whose motion the colours tell apart
LEGEND_SHARE = 4  # by the height of the lettering


def write_flow_film(
    video_path: str | PathLike[str],
    flow_path: str | PathLike[str],
    out: str | PathLike[str],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write `out`, an MP4 of all frames of a video and the flow that a file holds of it.

    Arrows are those of `draw_motion`, and what is smaller is enlarged to a short side of 360 pixels, as in films of
    predictions. Colours show pixels of the flow in one frame's time, and the legend says how many have full colour.
    Either is the motion to the next picture that differs. Raises VideoError where the video cannot be read; then no
    file is left.
    """
    header = flow_header(flow_path)
    short_px = min(header.width, header.height)
    scale = max(1.0, SMALLEST_PX / short_px)
    size = 2 * round(header.width * scale / 2), 2 * round(header.height * scale / 2)
    text = text_of(*size)
    with open_video(video_path) as video:
        frame_s, shape = float(1 / video.info.fps), (header.height, header.width, 2)
        speeds = [_speed(_in_time(motion, frame_s, shape)) for *_, motion in _moving(video, flow_path, SMALL_PX)]
        most_px = max(0.5, float(np.percentile(speeds, FRAMES)))
        native_px = min(video.info.width, video.info.height)
        shown = _moving(video, flow_path, min(native_px, max(short_px, SMALLEST_PX)))
        with VideoWriter(out, fps=video.info.fps, size=(2 * size[0], size[1])) as writer:
            for done, (_, frame, motion) in enumerate(shown, 1):
                picture = enlarged(frame, size)
                picture = picture if motion is None else draw_motion(picture, motion, text_px=text)
                flow = _in_time(motion, frame_s, shape)
                writer.write(flow_picture(flow, beside=picture, most_px=most_px, legend_px=LEGEND_SHARE * text))
                if progress:
                    progress(done, len(speeds))


def _moving(
    video: Video, flow_path: str | PathLike[str], short_px: int
) -> Iterator[tuple[float, np.ndarray, Motion | None]]:
    return with_motion(video.stream(short_px=short_px), (field for _, field in flow_fields(flow_path)))


def _in_time(motion: Motion | None, seconds: float, shape: tuple[int, int, int]) -> np.ndarray:
    """Flow in that time."""
    return np.zeros(shape, np.float32) if motion is None else motion.flow * np.float32(seconds / motion.step_s)


def _speed(flow: np.ndarray) -> float:
    return float(np.percentile(np.hypot(flow[..., 0], flow[..., 1]), SPEED))
