"""The clips of a run: which they are, where their videos are now, and which of other clips show the same."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..data import Manifest, Sample
from ..data.rows import MEMBER
from ..data.sources import Source
from ..data.tables import read_parquet
from ..errors import DataError, UsageError, VideoError
from ..report import counted
from .cache import video_hash
from .run import Run


def manifest_of(run: Run) -> Manifest:
    """What manifest.parquet holds, whether or not the videos are still there; UsageError where it is damaged."""
    path = run.folder / "manifest.parquet"
    try:
        draft = read_parquet(Source(path))
    except DataError:
        raise UsageError(
            f"{path} is lost or damaged, so that the clips of the run are not known; name the data to evaluate on"
        ) from None
    return Manifest(
        samples=tuple(sample for _, sample in draft.rows),
        heads={head: tuple(names) for head, names in (draft.heads or {}).items()},
        multi_label=draft.multi_label,
        source=str(path),
        kind="Parquet",
        class_groups=draft.class_groups,
        mirror=draft.mirror or {},
        grouped_by=draft.grouped_by,
        missing=tuple(draft.missing),
    )


def found_again(samples: Sequence[Sample], run: Run, *, root: str | Path | None) -> list[Sample]:
    """The samples of a run with their videos where they are now; UsageError where some are not there.

    root  folder that the videos were moved to, with the same names and folders below it; None: they were not moved
    """
    if root is not None and not Path(root).is_dir():
        raise UsageError(f"the folder of videos {root} does not exist; correct --root")
    paths = list(dict.fromkeys(sample.path for sample in samples))
    now = {path: path for path in paths} if root is None else _moved(paths, Path(root))
    absent = [place for place in now.values() if not _is_there(place)]
    if absent:
        some = f"{len(absent)} of {counted(len(paths), 'video')} that {run.folder} names"
        cure = "say with --root in which folder they are now" if root is None else "correct --root, or name the data"
        raise UsageError(f"{some} cannot be found, first {absent[0]}; {cure}")
    return [replace(sample, path=now[sample.path]) for sample in samples]


def _moved(paths: Sequence[str], root: Path) -> dict[str, str]:
    """path -> the same place below `root` as below the folder that all of them have in common, or one above that."""
    common = Path(os.path.commonpath([Path(path).parent for path in paths]))
    ways = [{path: str(root / Path(path).relative_to(base)) for path in paths} for base in (common, *common.parents)]
    return max(ways, key=lambda way: sum(map(_is_there, way.values())))


def _is_there(path: str) -> bool:
    return os.path.lexists(path.partition(MEMBER)[0])  # a link that leads nowhere is left out when it is read


def count_shown(samples: Sequence[Sample], learned: Sequence[Sample]) -> int:
    """How many of the samples show what was learned from: a stretch of the same file, or of one with the same bytes.

    Bytes are compared only where sizes are equal; files that are gone count for nothing.
    """
    known: dict[tuple[int, str] | None, list[Sample]] = defaultdict(list)
    for sample in learned:
        known[_size(sample)].append(sample)
    known.pop(None, None)
    return sum(
        any(_overlap(sample, other) and _same_bytes(sample.path, other.path) for other in known.get(_size(sample), ()))
        for sample in samples
    )


def _size(sample: Sample) -> tuple[int, str] | None:
    """(bytes of the file, member of it where it is a shard); None where it is gone."""
    file, _, member = sample.path.partition(MEMBER)
    try:
        return Path(file).stat().st_size, member
    except OSError:
        return None


def _same_bytes(one: str, other: str) -> bool:
    try:
        return one == other or video_hash(one) == video_hash(other)
    except VideoError:
        return False


def _overlap(one: Sample, other: Sample) -> bool:
    start_s = max(one.start_s or 0.0, other.start_s or 0.0)
    return all(sample.end_s is None or start_s < sample.end_s for sample in (one, other))
