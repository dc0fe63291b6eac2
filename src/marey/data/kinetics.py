"""Kinetics: a CSV `label,youtube_id,time_start,time_end,split` and whichever videos could still be downloaded.

A video is found by name below the folder: `YTID_000012_000022.mp4` is the clip, `YTID.mp4` the whole video.
"""

import csv
import re
from pathlib import Path

from ..errors import DataError
from .manifest import Manifest, Sample
from .rows import Draft, checked_span, one_label, only_head, seconds, split_name, stems
from .sources import Source

NEEDED = {"youtube_id", "time_start", "time_end"}
SPLIT_WORDS = {"train": "train", "val": "validate", "test": "test", None: ""}
TRIMMED = re.compile(r"(.+)_(\d{6})_(\d{6})")


def recognise_kinetics(source: Source) -> bool:
    """The three columns that only Kinetics has."""
    return set(source.columns) >= NEEDED


def read_kinetics(source: Source) -> Draft:
    """Rows without a label column (the test list) come back without a class."""
    source.need_columns(NEEDED, kind="Kinetics CSV")
    rows = []
    group_column = source.group_column(source.columns, ("youtube_id",))
    for where, record in source.records():
        name, label = record["youtube_id"], record.get("label", "")
        if not name or ("label" in record and not label):
            raise DataError(f"{where}: {'label' if name else 'youtube_id'} is empty; fill it in or remove the line")
        start_s, end_s = checked_span(
            seconds(record["time_start"], column="time_start", where=where),
            seconds(record["time_end"], column="time_end", where=where),
            where=where,
        )
        clip = None
        if start_s is not None and end_s is not None:
            clip = source.finder.find(f"{name}_{int(start_s):06d}_{int(end_s):06d}")
        span = (None, None) if clip else (start_s, end_s)
        path = clip or source.finder.find(name) or source.finder.expected(f"{name}.mp4")
        labels = {"label": (label,) if label else ()}
        split = split_name(record.get("split"), where=where)
        rows.append((where, Sample(str(path), labels, *span, split, record[group_column])))
    return Draft(rows, grouped_by=group_column, may_miss=True)


def write_kinetics(manifest: Manifest, path: Path) -> None:
    """Groups are not kept: on reading they are the video names."""
    head, named = only_head(manifest, kind="Kinetics CSV"), stems(manifest, kind="Kinetics CSV")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["label", "youtube_id", "time_start", "time_end", "split"])
        for sample in manifest.samples:
            name, span = named[sample.path], (sample.start_s, sample.end_s)
            trimmed = TRIMMED.fullmatch(name)
            if trimmed and span == (None, None) and int(trimmed[2]) < int(trimmed[3]):
                name, span = trimmed[1], (int(trimmed[2]), int(trimmed[3]))
            label = one_label(sample, head, kind="Kinetics CSV")
            writer.writerow([label, name, *("" if t is None else t for t in span), SPLIT_WORDS[sample.split]])
