"""What is kept between runs: encoded clips, keyed by everything that determines them, and downloads.

All of it may be deleted at any time.
"""

import hashlib
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import numpy as np

from ..errors import UsageError, VideoError


def cache_root() -> Path:
    """$MAREY_CACHE, else the user's cache folder."""
    named = os.environ.get("MAREY_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "marey"


def downloads_root() -> Path:
    """Where the Hugging Face hub's programs (transformers among them) keep downloads; other programs share it."""
    named = os.environ.get("HF_HUB_CACHE")
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "huggingface"
    return Path(named) if named else Path(home) / "hub"


@dataclass(frozen=True)
class CachePart:
    """A part of what is kept between runs: what clears it, where it is and what it takes."""

    name: str
    folder: Path
    files: int
    bytes: int


PARTS = ("features", "downloads")


def cache_parts() -> list[CachePart]:
    """features: encoded clips; downloads: weights of other projects."""
    sizes = {name: [path.lstat().st_size for path in _files(name)] for name in PARTS}
    return [CachePart(name, _folder(name), len(held), sum(held)) for name, held in sizes.items()]


def clear_cache(part: str) -> list[CachePart]:
    """Delete a part, or "all"; what was deleted, by part. Nothing else in these folders is touched."""
    if part not in (*PARTS, "all"):
        raise UsageError(f"--clear is {part!r}; it can be {', '.join(PARTS)} or all")
    names = PARTS if part == "all" else (part,)
    cleared = [held for held in cache_parts() if held.name in names]
    for name in names:
        for path in _files(name):
            path.unlink(missing_ok=True)
        for tree in _trees(name):
            rmtree(tree)
    return cleared


def _folder(part: str) -> Path:
    return cache_root() / "features" if part == "features" else downloads_root()


def _trees(part: str) -> list[Path]:
    """The folders of downloads, by the names that the hub gives them: links and empty folders go with them."""
    signs = ("models--*", "datasets--*", "spaces--*", ".locks") if part == "downloads" else ()
    return [tree for sign in signs for tree in sorted(_folder(part).glob(sign)) if tree.is_dir()]


def _files(part: str) -> list[Path]:
    """Encoded clips and what a killed process left of one; or every file of the downloads, links not counted."""
    if part == "features":
        return [path for sign in ("*.npy", "*.part") for path in sorted(_folder(part).rglob(sign))]
    found = [path for tree in _trees(part) for path in sorted(tree.rglob("*"))]
    return [path for path in found if path.is_file() and not path.is_symlink()]


_HASHES: dict[tuple[str, int, int], str] = {}


def video_hash(path: str) -> str:
    """SHA-256 of a video's bytes (of the whole shard for a member of one); read once while the file stays as it is."""
    name, _, member = (path, "", "") if Path(path).is_file() else path.partition("::")
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

    def has(self, path: str, start_s: float | None, end_s: float | None) -> bool:
        """Whether something was put for this span of this very file."""
        return self._path(path, start_s, end_s).exists()

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
        with suppress(FileNotFoundError):  # cleared meanwhile
            Path(file.name).replace(target)
