"""What decoding by time saves: ratios measured side by side in one run.

python bench/decode.py [VIDEO ...] [--seconds 120] [--frames 16] [--repeats 5]

Without VIDEO it makes its own files: moving noise at 640 x 360 and 30 frames a second, with a keyframe every second
and with one every ten.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import numpy as np

from marey.video import DecoderName, VideoWriter, open_video, probe, torchcodec_problem

SHORT_PX = 128


def make_video(path: Path, *, seconds: int, gop_s: float) -> Path:
    """Two layers of smooth noise that drift past each other, so that motion is there to be coded."""
    rng = np.random.default_rng(0)
    back, front = (np.kron(rng.integers(0, 256, (60, 100, 3)), np.ones((16, 16, 1))).astype(np.uint8) for _ in range(2))
    with VideoWriter(path, fps=30, size=(640, 360), gop_s=gop_s) as writer:
        for k in range(30 * seconds):
            x, y = 2 * k % 640, k % 360
            frame = back[y : y + 360, x : x + 640].copy()
            frame[90:270, 160:480] = front[y : y + 180, (1000 - x) // 2 : (1000 - x) // 2 + 320]
            writer.write(frame)
    return path


def decode_everything(path: str, indices: np.ndarray) -> np.ndarray:
    """The way that is to be beaten: every frame of the file to RGB, then the wanted ones."""
    wanted, kept = set(indices.tolist()), {}
    with av.open(path) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for k, frame in enumerate(container.decode(video=0)):
            picture = frame.reformat(format="rgb24", threads=1).to_ndarray()
            if k in wanted:
                kept[k] = picture
    return np.stack([kept[k] for k in indices.tolist()])


def decode_clip(
    path: str, times: np.ndarray, *, short_px: int | None = None, threads: int = 1, decoder: DecoderName = "pyav"
) -> np.ndarray:
    with open_video(path, decoder=decoder, threads=threads) as video:
        return video.frames_at(times, short_px=short_px).frames


def best_ms(work: Callable[[], object], repeats: int) -> float:
    """The best of several: what other work on the machine disturbs least."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def bench(path: str, *, frames: int, repeats: int) -> None:
    info = probe(path, exact=True)
    fps = float(info.fps)
    stride = max(1, min(4, (info.frame_count or 1) // frames))
    starts = np.linspace(0.1, 0.9, 5) * max(0.0, info.duration_s - frames * stride / fps)
    clips = [start + np.arange(frames) * stride / fps for start in starts]
    middle = np.floor(clips[2] * fps + 0.5).astype(int).clip(0, (info.frame_count or 1) - 1)
    print(
        f"{path}: {info.codec}, {info.width} x {info.height}, {info.duration_s:.1f} s, {info.frame_count} frames\n"
        f"  clips of {frames} frames, every {stride}; mean of {len(clips)} places, best of {repeats} runs"
    )
    naive = best_ms(lambda: decode_everything(path, middle), 1)
    print(f"  decode everything         {naive:9.1f} ms   1")
    ways: dict[str, Callable[[np.ndarray], object]] = {
        "marey": lambda times: decode_clip(path, times),
        f"marey, short side {SHORT_PX}": lambda times: decode_clip(path, times, short_px=SHORT_PX),
        "marey, 2 threads": lambda times: decode_clip(path, times, threads=2),
        "marey, 4 threads": lambda times: decode_clip(path, times, threads=4),
    }
    if torchcodec_problem() is None:
        ways["torchcodec"] = lambda times: decode_clip(path, times, decoder="torchcodec")
    for name, way in ways.items():
        cost = np.mean([best_ms(partial(way, times), repeats) for times in clips])
        print(f"  {name:25} {cost:9.1f} ms   {cost / naive:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", nargs="*", help="files to decode; made if there are none")
    parser.add_argument("--seconds", type=int, default=120, help="length of the files that are made")
    parser.add_argument("--frames", type=int, default=16, help="frames of a clip")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = options.video or [
            str(make_video(Path(folder) / f"keyframe_every_{gop_s}_s.mp4", seconds=options.seconds, gop_s=gop_s))
            for gop_s in (1, 10)
        ]
        for path in paths:
            bench(path, frames=options.frames, repeats=options.repeats)


if __name__ == "__main__":
    main()
