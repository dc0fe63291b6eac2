"""Optical flow: what each method costs and how far off it is, and what its files take, in one table each.

    python bench/flow.py [VIDEO] [--pairs 60] [--per-class 4] [--repeats 3] [--spynet FILE]

cost      one pair of frames at 340 x 256 on one thread: milliseconds of the process, pairs a second, and the same for
          a whole video with its decoding; least of the repeats. The goal is 600 pairs a second in the fastest mode
accuracy  end-point error in pixels (mean distance between flow and truth) against the exact flow of rendered film, at
          160 x 120, where it does not lead out of sight: everywhere, and where the truth is at least half a pixel.
          "studio" stands still behind its actors; in "street" the camera moves too. "no motion": what zeros would get;
          the slow ones, TV-L1 and SPyNet, are asked about every eighth pair, and timed on three
files     bytes a pair of a real clip, and the greatest error beyond that of bytes (which is half a step, 0.079 px)

SPyNet takes part with its weights (--spynet, as `marey weights convert` writes them), TV-L1 where OpenCV has it.
Motion vectors are those of the later frame of a pair, from its file as it was rendered; zeros in keyframes.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import torch

from marey.data.stage import render
from marey.data.stage.motion import read_flo
from marey.errors import MissingExtra
from marey.jobs.flow_source import spynet_source
from marey.video import (
    FLOW_SPEEDS,
    FlowSource,
    bytes_to_flow,
    extract_flow,
    flow_between,
    flow_fields,
    flow_stream,
    flow_to_bytes,
    open_video,
    refuse_absent,
    vector_stream,
)
from marey.video.flow import stream_of

VIDEO = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips" / "mmaction2_test.mp4"
CLASSES = ("sit down", "hurry", "push crate", "wave fast")
SIZE, WANTED, MOVING_PX = (340, 256), 600, 0.5
METHODS: dict[str, FlowSource] = {
    **{f"DIS {speed}": FlowSource(speed=speed) for speed in FLOW_SPEEDS},
    "Farneback": FlowSource("farneback", None),
    "TV-L1": FlowSource("tvl1", None),
}
SLOW, FEW_PAIRS, EVERY = ("TV-L1", "SPyNet"), 3, 8  # how many pairs are timed, and every how many-th has its error


def available(spynet: Path | None) -> dict[str, FlowSource]:
    """The methods that this OpenCV has, and SPyNet where its weights are given."""
    found = {}
    for name, source in METHODS.items():
        try:
            refuse_absent(source.method)
            found[name] = source
        except MissingExtra as error:
            print(f"{name} is left out: {error}\n")
    if spynet is None:
        print("SPyNet is left out: it takes its weights; give them with --spynet FILE\n")
        return found
    return found | {"SPyNet": spynet_source(spynet)}


def least_ms(work: Callable[[], int], repeats: int) -> float:
    """Milliseconds for each of what `work` counts."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        count = work()
        times.append(1000 * (time.process_time() - start) / count)
    return min(times)


def computed(frames: list[np.ndarray], source: FlowSource) -> int:
    return len([flow_between(a, b, source) for a, b in itertools.pairwise(frames)])


def streamed(path: Path, pairs: int, source: FlowSource) -> int:
    with closing(stream_of(path, replace(source, short_px=SIZE[1]))) as stream:
        return sum(1 for _ in itertools.islice(stream, pairs))


def costs(path: Path, methods: dict[str, FlowSource], pairs: int, repeats: int) -> None:
    with open_video(path) as video:
        shown = itertools.islice(video.stream(), pairs + 1)
        frames = [cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA) for _, frame in shown]
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    print(f"{len(grey) - 1} pairs of {path.name} at {SIZE[0]} x {SIZE[1]}, one thread; goal {WANTED} pairs a second")
    print(f"  {'':16}{'ms a pair':>10}{'pairs a s':>11}{'with decoding':>15}")
    for name, source in methods.items():
        seen = frames if source.network else grey
        few = seen[: FEW_PAIRS + 1] if name in SLOW else seen
        alone = least_ms(partial(computed, few, source), repeats)
        whole = least_ms(partial(streamed, path, len(few) - 1, source), repeats)
        print(f"  {name:16}{alone:10.2f}{1000 / alone:11.1f}{1000 / whole:15.1f}")


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


def errors(folder: Path, methods: dict[str, FlowSource]) -> dict[str, tuple[float, float]]:
    """End-point error of each method, everywhere and where something moves."""
    gaps: dict[str, list[tuple[float, int, float, int]]] = {}
    for path, fields, seen in truths(folder):
        with open_video(path) as video:
            pairs = list(itertools.pairwise(frame for _, frame in video.stream()))
        vectors = [field for _, field in vector_stream(path, accumulate=False)][1:]
        for k, (pair, moved, truth, shown) in enumerate(zip(pairs, vectors, fields, seen, strict=False)):
            asked = [name for name in methods if name not in SLOW or k % EVERY == 0]
            found = {name: flow_between(*pair, methods[name]) for name in asked}
            for name, flow in {**found, "motion vectors": moved, "no motion": np.zeros_like(truth)}.items():
                gap, moving = np.hypot(*(flow - truth)[shown].T), np.hypot(*truth[shown].T) >= MOVING_PX
                gaps.setdefault(name, []).append((gap.sum(), gap.size, gap[moving].sum(), int(moving.sum())))
    sums = {name: np.sum(gaps[name], 0) for name in (*methods, "motion vectors", "no motion")}
    return {name: (s[0] / s[1], s[2] / max(1, s[3])) for name, s in sums.items()}


def accuracy(methods: dict[str, FlowSource], per_class: int) -> None:
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
    parser.add_argument("--spynet", type=Path, metavar="FILE", help="SPyNet's weights, converted")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
    methods = available(options.spynet)
    torch.set_num_threads(1)
    costs(options.video, methods, options.pairs, options.repeats)
    accuracy(methods, options.per_class)
    files(options.video, options.pairs)


if __name__ == "__main__":
    main()
