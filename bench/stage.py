"""How fast the stage renders: frames per second and core, encoding, sound and every label file included.

    python bench/stage.py [--clips-per-class 4] [--size 160x120]

Processor time of one process is counted, not the clock on the wall, so a busy machine does not spoil the figure.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from marey.data.stage import render

WANTED_FPS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips-per-class", type=int, default=4)
    parser.add_argument("--size", default="160x120")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    print(f"{'level':<8}{'style':<13}{'frames':>8}{'frames/s/core':>15}{'of 300':>8}{'kB/clip':>9}")
    for level, style in (("studio", "figure"), ("street", "figure"), ("studio", "point-light")):
        with tempfile.TemporaryDirectory() as folder:
            out, start = Path(folder) / "set", time.process_time()
            render(
                out, level=level, style=style, clips_per_class=options.clips_per_class, size=(width, height), workers=1
            )
            seconds = time.process_time() - start
            videos = json.loads((out / "labels" / "instances.json").read_text())["videos"]
            frames = sum(video["length"] for video in videos)
            kilobytes = sum(path.stat().st_size for path in out.rglob("*.mp4")) / len(videos) / 1000
        fps = frames / seconds
        print(f"{level:<8}{style:<13}{frames:>8}{fps:>15.0f}{fps / WANTED_FPS:>7.1f}x{kilobytes:>9.1f}")


if __name__ == "__main__":
    main()
