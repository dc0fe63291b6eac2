"""What is kept between runs: encoded clips, keyed by everything that determines them. It may be deleted at any time."""

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np

from ..errors import VideoError


def cache_root() -> Path:
    """$MAREY_CACHE, else the user's cache folder."""
    named = os.environ.get("MAREY_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "marey"


def cache_sizes() -> dict[str, tuple[int, int]]:
    """Part of the cache -> (files, bytes)."""
    sizes: dict[str, tuple[int, int]] = {}
    root = cache_root()
    for part in sorted(root.iterdir()) if root.is_dir() else ():
        files = [path.stat().st_size for path in part.rglob("*") if path.is_file()]
        sizes[part.name] = (len(files), sum(files))
    return sizes


def clear_cache() -> tuple[int, int]:
    """Delete what Marey cached and nothing else; (files, bytes) that were freed."""
    files = freed = 0
    for path in sorted((cache_root() / "features").rglob("*.npy")):
        freed += path.stat().st_size
        files += 1
        path.unlink()
    return files, freed


_HASHES: dict[tuple[str, int, int], str] = {}


def video_hash(path: str) -> str:
    """SHA-256 of a video's bytes (of the whole shard for a member of one); read once while the file stays as it is."""
    name, _, member = path.partition("::")
    try:
        state = Path(name).stat()
        key = (name, state.st_size, state.st_mtime_ns)
        if key not in _HASHES:
            with Path(name).open("rb") as file:
                _HASHES[key] = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VideoError(path, (error.strerror or str(error)).lower()) from None
    return _HASHES[key] + (f"::{member}" if member else "")


class FeatureCache:
    """Arrays by key, one file each; `recipe` is everything but the video that determines the features."""

    def __init__(self, *, recipe: str) -> None:
        self.folder = cache_root() / "features" / hashlib.sha256(recipe.encode()).hexdigest()[:16]

    def _path(self, path: str, start_s: float | None, end_s: float | None) -> Path:
        key = hashlib.sha256(f"{video_hash(path)} {start_s} {end_s}".encode()).hexdigest()
        return self.folder / key[:2] / f"{key[2:34]}.npy"

    def get(self, path: str, start_s: float | None, end_s: float | None) -> np.ndarray | None:
        """What was put for this span of this very file, or None."""
        try:
            return np.load(self._path(path, start_s, end_s), allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError):  # absent, or cut off: made anew
            return None

    def put(self, path: str, start_s: float | None, end_s: float | None, features: np.ndarray) -> None:
        target = self._path(path, start_s, end_s)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".part", delete=False) as file:
            np.save(file, features, allow_pickle=False)
        Path(file.name).replace(target)
