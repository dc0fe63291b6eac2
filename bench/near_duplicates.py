"""How well copies of a video are found, and how far different videos stay from being taken for copies.

    python bench/near_duplicates.py CLIPS.csv [--every 2]

Every n-th clip is encoded again in eight ways, and each copy is sought among all clips. The other tables are the
largest likenesses between different clips: of one group (one camera), of different groups, and of the stage, where
actors perform the same classes on plain backgrounds.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from marey.data import near_duplicates, read_manifest
from marey.data.duplicates import second_look
from marey.data.signatures import Signature, alike, motion_likeness, signature
from marey.data.stage import render
from marey.video import VideoWriter, open_video, resize_short

Frames = np.ndarray


def brighter(frames: Frames) -> Frames:
    return np.clip(frames * np.float32(1.15) + 10, 0, 255).astype(np.uint8)


def cropped(frames: Frames) -> Frames:
    y, x = round(0.04 * frames.shape[1]), round(0.04 * frames.shape[2])
    return frames[:, y : frames.shape[1] - y, x : frames.shape[2] - x]


WAYS: dict[str, tuple[Callable[[Frames], Frames], float, int]] = {  # way -> frames to frames, factor of fps, crf
    "CRF 40": (lambda f: f, 1, 40),
    "half the size": (lambda f: resize_short(f, min(f.shape[1:3]) // 2, "area"), 1, 28),
    "mirrored": (lambda f: f[:, :, ::-1], 1, 28),
    "brighter": (brighter, 1, 28),
    "half the frame rate": (lambda f: f[::2], 0.5, 28),
    "without the last 15 %": (lambda f: f[: int(0.85 * len(f))], 1, 28),
    "without the first 12 %": (lambda f: f[int(0.12 * len(f)) + 1 :], 1, 28),
    "cropped by 4 %": (cropped, 1, 28),
}


def copy(path: str, out: Path, change: Callable[[Frames], Frames], factor: float, crf: int) -> None:
    with open_video(path) as video:
        frames = change(np.stack([frame for _, frame in video.stream(short_px=min(240, video.info.height))]))
        height, width = (side // 2 * 2 for side in frames.shape[1:3])
        with VideoWriter(out, fps=float(video.info.fps) * factor, size=(width, height), crf=crf) as writer:
            for frame in frames:
                writer.write(np.ascontiguousarray(frame[:height, :width]))


def look(path: str) -> Signature:
    with open_video(path) as video:
        return signature(video)


def copies(paths: list[str], every: int, folder: Path) -> None:
    for way, change in WAYS.items():
        made = {}
        for i, path in enumerate(paths[::every]):
            made[path] = str(folder / f"{way}_{i}.mp4")
            copy(path, Path(made[path]), *change)
        groups = near_duplicates([*paths, *made.values()]).near
        found = sum(any(path in group and twin in group for group in groups) for path, twin in made.items())
        still = sum(look(path).still for path in made)
        print(f"  {way:24s} {found:4d} of {len(made)} found ({still} show next to no motion)")


def strangers(name: str, paths: list[str], groups: list[str | None]) -> None:
    signatures = [look(path) for path in paths]
    motions = {True: [0.0], False: [0.0]}
    for a, one in enumerate(signatures):
        likeness = motion_likeness(one, signatures[a + 1 :])[0] if a + 1 < len(signatures) else []
        for b, value in enumerate(likeness, a + 1):
            motions[groups[a] == groups[b]].append(float(value))
    likes = [like for like in alike(signatures) if not like.still]
    looks = [second_look(paths[like.first], paths[like.second], like) for like in likes]
    print(f"  {name:24s} one group {max(motions[True]):.2f}, different groups {max(motions[False]):.2f};", end=" ")
    print(f"{len(looks)} pairs need a second look", end="")
    print(f", most alike there {max(looks)[0]:.2f} and {max(m for _, m in looks):.2f}" if looks else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--stage-clips", type=int, default=12, help="clips of each class of the stage")
    arguments = parser.parse_args()
    data = read_manifest(arguments.data)
    paths, groups = [sample.path for sample in data.samples], [sample.group for sample in data.samples]
    with tempfile.TemporaryDirectory() as folder:
        print("likeness in motion between different clips; at the second look in colour and in motion")
        strangers("clips", paths, groups)
        for style in ("figure", "point-light"):
            out = render(Path(folder) / style, style=style, clips_per_class=arguments.stage_clips)
            staged = read_manifest(out).samples
            strangers(f"stage, {style}", [s.path for s in staged], [s.group for s in staged])
        print("copies")
        copies(paths, arguments.every, Path(folder))


if __name__ == "__main__":
    main()
