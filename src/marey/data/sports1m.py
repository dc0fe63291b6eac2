"""Sports-1M: lists of lines "url label,label" with class numbers, and labels.txt with a class name a line.

(Karpathy et al., CVPR 2014)
"""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ..errors import DataError
from .manifest import Manifest, Sample
from .rows import Draft, by_split, class_at, only_head, stems
from .sources import Source

LINE = re.compile(r"(https?://\S+)\s+(\d+(?:,\d+)*)")
FILE_OF = {
    "train": "train_partition.txt",
    "val": "val_partition.txt",
    "test": "test_partition.txt",
    "": "partition.txt",
}


def recognise_sports1m(source: Source) -> bool:
    """A first line of an address and class numbers."""
    return LINE.fullmatch(source.first_line) is not None


def video_name(url: str) -> str:
    """The video's name in an address: watch?v=NAME, or the last part of the path."""
    parts = urlsplit(url)
    return parse_qs(parts.query).get("v", [""])[0] or parts.path.rpartition("/")[2]


def read_sports1m(source: Source) -> Draft:
    """Videos are found by the name in their address; without labels.txt classes are called by number."""
    source.refuse_group_by("Sports-1M lists")
    listed = source.folder / "labels.txt"
    names = Source(listed).names() if listed.is_file() else None
    rows = []
    for where, line in source.lines():
        match = LINE.fullmatch(line)
        if match is None:
            raise DataError(
                f"{where}: {line[:80]!r} is not an address and class numbers; write it like 'https://... 432,433'"
            )
        numbers = match[2].split(",")
        if names is not None:
            numbers = [class_at(names, number, where=where, listed_in=listed.name) for number in numbers]
        name = video_name(match[1])
        path = str(source.finder.find(name) or source.finder.expected(f"{name}.mp4"))
        rows.append((where, Sample(path, {"label": tuple(dict.fromkeys(numbers))}, group=name)))
    heads = None if names is None else {"label": names}
    return Draft(rows, heads=heads, multi_label=True, grouped_by="video", may_miss=True)


def write_sports1m(manifest: Manifest, path: Path) -> None:
    """A folder of one list a split and labels.txt; reading it gives multi-label data grouped by video."""
    kind = "Sports-1M lists"
    head, named = only_head(manifest, kind=kind), stems(manifest, kind=kind)
    numbers = {name: str(number) for number, name in enumerate(manifest.heads[head])}
    path.mkdir()
    for split, samples in by_split(manifest, kind=kind).items():
        lines = []
        for sample in samples:
            if sample.start_s is not None or sample.end_s is not None or not sample.labels.get(head):
                raise DataError(
                    f"{kind} name whole videos with classes, unlike {sample.path}; write parquet, csv or jsonl"
                )
            classes = ",".join(numbers[name] for name in sample.labels[head])
            lines.append(f"https://www.youtube.com/watch?v={named[sample.path]} {classes}\n")
        (path / FILE_OF[split]).write_text("".join(lines), encoding="utf-8")
    (path / "labels.txt").write_text("".join(f"{name}\n" for name in numbers), encoding="utf-8")
