"""Whether opening and closing videos leaks: memory, files and threads over thousands of clips.

python bench/soak.py [VIDEO ...] [--clips 5000] [--threads 1]

Without VIDEO it makes its own files. Opens each in turn, reads a clip at a random place and closes it; every tenth
opening is of a damaged file. Exits 1 if, after a tenth of the clips as warm-up, memory grew by more than 10 MB, or any
file or thread stayed open. Memory is what is resident after the C library has handed back what is free: what it keeps
for itself between clips, some tens of MB, is no leak.
"""

import argparse
import ctypes
import gc
import os
import random
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from marey.errors import VideoError
from marey.video import VideoWriter, open_video

GROWTH_MB = 10.0


def held_mb() -> float:
    gc.collect()
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def open_threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def make_videos(folder: Path) -> list[str]:
    paths = []
    for k, size in enumerate([(160, 120), (320, 240), (426, 240)]):
        noise = np.random.default_rng(k).integers(0, 256, (size[1] // 8 + 9, size[0] // 8 + 9, 3), dtype=np.uint8)
        canvas = noise.repeat(8, 0).repeat(8, 1)
        with VideoWriter(folder / f"{k}.mp4", fps=25, size=size) as writer:
            for i in range(100):
                writer.write(canvas[i % 60 : i % 60 + size[1], : size[0]])
        paths.append(str(writer.path))
    return paths


def damage(path: str, folder: Path) -> str:
    data = bytearray(Path(path).read_bytes())
    data[len(data) // 3 : len(data) // 3 + 500] = bytes(500)
    broken = folder / "damaged.mp4"
    broken.write_bytes(data)
    return str(broken)


def read_clip(path: str, rng: random.Random, threads: int) -> bool:
    """Whether the clip could be read."""
    try:
        with open_video(path, threads=threads) as video:
            start = rng.uniform(0, video.info.duration_s)
            video.frames_at(start + np.arange(8) / 25, short_px=64)
            stream = video.stream(start_s=start)  # left unfinished on purpose
            next(stream, None)
    except VideoError:
        return False
    return True


def soak(paths: list[str], *, clips: int, threads: int) -> bool:
    """Reads and prints; whether nothing leaked."""
    rng, start, failed = random.Random(0), time.perf_counter(), 0
    base = (held_mb(), open_files(), open_threads())
    print(f"{'clips':>8} {'MB':>8} {'files':>6} {'threads':>8} {'clips/s':>8}")
    for done in range(1, clips + 1):
        failed += not read_clip(paths[done % len(paths)], rng, threads)
        if done == max(1, clips // 10):
            base = (held_mb(), open_files(), open_threads())
        if done % max(1, clips // 10) == 0:
            rate = done / (time.perf_counter() - start)
            print(f"{done:8} {held_mb():8.1f} {open_files():6} {open_threads():8} {rate:8.1f}", flush=True)
    grown = held_mb() - base[0]
    clean = grown <= GROWTH_MB and open_files() <= base[1] and open_threads() <= base[2]
    print(
        f"after the warm-up: {grown:+.1f} MB, {open_files() - base[1]:+} files, {open_threads() - base[2]:+} threads"
        f" over {clips - clips // 10} clips; {failed} could not be read; {'clean' if clean else 'LEAKS'}"
    )
    return clean


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", nargs="*", help="files to read; made if there are none")
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=1, help="codec threads")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = options.video
        if not paths:
            whole = make_videos(Path(folder))
            paths = whole * 3 + [damage(whole[0], Path(folder))]
        return 0 if soak(paths, clips=options.clips, threads=options.threads) else 1


if __name__ == "__main__":
    sys.exit(main())
