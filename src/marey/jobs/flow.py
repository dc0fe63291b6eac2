"""The optical flow of videos into files, one beside the other, each once."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from ..data import Quarantine
from ..errors import UsageError, VideoError
from ..video import FLOW_METHODS, FLOW_SPEEDS, FlowMethod, Speed, extract_flow
from .narrate import Narrator, Silent, progress_of
from .predict import refuse_file
from .prepare import list_videos, load_data, pick_workers

ANNOTATIONS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt")


@dataclass(frozen=True)
class FlowFile:
    """One video and the file that holds its flow; `computed` fields of it were computed now."""

    video: str
    file: str
    width: int
    height: int
    method: str
    computed: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def flow(
    videos: str | Path | Sequence[str | Path],
    *,
    out: str | Path = "flow",
    method: str = "dis",
    speed: str = "fast",
    short_px: int | None = None,
    exact: bool = False,
    kind: str | None = None,
    root: str | Path | None = None,
    workers: int | None = None,
    max_bad: int = 3,
    narrator: Narrator | None = None,
) -> tuple[list[FlowFile], dict[str, str]]:
    """Flow files of the videos that could be read, and path -> reason of the others.

    videos   files, folders or globs, or one annotation file whose videos are meant (`kind` and `root` as for training)
    out      folder; below it, files lie as the videos do below the folder that they have in common
    exact    float32 in .npz instead of bytes in .mkv, which are off by up to 0.079 pixels and clamped at 20
    workers  threads that compute

    What is there already, of the same bytes and computed in the same way, is left as it is; what a killed run has done
    is not done again.
    """
    narrator = narrator or Silent()
    if method not in FLOW_METHODS:
        raise UsageError(f"--method is {method!r}; it can be {', '.join(FLOW_METHODS)}")
    if speed not in FLOW_SPEEDS:
        raise UsageError(f"--speed is {speed!r}; it can be {', '.join(FLOW_SPEEDS)}")
    if short_px is not None and not 16 <= short_px <= 8192:
        raise UsageError(f"--short-side is {short_px}; give a number from 16 to 8192")
    refuse_file(Path(out))
    paths = videos_of(videos, kind=kind, root=root)
    quarantine, made = Quarantine(total=len(paths), limit=max_bad), []
    for path, file in zip(paths, places(paths, Path(out), ".npz" if exact else ".mkv"), strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            found = extract_flow(
                path,
                file,
                method=cast(FlowMethod, method),
                speed=cast(Speed, speed),
                short_px=short_px,
                threads=max(1, pick_workers(workers)),
                progress=progress_of(narrator, f"flow of {Path(path).name}"),
            )
        except VideoError as error:
            quarantine.add(error)
            narrator.say(f"left out: {error}")
            continue
        if not found.computed:
            narrator.detail(f"{path}: {file} holds its flow already")
        header = found.header
        made.append(FlowFile(path, str(file), header.width, header.height, header.method, found.computed))
    return made, quarantine.reasons


def videos_of(
    videos: str | Path | Sequence[str | Path], *, kind: str | None = None, root: str | Path | None = None
) -> list[str]:
    """Files, folders and globs, or the videos that an annotation file names, each once."""
    given = [videos] if isinstance(videos, str | Path) else list(videos)
    if len(given) == 1 and (kind is not None or Path(given[0]).suffix in ANNOTATIONS):
        return list(dict.fromkeys(sample.path for sample in load_data(given[0], kind=kind, root=root).samples))
    return list_videos(given)


def places(paths: Sequence[str], out: Path, suffix: str) -> list[Path]:
    """A file below `out` for each video, named after it, where it lies below the folder common to all."""
    folders = [Path(path.replace("::", "/")).absolute().parent for path in paths]
    common = Path(os.path.commonpath(folders))
    return [
        out / folder.relative_to(common) / (Path(path.replace("::", "/")).name + suffix)
        for path, folder in zip(paths, folders, strict=True)
    ]
