"""EPIC-Kitchens: a CSV with a span a row, its verb and its noun: two heads.

Class names come from CSVs of `id,key` (EPIC-Kitchens-100) or `verb_id,class_key` (55) in the same folder whose names
contain "verb" and "noun"; without them a class is called by its most frequent word. The group is the participant, that
is the kitchen. (Damen et al., IJCV 2021, arXiv:2006.13256)
"""

import csv
from collections import Counter
from pathlib import Path

from ..errors import DataError
from .manifest import Manifest, Sample
from .rows import Draft, by_split, checked_span, class_at, seconds, stems
from .sources import Source

NEEDED = {"participant_id", "video_id", "start_timestamp", "stop_timestamp"}
HEADS = ("verb", "noun")


def recognise_epic(source: Source) -> bool:
    """EPIC-Kitchens' columns; its test list has no classes."""
    return set(source.columns) >= NEEDED


def class_names(source: Source, head: str, rows: list[dict[str, str]]) -> tuple[list[str], str]:
    """(names by class number, where they come from)."""
    for path in sorted(source.folder.glob(f"*{head}*.csv")):
        listed = Source(path)
        number = listed.column(("id", f"{head}_id"))
        name = listed.column(("key", "class_key"))
        if number and name:
            found = {int(record[number]): record[name] for _, record in listed.records() if record[number].isdigit()}
            return [found.get(i, f"{head} {i}") for i in range(max(found, default=-1) + 1)], path.name
    words: dict[int, Counter[str]] = {}
    for record in rows:
        if record.get(f"{head}_class", "").isdigit():
            words.setdefault(int(record[f"{head}_class"]), Counter())[record.get(head, "")] += 1
    names: list[str] = []
    for i in range(max(words, default=-1) + 1):
        word = min(words[i], key=lambda w: (-words[i][w], w)) if i in words else ""
        names.append(word if word and word not in names else f"{head} {i}")
    return names, source.path.name


def read_epic(source: Source) -> Draft:
    """Videos are found as VIDEO_ID with any extension."""
    source.need_columns(NEEDED, kind="EPIC-Kitchens CSV")
    group_column = source.group_column(source.columns, ("participant_id",))
    records = list(source.records())
    lists = {head: class_names(source, head, [record for _, record in records]) for head in HEADS}
    rows = []
    for where, record in records:
        name = record["video_id"]
        if not name:
            raise DataError(f"{where}: video_id is empty; name the video or remove the line")
        span = (
            seconds(record[f"{end}_timestamp"], column=f"{end}_timestamp", where=where) for end in ("start", "stop")
        )
        labels = {
            head: (class_at(names, record[f"{head}_class"], where=where, listed_in=listed_in, column=f"{head}_class"),)
            for head, (names, listed_in) in lists.items()
            if f"{head}_class" in record
        }
        path = str(source.finder.find(name) or source.finder.expected(f"{name}.MP4"))
        group = record[group_column] or None
        rows.append((where, Sample(path, labels, *checked_span(*span, where=where), group=group)))
    return Draft(rows, heads={head: names for head, (names, _) in lists.items()}, grouped_by=group_column)


def clock(time_s: float) -> str:
    """12.5 -> "00:00:12.500"."""
    total_s, ms = divmod(round(time_s * 1000), 1000)
    return f"{total_s // 3600:02d}:{total_s // 60 % 60:02d}:{total_s % 60:02d}.{ms:03d}"


def write_epic(manifest: Manifest, path: Path) -> None:
    """A folder of one CSV a split and the class lists; times to the millisecond, no frame numbers."""
    kind = "EPIC-Kitchens CSV"
    named = stems(manifest, kind=kind)
    if set(manifest.heads) != set(HEADS) or manifest.multi_label:
        raise DataError(
            f"{kind} holds one verb and one noun a span, not {', '.join(manifest.heads)}; write parquet or csv"
        )
    path.mkdir()
    for head in HEADS:
        with (path / f"{head}_classes.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("id", "key"), *enumerate(manifest.heads[head])])
    numbers = {head: {name: i for i, name in enumerate(manifest.heads[head])} for head in HEADS}
    columns = ["narration_id", "participant_id", "video_id", "start_timestamp", "stop_timestamp"]
    for split, samples in by_split(manifest, kind=kind).items():
        with (path / f"epic{split and '_'}{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*columns, "verb", "verb_class", "noun", "noun_class"])
            for number, sample in enumerate(samples):
                if sample.start_s is None or sample.end_s is None:
                    raise DataError(f"{kind} holds spans, and {sample.path} has none; write parquet or csv")
                name, classes = named[sample.path], [sample.labels.get(head, ()) for head in HEADS]
                if any(len(names) != 1 for names in classes):
                    raise DataError(
                        f"{kind} holds one verb and one noun a span, and {sample.path} lacks one; write parquet"
                    )
                cells = [
                    cell for head, (word,) in zip(HEADS, classes, strict=True) for cell in (word, numbers[head][word])
                ]
                span = (clock(sample.start_s), clock(sample.end_s))
                writer.writerow([f"{name}_{number}", sample.group or "", name, *span, *cells])
