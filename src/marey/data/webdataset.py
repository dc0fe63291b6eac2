"""WebDataset: tar shards whose members KEY.mp4 and KEY.cls, KEY.txt or KEY.json belong together.

Videos are read in place, as "shard.tar::KEY.mp4", so the tars must not be compressed. `cls` is a class number (named
by classes.txt beside the shards, if it is there), `txt` a class name, `json` an object with label or labels and the
optional start_s, end_s, split and group of any table.
"""

import json
import tarfile
from collections.abc import Iterator
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any

from ..errors import DataError, counted
from .finding import is_video
from .manifest import Manifest, Sample
from .rows import MEMBER, Draft, absolute, checked_span, class_at, seconds, split_name, split_of_file
from .sources import Source
from .tables import GROUP_COLUMNS, LABEL_COLUMNS

SIDE_FILES = ("json", "cls", "txt")
SHARD_BYTES = 1 << 30


def recognise_webdataset(source: Source) -> bool:
    """Tar shards of which the first begins with a video and its label, in either order."""
    if not source.shards:
        return False
    try:
        with tarfile.open(source.shards[0], "r:") as archive:
            return any(is_video(Path(member.name).name) for member, _ in zip(archive, range(16), strict=False))
    except tarfile.TarError:
        return _is_tar(source.shards[0])  # reading it says what is wrong


def _members(shard: Path) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """key -> video member, and key -> side file's extension -> its text."""
    videos: dict[str, str] = {}
    texts: dict[str, dict[str, str]] = {}
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                stem, _, extension = name.partition(".")
                key = f"{folder}/{stem}"
                if not member.isfile():
                    continue
                if is_video(name):
                    if key in videos:
                        raise DataError(f"{shard} holds two videos of key {key.strip('/')!r}; rename one of them")
                    videos[key] = member.name
                elif extension in SIDE_FILES and (file := archive.extractfile(member)):
                    texts.setdefault(key, {})[extension] = _text(file.read(), f"{shard}, member {member.name}")
            end = archive.offset
    except tarfile.TarError as error:
        raise DataError(f"{shard} {_tar_fault(shard, str(error))}") from error
    with shard.open("rb") as file:
        file.seek(end)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # by which every tar ends
            raise DataError(f"{shard} {_tar_fault(shard, 'it has no end mark')}")
    return videos, texts


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 text; write it as UTF-8") from error


def _is_tar(shard: Path) -> bool:
    """Whether a file begins as a tar does, however it goes on."""
    return Source(shard).head[257:262] == b"ustar"


def _tar_fault(shard: Path, why: str) -> str:
    """What is wrong with a file that should be a tar."""
    if _is_tar(shard):
        return f"is a tar that breaks off or is damaged ({why}); copy or write it again"
    return f"is not an uncompressed tar ({why}); unpack it and pack it without -z, or copy it again"


def _record(text: dict[str, str], classes: list[str] | None, where: str) -> dict[str, Any]:
    """The side files of a video as one record with a list of labels."""
    record: dict[str, Any] = {}
    if "json" in text:
        try:
            record = json.loads(text["json"])
        except ValueError as error:
            raise DataError(f"{where}: its json cannot be read ({error}); correct it") from error
        if not isinstance(record, dict):
            raise DataError(f"{where}: its json is a {type(record).__name__}; write an object with a label")
    label = next((record[name] for name in LABEL_COLUMNS if name in record), None)
    if label is None and "cls" in text:
        number = text["cls"].strip()
        label = number if classes is None else class_at(classes, number, where=where, listed_in="classes.txt")
    if label is None and "txt" in text:
        label = text["txt"].strip()
    if label is None or label == "":
        raise DataError(f"{where} has no label; add a member .cls, .txt or .json of the same key")
    return record | {"label": label}


