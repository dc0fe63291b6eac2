"""From the lines of an annotation file to a checked Manifest: what every format's reader shares."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from math import isfinite
from pathlib import Path

from ..errors import DataError, counted
from .manifest import Manifest, Sample

SPLITS = {  # what data sets call their parts -> what we do
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
MEMBER = "::"  # "shard.tar::member.mp4"
_SIDE, _OTHER_SIDE = re.compile(r"left|right"), {"left": "right", "right": "left"}


@dataclass
class Draft:
    """What a reader found, before it is checked.

    rows         (where, sample): `where` names file and line for an error message
    heads        head -> class names where the format lists them; None takes the sorted names of the rows
    mirror       None finds the pairs of class names that differ in "left" and "right" alone
    grouped_by   the column or rule that gave `Sample.group`
    may_miss     videos that are not there are left out and listed (lists of web videos always have some)
    missing      videos that were found missing before
    detail       what was chosen among several possibilities, for the reader to know
    """

    rows: list[tuple[str, Sample]]
    heads: Mapping[str, Sequence[str]] | None = None
    multi_label: bool = False
    class_groups: Mapping[str, str] = field(default_factory=dict)
    mirror: Mapping[str, str] | None = None
    grouped_by: str = ""
    may_miss: bool = False
    missing: Sequence[str] = ()
    detail: str = ""


def seconds(value: object, *, column: str, where: str) -> float | None:
    """A time in seconds from a number, "12.5" or a clock time "00:01:02.5"; None where the cell is empty."""
    if value is None or value == "":
        return None
    try:
        parts = [float(part) for part in str(value).split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or not all(isfinite(part) and part >= 0 for part in parts):
        raise DataError(
            f"{where}: {column} is {value!r}; write seconds of 0 or more, like 12.5, or a clock time like 00:01:02.5, "
            "or leave it empty"
        )
    return sum(part * 60**power for power, part in enumerate(reversed(parts)))


def checked_span(start_s: float | None, end_s: float | None, *, where: str) -> tuple[float | None, float | None]:
    """The span itself; DataError where it does not end after it starts."""
    if end_s is not None and end_s <= (start_s or 0.0):
        raise DataError(
            f"{where}: the span ends at {end_s:g} s but starts at {start_s or 0:g} s; the end must be later"
        )
    return start_s, end_s


def split_name(value: object, *, where: str) -> str | None:
    """ "train", "val" or "test" from any of their usual names; None where the cell is empty."""
    if value is None or str(value).strip() == "":
        return None
    found = SPLITS.get(str(value).strip().lower())
    if found is None:
        raise DataError(f"{where}: split is {value!r}; use train, val or test, or leave it empty")
    return found


def split_of_file(name: str) -> str | None:
    """The split that a file name like `charades_v1_train.csv` states; None where it states none or several."""
    found = {SPLITS[word] for word in re.findall("[a-z]+", Path(name).stem.lower()) if word in SPLITS}
    return found.pop() if len(found) == 1 else None


def class_at(names: Sequence[str], value: object, *, where: str, listed_in: str, column: str = "class") -> str:
    """The class name at the 0-based index `value` of a class list."""
    text = str(value).strip()
    if not (text.isascii() and text.isdecimal()):
        raise DataError(f"{where}: {column} is {text!r}; write the number of a class of {listed_in}, counted from 0")
    if int(text) >= len(names):
        raise DataError(
            f"{where}: {column} is {text}, but {listed_in} has {counted(len(names), 'class')}, numbered from 0; "
            "correct either"
        )
    return names[int(text)]


def nearest(name: str, names: Iterable[str]) -> str:
    """`"; did you mean 'x'?"`, or the first few names where none is near."""
    names = list(names)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}" if names else ""


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names sorted; by value where all of them are whole numbers."""
    names = set(names)
    return tuple(sorted(names, key=int if all(n.isdecimal() for n in names) else None))


