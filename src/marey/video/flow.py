"""Dense optical flow: where every pixel goes from one frame to the next.

Axes: h rows, w columns, 2 = (right, down), in pixels of the frames that flow is computed on.
"""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ..errors import MissingExtra, VideoError
from .container import Source
from .decode import open_video
from .flow_source import FLOW_METHODS, FlowMethod, FlowSource, Speed
from .transform import Resample

FLOW_CLAMP_PX = 20.0  # motion beyond it is clamped where flow becomes bytes
FLOW_STEP_PX = FLOW_CLAMP_PX / 127  # between two neighbouring bytes
STILL = 128  # the byte of no motion
_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
_LEAST_PX = 12  # OpenCV refuses smaller ones
_NO_TVL1 = (
    "TV-L1 flow needs the contributed part of OpenCV; run `pip uninstall opencv-python-headless` and then "
    "`pip install opencv-contrib-python-headless`"
)


def dense_flow(
    previous: UInt8[np.ndarray, "h w *c"],
    following: UInt8[np.ndarray, "h w *c"],
    *,
    method: FlowMethod = "dis",
    speed: Speed = "fast",
) -> Float[np.ndarray, "h w 2"]:
    """Pixels to the right and down that every pixel of `previous` moves until `following`.

    Frames are grey (h, w) or RGB (h, w, 3), uint8. All methods are OpenCV's:

    dis        Kroeger et al., ECCV 2016 (arXiv:1603.03590), at one of three speeds (`speed` is for this method alone).
               At 320 x 240, "ultrafast" costs 0.12 and "fast" 0.2 of "medium"; under about 100 pixels the faster two
               look at full resolution and are no longer faster
    farneback  Farnebäck, SCIA 2003: a pyramid of 3 scales, windows of 15 px, 3 iterations, polynomials over 5 px
    tvl1       Zach et al., DAGM 2007: what the networks of two streams were trained on; seconds for a pair

    `bench/flow.py` measures their cost and their error. ValueError for frames under 12 pixels, MissingExtra where
    OpenCV comes without TV-L1.
    """
    height, width = previous.shape[:2]
    if min(height, width) < _LEAST_PX:
        raise ValueError(_small(previous))
    before, after = _grey(previous), _grey(following)
    if method == "farneback":
        start = np.zeros((height, width, 2), np.float32)
        return cv2.calcOpticalFlowFarneback(before, after, start, 0.5, 3, 15, 3, 5, 1.2, 0)  # pyright: ignore
    if method == "tvl1":
        return _tvl1().calc(before, after, None)  # pyright: ignore - as below
    # A new object for each pair: one that has seen small frames keeps the scales it chose for them, for any later size.
    return cv2.DISOpticalFlow.create(_PRESETS[speed]).calc(before, after, None)  # pyright: ignore - no first guess


def flow_between(
    previous: UInt8[np.ndarray, "h w *c"], following: UInt8[np.ndarray, "h w *c"], source: FlowSource
) -> Float[np.ndarray, "h w 2"]:
    """`dense_flow` by the method, or the network, that `source` says; ValueError for one whose network is absent."""
    if source.network is not None:
        return source.network(previous, following)
    if source.method not in FLOW_METHODS:
        raise ValueError(f"flow by {source} is computed by a network, which is not given")
    return dense_flow(previous, following, method=source.method, speed=source.speed or "fast")


def refuse_absent(method: str) -> None:
    """MissingExtra where OpenCV comes without that method."""
    if method == "tvl1":
        _tvl1()


def flow_stream(
    path: Source,
    *,
    method: FlowMethod = "dis",
    speed: Speed = "fast",
    short_px: int | None = None,
    resample: Resample = "area",
    start_s: float = 0.0,
    end_s: float | None = None,
    threads: int = 1,
) -> Generator[tuple[float, Float[np.ndarray, "h w 2"]], None, None]:
    """Flow from every frame of a video to the next, with the time at which the earlier one appears.

    Every frame is decoded once, and a few of them are in memory, however long the video is. Frames are resized to
    `short_px` as those of `Video.stream` are; flow is in pixels of that size. `start_s` and `end_s` bound both frames.
    `threads` pairs are computed at a time, in order and to the same values.

    VideoError where there are not two frames, one is damaged, or they have fewer than 12 pixels a side.
    """
    source = FlowSource(method, speed if method == "dis" else None, short_px, resample)
    return stream_of(path, source, start_s=start_s, end_s=end_s, threads=threads)


