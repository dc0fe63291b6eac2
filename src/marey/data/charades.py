"""Charades: a CSV with a video a row and its actions as "c092 11.90 21.20;c147 0.00 12.60".

The classification task asks which actions occur anywhere in a video: one multi-label sample a video, kind `charades`.
Kind `charades-spans` makes a sample of every span instead. Class names come from a file of lines "c000 Holding ..."
in the same folder. (Sigurdsson et al., ECCV 2016, arXiv:1604.01753)
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError
from ..video import probe
from .manifest import Manifest, Sample
from .rows import Draft, by_split, checked_span, only_head, seconds, stems
from .sources import Source

NEEDED = {"id", "subject", "actions", "length"}
CLASS_LINE = re.compile(r"(c\d{3}) (?!o\d{3} v\d{3}$)(.+)")  # not the mapping to objects and verbs


def recognise_charades(source: Source) -> bool:
    """Charades' columns."""
    return set(source.columns) >= NEEDED


def class_names(folder: Path) -> dict[str, str]:
    """code -> name, from the one text file in the folder whose lines are "c000 name"; empty without it."""
    for path in sorted(folder.glob("*.txt")):
        if CLASS_LINE.fullmatch(Source(path).first_line):
            return {m[1]: m[2].strip() for _, line in Source(path).lines() if (m := CLASS_LINE.fullmatch(line))}
    return {}


def _actions(cell: str, names: dict[str, str], where: str) -> Iterator[tuple[str, float | None, float | None]]:
    for action in filter(None, (part.strip() for part in cell.split(";"))):
        words = action.split()
        if len(words) != 3 or (names and words[0] not in names):
            raise DataError(
                f"{where}: action {action!r} is not a known class with start and end, like 'c092 11.90 21.20'"
            )
        start_s, end_s = (seconds(word, column=f"time of {words[0]}", where=where) for word in words[1:])
        yield names.get(words[0], words[0]), *checked_span(start_s, end_s, where=where)


def _read(source: Source, *, spans: bool) -> Draft:
    source.need_columns(NEEDED, kind="Charades CSV")
    names = class_names(source.folder)
    group_column = source.group_column(source.columns, ("subject",))
    rows: list[tuple[str, Sample]] = []
    for where, record in source.records():
        if not record["id"]:
            raise DataError(f"{where}: id is empty; name the video or remove the line")
        path = str(source.finder.find(record["id"]) or source.finder.expected(f"{record['id']}.mp4"))
        actions, group = list(_actions(record["actions"], names, where)), record[group_column] or None
        if spans:
            rows += [(where, Sample(path, {"label": (name,)}, a, b, group=group)) for name, a, b in actions]
        else:
            labels = tuple(dict.fromkeys(name for name, _, _ in actions))
            rows.append((where, Sample(path, {"label": labels}, group=group)))
    heads = {"label": list(names.values())} if names else None
    return Draft(rows, heads=heads, multi_label=not spans, grouped_by=group_column)


def read_charades(source: Source) -> Draft:
    """One sample a video, with every class that occurs in it."""
    return _read(source, spans=False)


def read_charades_spans(source: Source) -> Draft:
    """One sample a span, of one class; spans may overlap."""
    return _read(source, spans=True)


def write_charades(manifest: Manifest, path: Path) -> None:
    """A folder of one CSV a split and the class names; a sample without a span gets the length of its video."""
    kind = "Charades CSV"
    head, named = only_head(manifest, kind=kind), stems(manifest, kind=kind)
    codes = {name: f"c{number:03d}" for number, name in enumerate(manifest.heads[head])}
    path.mkdir()
    (path / "classes.txt").write_text("".join(f"{code} {name}\n" for name, code in codes.items()), encoding="utf-8")
    for split, samples in by_split(manifest, kind=kind).items():
        videos: dict[str, list[Sample]] = {}
        for sample in samples:
            videos.setdefault(sample.path, []).append(sample)
        with (path / f"charades{split and '_'}{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "subject", "actions", "length"])
            for video, parts in videos.items():
                length_s = probe(video).duration_s
                actions = [
                    f"{codes[name]} {s.start_s or 0.0} {length_s if s.end_s is None else s.end_s}"
                    for s in parts
                    for name in s.labels[head]
                ]
                writer.writerow([named[video], parts[0].group or "", ";".join(actions), length_s])