def mirror_pairs(heads: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """class -> the class named the same with "left" and "right" exchanged, where there is one."""
    pairs = {}
    for names in heads.values():
        swapped = {name: _SIDE.sub(lambda m: _OTHER_SIDE[m[0]], name) for name in names}
        pairs |= {name: other for name, other in swapped.items() if other != name and other in swapped}
    return pairs


def is_there(path: str) -> bool:
    """Whether a video, or the shard that it is in, is a file, or at least a link that should lead to one.

    What a broken link stood for cannot be read, and is left out like any other broken video.
    """
    files = (Path(path), Path(path.partition(MEMBER)[0]))
    return any(file.is_file() or (file.is_symlink() and not file.exists()) for file in files)


def _refuse_odd_names(paths: Iterable[str]) -> None:
    """DataError for a file name that is not text, which no run folder and no report could keep."""
    for path in paths:
        try:
            path.encode()
        except UnicodeEncodeError:
            raise DataError(f"the name of the file {path!r} is not UTF-8; rename it") from None


def absolute(path: str | Path) -> str:
    """Absolute and normalised, with symbolic links left as they are."""
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links


def relative_to_file(path: str, file: Path) -> str:
    """How `file` names a video: relative where it lies below the file's folder, absolute elsewhere."""
    folder = absolute(file.parent)
    return Path(path).relative_to(folder).as_posix() if Path(path).is_relative_to(folder) else path


def merged(drafts: Sequence[tuple[str | None, Draft]]) -> Draft:
    """One draft of several files, each with the split that its name states; a row's own split goes first."""
    first = drafts[0][1]
    rows = [
        (where, sample if sample.split or split is None else replace(sample, split=split))
        for split, draft in drafts
        for where, sample in draft.rows
    ]
    groups = {name: group for _, draft in drafts for name, group in draft.class_groups.items()}
    multi = any(draft.multi_label for _, draft in drafts)
    return replace(first, rows=rows, class_groups=groups, multi_label=multi)


def assemble(draft: Draft, *, source: str, kind: str) -> Manifest:
    """The manifest of a draft; DataError where nothing is left, or videos are missing or named in no text."""
    paths = dict.fromkeys(sample.path for _, sample in draft.rows)
    absent = {path for path in paths if not is_there(path)}
    lost = [(where, sample) for where, sample in draft.rows if sample.path in absent]
    if not draft.rows:
        raise DataError(f"{source} lists no video; add a line for each, or name another file")
    _refuse_odd_names(paths)
    if lost and (not draft.may_miss or len(absent) == len(paths)):
        where, sample = lost[0]
        do = "does" if len(absent) == 1 else "do"
        place = "" if where == sample.path else f" ({where})"
        raise DataError(
            f"{len(absent)} of {counted(len(paths), 'video')} that {source} names {do} not exist, first "
            f"{sample.path}{place}; correct or remove these lines, or say with --root in which folder the videos are"
        )
    samples = tuple(sample for _, sample in draft.rows if sample.path not in absent)
    heads = draft.heads
    if heads is None:
        found: dict[str, set[str]] = {}
        for _, sample in draft.rows:  # also those whose video is missing: the classes do not depend on it
            for head, names in sample.labels.items():
                found.setdefault(head, set()).update(names)
        heads = {head: class_order(names) for head, names in found.items()}
    return Manifest(
        samples=samples,
        heads={head: tuple(names) for head, names in heads.items()},
        multi_label=draft.multi_label,
        source=source,
        kind=f"{kind} ({draft.detail})" if draft.detail else kind,
        class_groups=dict(draft.class_groups),
        mirror=dict(mirror_pairs(heads) if draft.mirror is None else draft.mirror),
        grouped_by=draft.grouped_by if any(sample.group for sample in samples) else "",
        missing=tuple(sorted(absent.union(draft.missing))),
    )


def only_head(manifest: Manifest, *, kind: str) -> str:
    """The name of the one head; DataError where `kind` cannot hold several."""
    if len(manifest.heads) != 1:
        raise DataError(f"{kind} holds one label a clip, not {', '.join(manifest.heads)}; write parquet or jsonl")
    return next(iter(manifest.heads))


def one_label(sample: Sample, head: str, *, kind: str) -> str:
    """The one class of a sample; DataError where it has several or none."""
    names = sample.labels.get(head, ())
    if len(names) != 1:
        raise DataError(f"{sample.path} has {len(names)} classes, and {kind} holds one a clip; write parquet or jsonl")
    return names[0]


def by_split(manifest: Manifest, *, kind: str) -> dict[str, list[Sample]]:
    """split -> its samples, "" where none has one; DataError where only some have."""
    parts: dict[str, list[Sample]] = {}
    for sample in manifest.samples:
        parts.setdefault(sample.split or "", []).append(sample)
    if "" in parts and len(parts) > 1:
        raise DataError(
            f"{kind} has a file for each split, and {parts[''][0].path} has no split; fill the splits first"
        )
    return parts


def stems(manifest: Manifest, *, kind: str) -> dict[str, str]:
    """path -> file name without extension; DataError where `kind`, which knows videos by it, would confuse two."""
    member = next((sample.path for sample in manifest.samples if MEMBER in sample.path), None)
    if member is not None:
        raise DataError(f"{kind} names files, and {member} is in a shard; unpack it, or write parquet, csv or jsonl")
    named = {sample.path: Path(sample.path).stem for sample in manifest.samples}
    twice = next((stem for stem, count in Counter(named.values()).items() if count > 1), None)
    if twice is not None:
        first, second = sorted(path for path, stem in named.items() if stem == twice)[:2]
        raise DataError(f"{kind} knows a video by its file name, and {first} and {second} share theirs; rename one")
    return named