def stream_of(
    path: Source,
    source: FlowSource,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    threads: int = 1,
) -> Generator[tuple[float, Float[np.ndarray, "h w 2"]], None, None]:
    """`flow_stream` by whatever `source` says; its files do not count."""
    if threads < 1:
        raise ValueError(f"threads is {threads}; it must be 1 or more")
    refuse_absent(source.method)  # before the first frames are decoded
    see = _grey if source.network is None else _as_is
    with open_video(path) as video, ThreadPoolExecutor(threads) as pool:
        frames = video.stream(start_s=start_s, end_s=end_s, short_px=source.short_px, resample=source.resample)
        second, before = next(frames, (0.0, None))
        at_work: deque[tuple[float, Future[np.ndarray]]] = deque()
        before = None if before is None else see(before)
        video.refuse_without_motion()
        if before is not None and source.network is None and min(before.shape[:2]) < _LEAST_PX:
            raise VideoError(video.info.path, f"{_small(before)}; leave it out, or enlarge them (--short-side)")
        found = 0
        try:
            for following_s, frame in frames:
                video.refuse_without_motion()
                after = see(frame)
                assert before is not None
                at_work.append((second, pool.submit(flow_between, before, after, source)))
                second, before, found = following_s, after, found + 1
                if len(at_work) > threads:
                    at_s, flow = at_work.popleft()
                    yield at_s, flow.result()
            while at_work:
                at_s, flow = at_work.popleft()
                yield at_s, flow.result()
        finally:
            for _, flow in at_work:
                flow.cancel()
    if not found:
        what = "has fewer than two frames in the span that was asked for"
        raise VideoError(video.info.path, f"{what}; flow leads from one frame to the next")


def flow_to_bytes(flow: Float[np.ndarray, "*n"]) -> UInt8[np.ndarray, "*n"]:
    """Flow as bytes: 128 is exactly no motion, 1 is -20 and 255 is +20 pixels, beyond which it is clamped.

    The clamp is that of I3D (Carreira and Zisserman, CVPR 2017, arXiv:1705.07750, in its release). `bytes_to_flow`
    gives back what lies within 20 pixels to half a step, 0.079 pixels.
    """
    scaled = flow * np.float32(1 / FLOW_STEP_PX)
    np.clip(np.rint(scaled, out=scaled), -127, 127, out=scaled)
    scaled += STILL
    return scaled.astype(np.uint8)


def bytes_to_flow(data: UInt8[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Flow float32, in pixels, of what `flow_to_bytes` made."""
    return (data.astype(np.float32) - STILL) * np.float32(FLOW_STEP_PX)


def resize_flow(flow: UInt8[np.ndarray, "t h w 2"], size: tuple[int, int]) -> UInt8[np.ndarray, "t h2 w2 2"]:
    """Flow in bytes at another `size` (width, height), in pixels of that one."""
    width, height = size
    if (height, width) == flow.shape[1:3]:
        return flow
    scale = np.array([width / flow.shape[2], height / flow.shape[1]], np.float32)
    how = cv2.INTER_AREA if width < flow.shape[2] else cv2.INTER_LINEAR
    return np.stack([flow_to_bytes(cv2.resize(each, size, interpolation=how) * scale) for each in bytes_to_flow(flow)])


def _small(frame: np.ndarray) -> str:
    height, width = frame.shape[:2]
    return f"frames are {width} x {height}; flow needs at least {_LEAST_PX} x {_LEAST_PX}"


def _grey(frame: np.ndarray) -> np.ndarray:
    return frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def _as_is(frame: np.ndarray) -> np.ndarray:
    return frame


def _tvl1() -> cv2.DenseOpticalFlow:
    if not hasattr(cv2, "optflow"):
        raise MissingExtra(_NO_TVL1)
    return cv2.optflow.DualTVL1OpticalFlow.create()  # pyright: ignore - in the contributed modules alone
