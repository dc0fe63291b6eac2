"""Non-local means on a frame of the stage: python examples/non_local_means.py picture.png

Noise of a known strength is added to a frame, and every way to filter it is scored against the frame itself.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from marey.data import read_manifest
from marey.data.stage import render
from marey.nn import non_local_means
from marey.report.lettering import blend, lettering
from marey.video import open_video

NOISE = 0.1  # standard deviation, of colours from 0 to 1
FRAMES, MIDDLE = 5, 2
ENLARGED, TEXT_PX = 4, 15


def stage_clip() -> Tensor:
    """Consecutive frames of one film, float (1, 3, t, h, w) in 0..1; the middle one is the one to clean."""
    with tempfile.TemporaryDirectory() as folder:
        table = render(
            Path(folder) / "stage",
            level="street",
            classes=["carry umbrella"],
            clips_per_class=4,
            seconds=1,
            size=(96, 72),
            workers=1,
        )
        with open_video(read_manifest(table).samples[0].path) as video:
            frames = video.frames_at([0.4 + i / 25 for i in range(FRAMES)]).frames
    return torch.from_numpy(frames.copy()).permute(3, 0, 1, 2)[None] / 255


def psnr(x: Tensor, clean: Tensor) -> float:
    """Peak signal-to-noise ratio in decibels."""
    return -10 * (x - clean).square().mean().log10().item()


def sheet(panels: dict[str, Tensor]) -> np.ndarray:
    """The images (1, 3, h, w) side by side, three in a row, each under its name."""
    tiles = []
    for name, x in panels.items():
        picture = (x[0].clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy().repeat(ENLARGED, 0).repeat(ENLARGED, 1)
        title = np.full((2 * TEXT_PX, picture.shape[1], 3), 253, np.uint8)
        blend(title, lettering(name, TEXT_PX), (4, 4), (34, 32, 29))
        tiles.append(np.concatenate([title, picture]))
    rows = [np.concatenate(tiles[i : i + 3], 1) for i in range(0, len(tiles), 3)]
    return np.concatenate(rows)


def main(out: str) -> None:
    clip = stage_clip()
    noisy = clip + NOISE * torch.randn(clip.shape, generator=torch.Generator().manual_seed(0))
    clean, image = clip[:, :, MIDDLE], noisy[:, :, MIDDLE]
    filtered = {  # the more a pixel is compared with, the smaller the best h; these did best of a few that were tried
        "the frame": clean,
        "noise added": image,
        "window of 15, means": non_local_means(image, h=0.8 * NOISE, patch=5, window=15, weights="mean"),
        "window of 15, patches": non_local_means(image, h=1.6 * NOISE, window=15),
        "all pixels, patches": non_local_means(image, h=1.2 * NOISE),
        f"{FRAMES} frames, patches": non_local_means(noisy, h=1.6 * NOISE, patch=(1, 5, 5), window=(5, 9, 9))[
            :, :, MIDDLE
        ],
    }
    titles = {name if x is clean else f"{name}: {psnr(x, clean):.1f} dB": x for name, x in filtered.items()}
    print(*titles, sep="\n")
    cv2.imwrite(out, sheet(titles)[:, :, ::-1])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("which picture? python examples/non_local_means.py picture.png")
    main(sys.argv[1])
