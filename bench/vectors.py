"""What motion vectors cost: reading them against decoding to RGB and against computing flow, measured in one run.

    python bench/vectors.py [CLIP_OR_FOLDER ...] [--repeats 3] [--every 1] [--flow 8]

rgb        decoded and made RGB at the video's own size as PyAV's documentation has it: to_ndarray(format="rgb24")
rgb lean   the same with one converter kept for all frames: the least that RGB can cost
rgb exact  the same as Marey does it for whoever asks for frames: damage is found, colours are exact
vectors    motion since the keyframe of every frame, in cells; the decoder skips what only pictures need
+ bytes    the same spread to pixels and made bytes for a network, short side 112
alone      vectors without accumulation: the motion of one frame
residual   vectors, RGB and residuals, short side 112
clip rgb   16 frames, every fourth, from the middle of the video, short side 112, as Marey feeds them to networks
clip vec.  the same times, vectors as bytes

Milliseconds a frame are of the process, not of the clock on the wall, on one thread; the ways take turns on each clip
and the least of all repeats counts. Clips are opened anew each time, which is part of the cost. The goal is a median
ratio of 0.9 between vectors and rgb. Then flow between the frames of some clips, decoded with a short side of 256, in
the same terms.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from marey.video import VectorVideo, flow_stream, has_vectors, open_video, read_compressed

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SIDE_PX, FLOW_PX, WANTED = 112, 256, 0.9
KINDS = (".mp4", ".avi", ".mkv", ".mov")


def rgb(path: Path) -> int:
    with av.open(str(path)) as container:
        stream, count = container.streams.video[0], 0
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            frame.to_ndarray(format="rgb24")
            count += 1
    return count


def rgb_lean(path: Path) -> int:
    reformatter = VideoReformatter()
    with av.open(str(path)) as container:
        stream, count = container.streams.video[0], 0
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
            count += 1
    return count


def rgb_exact(path: Path) -> int:
    with open_video(path) as video:
        return sum(1 for _ in video.stream())


def vectors(path: Path, *, accumulate: bool = True, as_bytes: bool = False) -> int:
    with VectorVideo(path, accumulate=accumulate) as video:
        count, size = 0, video.shown_size(SIDE_PX)
        for moved in video.stream():
            count += 1
            if as_bytes and moved.motion:
                moved.motion.bytes(size)
    return count


def residual(path: Path) -> int:
    with open_video(path) as video:
        seconds = np.arange(round(video.info.duration_s * video.info.fps)) / float(video.info.fps)
    return len(read_compressed(path, seconds, short_px=SIDE_PX).frames)


def clip_times(duration_s: float, fps: float) -> np.ndarray:
    return max(0.0, duration_s / 2 - 32 / fps) + np.arange(16) * 4 / fps


def clip_rgb(path: Path) -> int:
    with open_video(path) as video:
        times = clip_times(video.info.duration_s, float(video.info.fps))
        return len(video.frames_at(times, short_px=SIDE_PX).frames)


def clip_vectors(path: Path) -> int:
    with VectorVideo(path) as video:
        size, count = video.shown_size(SIDE_PX), 0
        for second in clip_times(video.info.duration_s, float(video.info.fps)):
            motion = video.at(second).motion
            count += motion is not None and motion.bytes(size) is not None
    return count


def flow(path: Path, speed: str) -> int:
    return sum(1 for _ in flow_stream(path, short_px=FLOW_PX, speed=speed))


WAYS: dict[str, Callable[[Path], int]] = {
    "rgb": rgb,
    "rgb lean": rgb_lean,
    "rgb exact": rgb_exact,
    "vectors": vectors,
    "+ bytes": partial(vectors, as_bytes=True),
    "alone": partial(vectors, accumulate=False),
    "residual": residual,
    "clip rgb": clip_rgb,
    "clip vec.": clip_vectors,
}
FLOWS: dict[str, Callable[[Path], int]] = {
    f"DIS {speed}": partial(flow, speed=speed) for speed in ("ultrafast", "fast", "medium")
}


def cost(path: Path, ways: dict[str, Callable[[Path], int]], repeats: int) -> dict[str, float]:
    """Milliseconds a frame of each way: the least of some rounds in which they take turns."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.process_time()
            count = way(path)
            best[name] = min(best[name], 1000 * (time.process_time() - start) / count)
    return best


def table(rows: list[dict[str, float]], against: str) -> None:
    print(f"  {'':14}{'ms a frame':>12}{'of ' + against:>12}{'':4}from .. to")
    for name in rows[0]:
        ratios = [row[name] / row[against] for row in rows]
        print(
            f"  {name:14}{np.median([row[name] for row in rows]):12.3f}{np.median(ratios):12.2f}"
            f"    {min(ratios):.2f} .. {max(ratios):.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, default=[DATA], help="clips, or folders of them")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--every", type=int, default=1, help="take every so many of the clips")
    parser.add_argument("--flow", type=int, default=8, help="clips on which flow is computed")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    found = sorted(
        each
        for path in options.paths
        for each in (path.rglob("*") if path.is_dir() else [path])
        if each.suffix in KINDS
    )[:: options.every]
    clips = [path for path in found if has_vectors(path)]
    print(f"{len(clips)} clips with motion vectors, of {len(found)}; medians over clips, least of {options.repeats}")
    rows = [cost(path, WAYS, options.repeats) for path in clips]
    table(rows, "rgb")
    for what, against in (
        ("vectors", "rgb"),
        ("vectors", "rgb lean"),
        ("vectors", "rgb exact"),
        ("clip vec.", "clip rgb"),
    ):
        ratios = np.array([row[what] / row[against] for row in rows])
        share = f"at most {WANTED} on {(ratios <= WANTED).mean():.0%} of the clips"
        print(f"  {what} / {against}: {np.median(ratios):.2f}, {share}")
    some = clips[:: max(1, len(clips) // options.flow)][: options.flow]
    print(f"flow against vectors on {len(some)} of them, decoding and resizing to {FLOW_PX} included")
    table([cost(path, {"vectors": vectors, "+ bytes": WAYS["+ bytes"], **FLOWS}, 1) for path in some], "vectors")


if __name__ == "__main__":
    main()
