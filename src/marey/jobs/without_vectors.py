"""Data whose videos have no motion vectors are refused at once, rather than video by video."""

import shlex
from pathlib import Path

from ..data import Manifest
from ..data.duplicates import reading_pool
from ..errors import DataError, VideoError
from ..report import counted
from ..video import ClipSpec, lacks_vectors

MOST_ASKED = 1000  # of a larger data set, about so many videos tell


def refuse_without_vectors(
    manifest: Manifest, spec: ClipSpec, *, workers: int, kind: str | None, root: str | Path | None
) -> None:
    """DataError where motion vectors are to be fed and most of the videos (of about MOST_ASKED of them) have none.

    kind, root  as they were given for reading the data, so that the command that helps has them too
    """
    if "vectors" not in spec.modality:
        return
    paths = list(dict.fromkeys(sample.path for sample in manifest.samples))
    paths = paths[:: max(1, len(paths) // MOST_ASKED)]
    with reading_pool(workers) as pool:
        without = [path for path, lacks in zip(paths, pool.map(_lacks_vectors, paths), strict=True) if lacks]
    if 2 * len(without) <= len(paths):
        return
    flags = [word for flag, value in (("--kind", kind), ("--root", root)) if value for word in (flag, str(value))]
    command = ["marey", "prepare", manifest.source, *flags]
    raise DataError(
        f"{len(without)} of {counted(len(paths), 'video')} of {manifest.source} have no motion vectors that can be "
        f"read, first {without[0]}; make copies that have them: {shlex.join([*command, '--out', 'prepared'])}"
    )


def _lacks_vectors(path: str) -> bool:
    try:
        return lacks_vectors(path)
    except VideoError:
        return False  # set aside where it is read
