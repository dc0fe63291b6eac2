"""What data can be given as, and the way from any of it to the one internal Manifest and back.

A format is recognised by its content. To add one: a file with `recognise`, `read` and `write`, and a line in FORMATS.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from ..errors import DataError, UsageError, counted
from .activitynet import read_activitynet, recognise_activitynet, write_activitynet
from .charades import (
    read_charades,
    read_charades_spans,
    recognise_charades,
    write_charades,
)
from .epic import read_epic, recognise_epic, write_epic
from .finding import VIDEO_EXTENSIONS, broken_links, is_video, videos_below, visible_folders
from .folders import read_folders, recognise_folders, split_folders, write_folders
from .kinetics import read_kinetics, recognise_kinetics, write_kinetics
from .manifest import Manifest
from .rows import Draft, assemble, merged, nearest, split_of_file
from .something import read_something, recognise_something, write_something
from .sources import Source
from .split_lists import read_hmdb, read_ucf, recognise_hmdb, recognise_ucf, write_hmdb, write_ucf
from .sports1m import read_sports1m, recognise_sports1m, write_sports1m
from .tables import (
    is_manifest,
    parquet_fault,
    read_csv,
    read_jsonl,
    read_parquet,
    recognise_csv,
    recognise_jsonl,
    recognise_parquet,
    recognise_tsv,
    write_csv,
    write_jsonl,
    write_parquet,
    write_tsv,
)
from .webdataset import expand, read_webdataset, recognise_webdataset, write_webdataset

ANNOTATION_SUFFIXES = {".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet"}


@dataclass(frozen=True)
class Format:
    """One way of writing a data set down.

    title      what it is called in a sentence
    recognise  whether a source is of this format, by its content
    read, write  from a source to a draft; from a manifest to a path
    whole_folder  a folder is read as one, not file by file
    on_request  another reading of what is recognised as something else; only --kind chooses it
    """

    title: str
    recognise: Callable[[Source], bool]
    read: Callable[[Source], Draft]
    write: Callable[[Manifest, Path], None]
    whole_folder: bool = False
    on_request: bool = False


FORMATS: dict[str, Format] = {
    "folders": Format("class folders", recognise_folders, read_folders, write_folders, whole_folder=True),
    "csv": Format("CSV", recognise_csv, read_csv, write_csv),
    "tsv": Format("TSV", recognise_tsv, read_csv, write_tsv),
    "jsonl": Format("JSON Lines", recognise_jsonl, read_jsonl, write_jsonl),
    "parquet": Format("Parquet", recognise_parquet, read_parquet, write_parquet),
    "kinetics": Format("Kinetics CSV", recognise_kinetics, read_kinetics, write_kinetics),
    "ucf101": Format("UCF-101 split lists", recognise_ucf, read_ucf, write_ucf, whole_folder=True),
    "hmdb51": Format("HMDB-51 split lists", recognise_hmdb, read_hmdb, write_hmdb, whole_folder=True),
    "charades": Format("Charades CSV", recognise_charades, read_charades, write_charades),
    "charades-spans": Format(
        "Charades CSV by span", recognise_charades, read_charades_spans, write_charades, on_request=True
    ),
    "activitynet": Format("ActivityNet JSON", recognise_activitynet, read_activitynet, write_activitynet),
    "something": Format("Something-Something V2 JSON", recognise_something, read_something, write_something),
    "epic": Format("EPIC-Kitchens CSV", recognise_epic, read_epic, write_epic),
    "sports1m": Format("Sports-1M lists", recognise_sports1m, read_sports1m, write_sports1m),
    "webdataset": Format(
        "WebDataset shards", recognise_webdataset, read_webdataset, write_webdataset, whole_folder=True
    ),
}


def find_format(kind: str) -> Format:
    """The format of that name; UsageError with the nearest names."""
    if kind not in FORMATS:
        raise UsageError(f"unknown kind of data {kind!r}{nearest(kind, FORMATS)} (kinds: {', '.join(FORMATS)})")
    return FORMATS[kind]


def read_manifest(
    path: str | Path, *, kind: str | None = None, group_by: str | None = None, root: str | Path | None = None
) -> Manifest:
    """Find out what a data set is written as, and read it.

    path      a folder of class folders, an annotation file, a folder that holds one, or a pattern of tar shards
    kind      a key of FORMATS where the content leaves a doubt
    group_by  the column that says which clips belong together; by default group, source, subject or camera
    root      the folder that the videos lie in; by default the folder of the annotation file

    Video paths come back absolute. Raises UsageError for a path that is not there, and DataError for what is not data
    or has a wrong line, with file, line and cure.
    """
    wanted = None if kind is None else find_format(kind)
    if root is not None and not Path(root).is_dir():
        raise UsageError(f"the folder of videos {root} does not exist; correct --root")
    shards = None
    if not os.path.lexists(path):
        shards = expand(str(path)) if str(path).endswith(".tar") else []
        if not shards:
            raise UsageError(f"{path} does not exist; check the path of your data")
    source = Source(path, group_by=group_by, root=root, shards=shards)
    if source.path.is_file() and source.path.stat().st_size == 0:
        raise DataError(f"{path} is empty; name an annotation file with a line for each video")
    found, sources = (wanted, _sources_of(wanted, source)) if wanted else _recognised(source)
    return assemble(_read(found, sources), source=str(path), kind=found.title)


def write_manifest(manifest: Manifest, path: str | Path, kind: str) -> None:
    """Write a manifest in another format, whole or not at all; DataError names what that format cannot hold."""
    found, path = find_format(kind), Path(path)
    if not manifest.samples:
        raise DataError(f"there is no sample to write to {path}; check what was left out")
    if path.is_dir() and any(path.iterdir()):
        raise UsageError(f"{path} is a folder with files in it; name a new one")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        found.write(manifest, unfinished)
        unfinished.replace(path)
    finally:
        if unfinished.is_dir():
            rmtree(unfinished)
        unfinished.unlink(missing_ok=True)


def _read(found: Format, sources: Sequence[Source]) -> Draft:
    return merged([(split_of_file(one.path.name) if len(sources) > 1 else None, found.read(one)) for one in sources])


def _annotation_files(folder: Path) -> list[Path]:
    return sorted(
        p for p in folder.iterdir()
        if p.suffix.lower() in ANNOTATION_SUFFIXES and not p.name.startswith(".") and p.is_file() and p.stat().st_size
    )  # fmt: skip


def _within(source: Source, path: Path) -> Source:
    return Source(path, group_by=source.group_by, root=source.root)


def _sources_of(wanted: Format, source: Source) -> list[Source]:
    """Where data of a stated kind lie: the path itself, or the annotation files of that kind in the folder."""
    if not source.path.is_dir() or wanted.whole_folder:
        return [source]
    files = [one for p in _annotation_files(source.path) if wanted.recognise(one := _within(source, p))]
    if not files:
        raise DataError(f"the folder {source} holds no {wanted.title}; name the file itself, or another --kind")
    return _parts(wanted, files)


def _parts(found: Format, files: list[Source]) -> list[Source]:
    """Files that together are one data set, since their names state different splits."""
    splits = [split_of_file(one.path.name) for one in files]
    if len(files) > 1 and (None in splits or len(set(splits)) < len(files)):
        names = ", ".join(one.path.name for one in files[:4])
        raise DataError(f"{files[0].folder} holds {len(files)} files of {found.title} ({names}); name the one you mean")
    return files


def _recognised(source: Source) -> tuple[Format, list[Source]]:
    """The one format that fits, and the files it is in; DataError where none does, or several do."""
    inside = []
    if source.path.is_dir():
        files = _annotation_files(source.path)
        own = [p for p in files if is_manifest(p)]
        if len(own) == 1:  # what Marey wrote itself leaves no doubt
            return FORMATS["parquet"], [_within(source, own[0])]
        inside = [_within(source, p) for p in files]
    fits = {}
    for kind, form in FORMATS.items():
        if form.on_request:
            continue
        candidates = inside if source.path.is_dir() and not form.whole_folder else [source]
        if fitting := [one for one in candidates if form.recognise(one)]:
            fits[kind] = fitting
    if not fits:
        raise DataError(_why_none(source))
    if len(fits) == 2 and "folders" in fits:
        other = next(kind for kind in fits if kind != "folders")
        if _adds_nothing(source, _read(FORMATS[other], fits[other])):
            del fits["folders"]
    if len(fits) > 1:
        ways = "; ".join(
            f"{FORMATS[kind].title}{_named(fitting, source)} (--kind {kind})" for kind, fitting in fits.items()
        )
        raise DataError(f"{source} can be read in {len(fits)} ways: {ways}; choose one by --kind, or name the file")
    ((kind, fitting),) = fits.items()
    return FORMATS[kind], _parts(FORMATS[kind], fitting)


def _adds_nothing(source: Source, listed: Draft) -> bool:
    """Whether the class folders cannot be read, or say of the same videos what an annotation file beside them says."""
    try:
        folders = read_folders(source)
    except DataError:
        return True
    pairs = ({(sample.path, sample.labels.get("label")) for _, sample in draft.rows} for draft in (folders, listed))
    return next(pairs) == next(pairs)


def _named(fitting: Sequence[Source], source: Source) -> str:
    names = [one.path.name for one in fitting if one.path != source.path]
    return f" in {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}" if names else ""


def _why_none(source: Source) -> str:
    """What is wrong with a source that no format fits, and the cure."""
    return _why_no_folder(source) if source.path.is_dir() else _why_no_file(source)


def _why_no_file(source: Source) -> str:
    one = Source(source.shards[0]) if source.shards else source
    if is_video(one.path.name):
        return f"{one} is a video, not a data set; give a folder of class folders or a CSV with path,label"
    if one.head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")):
        return f"{one} is compressed; unpack it and name what comes out (shards must be plain tars)"
    if one.head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"{one} is UTF-16 text, as Excel saves; save the file as UTF-8 (CSV UTF-8 in Excel)"
    if source.shards:
        return f"{one} is no tar that begins with videos; pack each as KEY.mp4 beside its KEY.cls, KEY.txt or KEY.json"
    if one.path.suffix.lower() == ".parquet":
        return f"{one} {parquet_fault(one.path)}"
    if isinstance(one.document, list):
        return (
            f"{one} is a JSON list of no known kind; write an object with path and label a line (JSON Lines) or a CSV"
        )
    return one.json_fault or (
        f"{one} is none of the kinds of data known here ({', '.join(FORMATS)}), and its first line is "
        f"{one.first_line[:80]!r}; name its columns path,label in a first line, or say with --kind what it is"
    )


def _why_no_folder(source: Source) -> str:
    holding = [p for p in visible_folders(source.path) if next(videos_below(p), None)]
    loose = [p.name for p in sorted(source.path.iterdir()) if is_video(p.name)]
    files = {p: p.suffix.lower() for p in _annotation_files(source.path)}  # a .txt may be a read-me, a .json anything
    listed = [p for p, ending in files.items() if ending not in (".txt", ".json") or Source(p).json_fault]
    broken = broken_links(source.path)
    if listed and not holding:
        return _why_no_file(_within(source, listed[0]))
    if loose:
        return (
            f"{source} holds {counted(len(loose), 'video')} but no class folders, so that nothing says what they show; "
            "move each into a folder named after its class, or write a CSV with path,label"
        )
    if broken:
        return f"{broken[0]} is a link to {broken[0].readlink()}, which is not there; mend it or remove it"
    if split_folders(source.path):
        return (
            f"{source} has splits, but no class folders in them; put the videos of each class in a folder like "
            f"{holding[0].name if holding else 'train'}/CLASS/, or write a CSV with path,label"
        )
    if len(holding) == 1:
        return (
            f"{source} holds one folder with videos, {holding[0].name}, and one class cannot be told from another; "
            f"name {holding[0]} if its folders are the classes, or add a second class folder"
        )
    return (
        f"{source} holds no class folders with videos and no annotation file; put the videos of each class in a folder "
        f"of its own (known extensions: {' '.join(sorted(VIDEO_EXTENSIONS))}), or name an annotation file"
    )
