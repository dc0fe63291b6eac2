"""The optical flow of videos into files, one beside the other, each once."""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from ..data import Quarantine
from ..errors import UsageError, VideoError
from ..presets import find_preset
from ..report import write_flow_film
from ..video import (
    FLOW_METHODS,
    FLOW_SPEEDS,
    SPYNET,
    Extracted,
    FlowSource,
    Speed,
    flow_header,
    probe,
    refuse_damaged,
    source_hash,
)
from .flow_source import ready, spynet_source
from .flow_videos import extract_all
from .learn import one_thread
from .narrate import Narrator, Silent, progress_of
from .predict import refuse_file
from .prepare import check_range, pick_workers, videos_of


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
    weights: str | Path | None = None,
    short_px: int | None = None,
    preset: str | None = None,
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
    weights  of a method that is a network, converted: of spynet
    short_px  short side of the frames; None: as they are
    preset   of a network of flow: frames are made as it is fed them, and files hold what would be computed for it
    exact    float32 in .npz instead of bytes in .mkv, which are off by up to 0.079 pixels and clamped at 20
    film     write an MP4 beside each, too: arrows on the frames, and the flow in colours with their legend
    workers  threads that compute; None: as many as there are cores

    What is there already, of the same bytes and computed in the same way, is left as it is; of a video
    at which a run was killed, what was computed is kept in pieces of 20 seconds of work.
    """
    narrator = narrator or Silent()
    check_range("--short-side", short_px, 16, 8192)
    source = replace(_source(method, speed, weights), **_size(short_px, preset))
    threads = max(1, pick_workers(min(256, os.cpu_count() or 1) if workers is None else workers))
    refuse_file(Path(out))
    paths, _ = videos_of(videos, kind=kind, root=root)
    files = places(paths, Path(out), ".npz" if exact else ".mkv")
    for path, file in zip(paths, files, strict=True):
        refuse_other_flow(file, path, source)
    if source.short_px is None:
        _warn_of_sizes(paths, narrator)
    quarantine, extracted = Quarantine(total=len(paths), limit=max_bad), dict[int, Extracted]()

    def found(index: int, result: Extracted | VideoError) -> None:
        if isinstance(result, VideoError):
            _leave_out(result, quarantine, narrator)
            return
        extracted[index] = result
        if not result.computed:
            narrator.detail(f"{paths[index]}: {files[index]} holds its flow already")

    with _folders({file.parent for file in files}), one_thread() if source.network else nullcontext():
        extract_all(paths, files, source, workers=threads, narrator=narrator, found=found)
    made = []
    for index, (header, computed, _) in sorted(extracted.items()):
        path, file = paths[index], files[index]
        try:
            shown = write_film(path, file, narrator) if film else None
        except VideoError as error:
            _leave_out(error, quarantine, narrator)
            continue
        made.append(FlowFile(path, str(file), header.width, header.height, header.way.method, computed, shown))
    return made, quarantine.reasons


def _size(short_px: int | None, preset: str | None) -> dict[str, Any]:
    """Size and filter of the frames; UsageError for a preset that is fed no flow, or none of a size of their own."""
    if preset is None:
        return {"short_px": short_px}
    clip = find_preset(preset).clip
    if short_px is not None:
        raise UsageError(
            f"--preset {preset} says the size of the frames, and so does --short-side; drop one of the two"
        )
    if not clip.fed_flow or clip.squash:
        raise UsageError(f"--preset {preset} is fed {clip.modality}; name one that is fed optical flow")
    return {"short_px": clip.short_px, "resample": clip.resample}


def _source(method: str, speed: str, weights: str | Path | None) -> FlowSource:
    """What is to compute; UsageError for what is none."""
    if method not in (*FLOW_METHODS, SPYNET):
        raise UsageError(f"--method is {method!r}; it can be {', '.join((*FLOW_METHODS, SPYNET))}")
    if speed not in FLOW_SPEEDS:
        raise UsageError(f"--speed is {speed!r}; it can be {', '.join(FLOW_SPEEDS)}")
    if (weights is None) == (method == SPYNET):
        raise UsageError(
            f"--method {SPYNET} needs --weights FILE, as `marey weights convert` writes it, and no other method has "
            f"weights; --method is {method}"
        )
    if weights is not None:
        return spynet_source(weights)
    return ready(FlowSource(method, cast(Speed, speed) if method == "dis" else None))


def _leave_out(error: VideoError, quarantine: Quarantine, narrator: Narrator) -> None:
    quarantine.add(error)
    narrator.say(f"left out: {error}")


@contextmanager
def _folders(wanted: Collection[Path]) -> Iterator[None]:
    """Folders that are there meanwhile; those of them that were made for it and stay empty are taken away."""
    new = {each for folder in wanted for each in (folder, *folder.parents) if not each.exists()}
    for folder in wanted:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for folder in sorted(new, reverse=True):  # those inside others first
            if not any(folder.iterdir()):
                folder.rmdir()


def refuse_other_flow(file: Path, path: str, source: FlowSource) -> None:
    """UsageError where the file holds the flow of these bytes, computed in another way: it may have taken hours."""
    if not file.exists():
        return
    try:
        held = flow_header(file)
        wanted_px = source.short_px or min(probe(path).width, probe(path).height)
        if held.way == replace(source, short_px=wanted_px) or held.source_hash != source_hash(path):
            return  # flow of other bytes is made anew
        refuse_damaged(file)
    except VideoError:
        return  # damaged, or its video is not there to be read
    raise UsageError(
        f"{file} holds the flow of {path} by {replace(held.way, short_px=None)} at {held.width} x {held.height}; "
        "give the flags that made it (--method, --speed, and --preset NAME or --short-side PX for the size), or "
        "another --out"
    )


def _warn_of_sizes(paths: Sequence[str], narrator: Narrator) -> None:
    """Say so where the short sides of videos differ, and so those of their flow."""
    first: tuple[str, int] | None = None
    for path in paths:
        with suppress(VideoError):  # left out later
            info = probe(path)
            short_px = min(info.width, info.height)
            first = first or (path, short_px)
            if short_px != first[1]:
                narrator.say(
                    f"the videos differ in size ({first[0]} has {first[1]} rows or columns, {path} has {short_px}), "
                    "and no network learns from flow of several sizes; to train one on it, give --preset NAME, or "
                    "--short-side PX"
                )
                return


def write_film(path: str, file: Path, narrator: Narrator) -> str:
    """A film beside a flow file: match.mp4.flow.mp4 beside match.mp4.mkv."""
    target = file.with_suffix(".flow.mp4")
    write_flow_film(path, file, target, progress=progress_of(narrator, f"film of {Path(path).name}"))
    return str(target)


def places(paths: Sequence[str], out: Path, suffix: str) -> list[Path]:
    """A file below `out` for each video, named after it, where it lies below the folder common to all."""
    folders = [Path(path.replace("::", "/")).absolute().parent for path in paths]
    common = Path(os.path.commonpath(folders))
    return [
        out / folder.relative_to(common) / (Path(path.replace("::", "/")).name + suffix)
        for path, folder in zip(paths, folders, strict=True)
    ]
