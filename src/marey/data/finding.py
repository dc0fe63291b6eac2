"""Where the videos are: extensions, walks that ignore hidden files, and look-up by name below a folder."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

VIDEO_EXTENSIONS = {
    *(".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
}


def is_video(name: str) -> bool:
    """Whether a file name is a video's: a known extension, and not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in VIDEO_EXTENSIONS  # noqa: PTH122 - hot loop


def visible_folders(folder: Path) -> list[Path]:
    """The folders directly inside, sorted, without hidden ones and macOS archive leftovers."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__MACOSX")))


def broken_links(folder: Path) -> list[Path]:
    """The links directly inside that lead nowhere, sorted, without hidden ones: each may have been a class folder."""
    return sorted(p for p in folder.iterdir() if p.is_symlink() and not p.exists() and not p.name.startswith("."))


def videos_below(folder: Path) -> Iterator[Path]:
    """Every video below a folder at any depth, in sorted order, hidden files and folders ignored.

    Links to folders are followed, each folder once and none that this one lies in, and links to files that are not
    there count as files.
    """
    root, been = folder.resolve(), set[Path]()
    for here, folders, files in os.walk(folder, followlinks=True):
        place = Path(here).resolve()
        if place in been or place in root.parents:
            folders.clear()
            continue
        been.add(place)
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__MACOSX")))
        yield from (Path(here, name) for name in sorted(files) if is_video(name))


class Finder:
    """Videos below one folder by relative path, file name or stem; walks once, and only when a plain path fails.

    Where the folder of an annotation file holds no video at all, its parent is searched, because archives keep lists
    and videos side by side.
    """

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        self.root = root or folder
        self._may_widen = root is None

    @cached_property
    def _by_name(self) -> dict[str, Path]:
        found = list(videos_below(self.root))
        if not found and self._may_widen:
            found = list(videos_below(self.root.parent))
        index: dict[str, Path] = {}
        for path in reversed(found):  # the first in sorted order wins
            index[path.stem] = index[path.name] = index[f"{path.parent.name}/{path.name}"] = path
        return index

    def find(self, *names: str) -> Path | None:
        """The first of `names` (relative path, file name or stem) that exists."""
        for name in names:
            if is_video(name) and (self.root / name).is_file():
                return self.root / name
        return next((self._by_name[name] for name in names if name in self._by_name), None)

    def expected(self, name: str) -> str:
        """Where a video that was not found would have been looked for."""
        return str(self.root / name)
