"""Optical flow: what each method costs and how far off it is, and what its files take, in one table each.

    python bench/flow.py [VIDEO] [--pairs 60] [--per-class 2] [--repeats 3]

cost      one pair of frames at 340 x 256 on one thread: milliseconds of the process, pairs a second, and the same for
          a whole video with its decoding; least of the repeats. The goal is 600 pairs a second in the fastest mode
accuracy  end-point error in pixels (mean distance between flow and truth) against the exact flow of rendered film, at
          160 x 120, where it does not lead out of sight: everywhere, and where the truth is at least half a pixel.
          "studio" stands still behind its actors; in "street" the camera moves too. "no motion" is what zeros would get
files     bytes a pair of a real clip, and the greatest error beyond that of bytes (which is half a step, 0.079 px)

Motion vectors are those of the later frame of a pair, from its file as it was rendered; zeros in keyframes.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

from marey.data.stage import render
from marey.data.stage.motion import read_flo
from marey.errors import MissingExtra
from marey.video import (
    FlowSource,
    bytes_to_flow,
    dense_flow,
    extract_flow,
    flow_fields,
    flow_stream,
    flow_to_bytes,
    open_video,
    vector_stream,
)

VIDEO = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips" / "mmaction2_test.mp4"
CLASSES = ("sit down", "hurry", "push crate", "wave fast")
SIZE, WANTED, MOVING_PX = (340, 256), 600, 0.5
METHODS: dict[str, dict] = {
    **{f"DIS {speed}": {"speed": speed} for speed in ("ultrafast", "fast", "medium")},
    "Farneback": {"method": "farneback"},
    "TV-L1": {"method": "tvl1"},
}


def available() -> dict[str, dict]:
    """The methods that this OpenCV has."""
    pair = np.zeros((2, 16, 16), np.uint8)
    found = {}
    for name, how in METHODS.items():
        try:
            dense_flow(*pair, **how)
            found[name] = how
        except MissingExtra as error:
            print(f"{name} is left out: {error}\n")
    return found


def least_ms(work: Callable[[], int], repeats: int) -> float:
    """Milliseconds for each of what `work` counts."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        count = work()
        times.append(1000 * (time.process_time() - start) / count)
    return min(times)


def computed(grey: list[np.ndarray], how: dict) -> int:
    return len([dense_flow(a, b, **how) for a, b in itertools.pairwise(grey)])


def streamed(path: Path, pairs: int, how: dict) -> int:
    with closing(flow_stream(path, short_px=SIZE[1], **how)) as stream:
        return sum(1 for _ in itertools.islice(stream, pairs))


def costs(path: Path, methods: dict[str, dict], pairs: int, repeats: int) -> None:
    with open_video(path) as video:
        shown = itertools.islice(video.stream(), pairs + 1)
        grey = [cv2.cvtColor(cv2.resize(f, SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY) for _, f in shown]
    print(f"{len(grey) - 1} pairs of {path.name} at {SIZE[0]} x {SIZE[1]}, one thread; goal {WANTED} pairs a second")
    print(f"  {'':16}{'ms a pair':>10}{'pairs a s':>11}{'with decoding':>15}")
    for name, how in methods.items():
        few = grey if name != "TV-L1" else grey[:4]
        alone = least_ms(partial(computed, few, how), repeats)
        whole = least_ms(partial(streamed, path, len(few) - 1, how), repeats)
        print(f"  {name:16}{alone:10.2f}{1000 / alone:11.0f}{1000 / whole:15.0f}")


def film(folder: Path, level: str, per_class: int) -> Path:
    render(folder, level=level, clips_per_class=per_class, flow=True, workers=1, classes=CLASSES)
    return folder


def truths(folder: Path) -> Iterator[tuple[Path, list[np.ndarray], list[np.ndarray]]]:
    """Each clip with its exact flow, and where that stays in sight."""
    for labels in sorted((folder / "labels" / "flow").iterdir()):
        fields = [read_flo(path) for path in sorted(labels.glob("*.flo"))]
        hidden = sorted((folder / "labels" / "occlusions" / labels.name).glob("*.png"))
        seen = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) == 0 for path in hidden]
        yield next(folder.rglob(f"{labels.name}.mp4")), fields, seen