def read_webdataset(source: Source) -> Draft:
    """The split of a sample is its record's, else the one that the shard's name states where shards differ in it."""
    if not source.shards:
        raise DataError(
            f"{source} names no uncompressed tar; write a pattern like 'shards-{{000000..000003}}.tar' or '*.tar', or "
            "pack it again without -z"
        )
    listed = source.folder / "classes.txt"
    classes = Source(listed).names() if listed.is_file() else None
    splits = [split_of_file(shard.name) for shard in source.shards]
    by_name = None not in splits and len(set(splits)) > 1
    found: list[tuple[str, str, str | None, dict[str, Any]]] = []
    for shard, split in zip(source.shards, splits, strict=True):
        videos, texts = _members(shard)
        for key, member in videos.items():
            where = f"{shard}, member {member}"
            record = _record(texts.get(key, {}), classes, where)
            found.append((where, f"{shard}{MEMBER}{member}", split if by_name else None, record))
    columns = tuple(dict.fromkeys(name for *_, record in found for name in record))
    group_column = source.group_column(columns, GROUP_COLUMNS)
    rows = []
    for where, path, split, record in found:
        label, group = record["label"], record.get(group_column)
        labels = tuple(str(name) for name in label) if isinstance(label, list) else (str(label),)
        times = (seconds(record.get(name), column=name, where=where) for name in ("start_s", "end_s"))
        side = split_name(record.get("split"), where=where) or split
        named = None if group in (None, "") else str(group)
        rows.append((where, Sample(path, {"label": labels}, *checked_span(*times, where=where), side, named)))
    multi = any(isinstance(record["label"], list) for *_, record in found)
    heads = {"label": classes} if classes and {n for _, s in rows for n in s.labels["label"]} <= set(classes) else None
    return Draft(rows, heads=heads, multi_label=multi, grouped_by=group_column)


def _open_video(path: str) -> tuple[BufferedIOBase, int]:
    """A file or a member of a tar for reading, and how many bytes it has."""
    outer, _, member = path.partition(MEMBER)
    if not member:
        return Path(path).open("rb"), Path(path).stat().st_size
    with tarfile.open(outer, "r:") as archive:
        info = archive.getmember(member)
        file = archive.extractfile(info)
        return BytesIO(file.read() if file else b""), info.size


def _shards(manifest: Manifest) -> Iterator[list[tuple[int, Sample, str]]]:
    """Samples with their number and json, in runs of about SHARD_BYTES."""
    held, held_bytes = [], 0
    for number, sample in enumerate(manifest.samples):
        head = next(iter(manifest.heads))
        names = list(sample.labels.get(head, ()))
        record = {"label": names if manifest.multi_label else next(iter(names), None)}
        optional = {name: getattr(sample, name) for name in ("start_s", "end_s", "split", "group")}
        record |= {name: value for name, value in optional.items() if value is not None}
        outer = sample.path.partition(MEMBER)
        held_bytes += Path(outer[0]).stat().st_size if not outer[2] else 0
        held.append((number, sample, json.dumps(record, ensure_ascii=False)))
        if held_bytes >= SHARD_BYTES:
            yield held
            held, held_bytes = [], 0
    if held:
        yield held


def write_webdataset(manifest: Manifest, path: Path) -> None:
    """A folder of shards with copies of the videos, each with a json. A video may be in one sample only."""
    paths = [sample.path for sample in manifest.samples]
    if len(manifest.heads) != 1 or len(set(paths)) < len(paths):
        raise DataError(
            "WebDataset shards hold one head, and each video once; write parquet, or cut the spans into files"
        )
    gone = next((path for path in paths if not any(Path(p).is_file() for p in (path, path.partition(MEMBER)[0]))), None)
    if gone is not None:
        raise DataError(f"shards hold copies of the videos, and {gone} is not there; remove it from the data")
    path.mkdir()
    for count, samples in enumerate(_shards(manifest)):
        with tarfile.open(path / f"shards-{count:06d}.tar", "w", format=tarfile.PAX_FORMAT) as archive:
            for number, sample, record in samples:
                suffix = Path(sample.path).suffix.lower()
                info = tarfile.TarInfo(f"{number:08d}{suffix}")
                file, info.size = _open_video(sample.path)
                with file:
                    archive.addfile(info, file)
                text = record.encode()
                info = tarfile.TarInfo(f"{number:08d}.json")
                info.size = len(text)
                archive.addfile(info, BytesIO(text))


def expand(pattern: str) -> list[Path]:
    """The tars that a pattern with {000..003}, * or ? names, sorted; DataError where a numbered one is absent."""
    first, brace, rest = pattern.partition("{")
    numbers, closing, last = rest.partition("}")
    low, dots, high = numbers.partition("..")
    if brace and closing and dots and low.isdigit() and high.isdigit():
        found = [Path(absolute(f"{first}{i:0{len(low)}d}{last}")) for i in range(int(low), int(high) + 1)]
        absent = [shard for shard in found if not shard.is_file()]
        if absent:
            raise DataError(
                f"{len(absent)} of {counted(len(found), 'shard')} of {pattern} {'does' if len(absent) == 1 else 'do'} "
                f"not exist, first {absent[0]}; correct the numbers, or copy what is missing"
            )
        return found
    folder = Path(absolute(pattern)).parent
    return sorted(folder.glob(Path(pattern).name)) if folder.is_dir() else []
