"""The optical flow of videos into files, one beside the other, each once."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..data import Quarantine
from ..errors import UsageError, VideoError
from ..report import flow_picture
from ..video import (
    FLOW_METHODS,
    FLOW_SPEEDS,
    FlowSource,
    Speed,
    VideoWriter,
    extract_flow,
    flow_fields,
    flow_header,
    open_video,
    probe,
    source_hash,
)
from .narrate import Narrator, Silent, progress_of
from .predict import refuse_file
from .prepare import check_range, pick_workers, videos_of

FILM_SPEED, FILM_FIELDS = 99, 75  # per cent: of pixels, of fields, whose motion the colours of a film tell apart


@dataclass(frozen=True)
class FlowFile:
    """One video and the file that holds its flow; `computed` fields of it were computed now."""

    video: str
    file: str
    width: int
    height: int
    method: str
    computed: int
    film: str | None = None

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
    film: bool = False,
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
    film     write an MP4 beside each, too: arrows on the frames, and the flow in colours with their legend
    workers  threads that compute

    What is there already, of the same bytes and computed in the same way, is left as it is; of a video
    at which a run was killed, what was computed is kept in pieces of 2,000 fields.
    """
    narrator = narrator or Silent()
    if method not in FLOW_METHODS:
        raise UsageError(f"--method is {method!r}; it can be {', '.join(FLOW_METHODS)}")
    if speed not in FLOW_SPEEDS:
        raise UsageError(f"--speed is {speed!r}; it can be {', '.join(FLOW_SPEEDS)}")
    check_range("--short-side", short_px, 16, 8192)
    refuse_file(Path(out))
    paths, _ = videos_of(videos, kind=kind, root=root)
    quarantine, made = Quarantine(total=len(paths), limit=max_bad), []
    for path, file in zip(paths, places(paths, Path(out), ".npz" if exact else ".mkv"), strict=True):
        refuse_other_flow(file, path, method=method, speed=speed, short_px=short_px)
        new = [folder for folder in (file.parent, *file.parent.parents) if not folder.exists()]
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            found = extract_flow(
                path,
                file,
                FlowSource(method, cast(Speed, speed) if method == "dis" else None, short_px),
                threads=max(1, pick_workers(workers)),
                progress=progress_of(narrator, f"flow of {Path(path).name}"),
            )
            shown = write_film(path, file, narrator) if film else None
        except VideoError as error:
            for folder in new:
                folder.rmdir()
            quarantine.add(error)
            narrator.say(f"left out: {error}")
            continue
        if not found.computed:
            narrator.detail(f"{path}: {file} holds its flow already")
        header = found.header
        made.append(FlowFile(path, str(file), header.width, header.height, header.method, found.computed, shown))
    return made, quarantine.reasons


def refuse_other_flow(file: Path, path: str, *, method: str, speed: str, short_px: int | None) -> None:
    """UsageError where the file holds the flow of these bytes, computed in another way: it may have taken hours."""
    if not file.exists():
        return
    try:
        held = flow_header(file)
        wanted_px = min(probe(path).width, probe(path).height) if short_px is None else short_px
        sized = min(held.width, held.height) == wanted_px
        alike = held.method == method and held.speed in (None, speed) and sized
        other = not alike and held.source_hash == source_hash(path)
    except VideoError:
        return  # damaged, or its video is not there to be read
    if other:  # flow of other bytes is made anew
        how = f"{held.method} {held.speed or ''}".strip()
        raise UsageError(
            f"{file} holds the flow of {path} by {how} at {held.width} x {held.height}; "
            "give the same flags, or another --out"
        )


def write_film(path: str, file: Path, narrator: Narrator) -> str:
    """An MP4 beside a flow file: the video's frames with arrows, and the flow in colours."""
    target, info = file.with_name(file.name + ".mp4"), probe(path)
    header, tell = flow_header(file), progress_of(narrator, f"film of {Path(path).name}")
    short_px, count = min(header.width, header.height), max(1, (info.frame_count or 2) - 1)
    sampled = [np.percentile(np.hypot(*field.transpose(2, 0, 1)), FILM_SPEED) for _, field in flow_fields(file)]
    most_px = max(0.5, float(np.percentile(sampled, FILM_FIELDS)))
    with (
        open_video(path) as video,
        VideoWriter(target, fps=info.fps, size=(2 * header.width, header.height)) as writer,
    ):
        frames = video.stream(short_px=short_px)
        for number, ((_, field), (_, frame)) in enumerate(zip(flow_fields(file), frames, strict=False), 1):
            writer.write(flow_picture(field, frame=frame, most_px=most_px))
            tell(min(number, count), count)
    return str(target)


def places(paths: Sequence[str], out: Path, suffix: str) -> list[Path]:
    """A file below `out` for each video, named after it, where it lies below the folder common to all."""
    folders = [Path(path.replace("::", "/")).absolute().parent for path in paths]
    common = Path(os.path.commonpath(folders))
    return [
        out / folder.relative_to(common) / (Path(path.replace("::", "/")).name + suffix)
        for path, folder in zip(paths, folders, strict=True)
    ]