def errors(folder: Path, methods: dict[str, dict]) -> dict[str, tuple[float, float]]:
    """End-point error of each method, everywhere and where something moves."""
    gaps: dict[str, list[tuple[float, int, float, int]]] = {}
    for path, fields, seen in truths(folder):
        with open_video(path) as video:
            frames = [frame for _, frame in video.stream()]
        ways: dict[str, list[np.ndarray]] = {
            name: [dense_flow(a, b, **how) for a, b in itertools.pairwise(frames)]
            for name, how in methods.items()
            if name != "TV-L1"
        }
        ways["motion vectors"] = [field for _, field in vector_stream(path, accumulate=False)][1:]
        ways["no motion"] = [np.zeros_like(field) for field in fields]
        for name, found in ways.items():
            for flow, truth, shown in zip(found, fields, seen, strict=False):
                gap, moving = np.hypot(*(flow - truth)[shown].T), np.hypot(*truth[shown].T) >= MOVING_PX
                gaps.setdefault(name, []).append((gap.sum(), gap.size, gap[moving].sum(), int(moving.sum())))
    sums = {name: np.sum(each, 0) for name, each in gaps.items()}
    return {name: (s[0] / s[1], s[2] / max(1, s[3])) for name, s in sums.items()}


def accuracy(methods: dict[str, dict], per_class: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = {level: errors(film(Path(folder) / level, level, per_class), methods) for level in ("studio", "street")}
    print("\nend-point error in pixels against exact flow at 160 x 120: everywhere, and where things move")
    print(f"  {'':16}{'studio':>16}{'street':>18}")
    for name in found["studio"]:
        print(
            f"  {name:16}" + "  ".join(f"{found[level][name][0]:8.2f}{found[level][name][1]:8.2f}" for level in found)
        )


def files(path: Path, pairs: int) -> None:
    fields = [flow for _, flow in itertools.islice(flow_stream(path, short_px=SIZE[1]), pairs)]
    height, width = fields[0].shape[:2]
    print(f"\nfiles of the flow of {path.name} at {width} x {height}; float32 takes {8 * width * height} bytes")
    print(f"  {'':26}{'bytes a pair':>13}{'ms to write':>13}{'greatest error':>16}")
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".mkv", ".npz"):
            out = Path(folder) / f"a{suffix}"
            start = time.process_time()
            extract_flow(path, out, FlowSource(short_px=SIZE[1]))
            cost = time.process_time() - start
            stored = [flow for _, flow in flow_fields(out)]
            held = bytes_to_flow(flow_to_bytes(np.stack(fields))) if suffix == ".mkv" else np.stack(fields)
            error = np.abs(np.stack(stored[: len(fields)]) - held).max()
            name = {".mkv": ".mkv, bytes by FFV1", ".npz": ".npz, float32"}[suffix]
            ms = f"{1000 * cost / len(stored):.2f}*"
            print(f"  {name:26}{out.stat().st_size / len(stored):13.0f}{ms:>13}{error:13.3f} px")
        for crf in (0, 10, 18):
            size, ms, error = h264(Path(folder) / "a.mp4", fields, crf)
            print(f"  {f'H.264, crf {crf}':26}{size:13.0f}{ms:13.2f}{error:13.3f} px")
    print("  * the flow itself included")


def h264(out: Path, fields: list[np.ndarray], crf: int) -> tuple[float, float, float]:
    """What the same pictures would take as H.264: bytes and milliseconds a pair, and the greatest error in pixels."""
    pictures = flow_to_bytes(np.stack(fields)).transpose(0, 3, 1, 2).reshape(len(fields), -1, fields[0].shape[1])
    start = time.process_time()
    with av.open(str(out), "w") as container:
        how = {"qp": "0"} if crf == 0 else {"crf": str(crf)}
        stream = container.add_stream("libx264", rate=25, options={**how, "preset": "veryfast", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:], "gray"
        stream.codec_context.gop_size = 25
        stream.codec_context.color_range = 2  # full: FFmpeg would squeeze grey into 16..235
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="gray")
            frame.color_range = 2
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    ms = 1000 * (time.process_time() - start) / len(fields)
    with av.open(str(out)) as container:
        found = np.stack([np.array(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)])
    error = np.abs(bytes_to_flow(found) - bytes_to_flow(pictures)).max()
    return out.stat().st_size / len(fields), ms, float(error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", nargs="?", type=Path, default=VIDEO)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--per-class", type=int, default=4, help="rendered clips of each class")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
    methods = available()
    costs(options.video, methods, options.pairs, options.repeats)
    accuracy(methods, options.per_class)
    files(options.video, options.pairs)


if __name__ == "__main__":
    main()
