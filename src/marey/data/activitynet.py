"""ActivityNet: one JSON whose "database" maps a video to its subset and its labelled segments.

A segment is a sample, and all segments of a video are one group. Videos of the test subset come without classes.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError
from ..video import probe
from .manifest import Manifest, Sample
from .rows import Draft, checked_span, one_label, only_head, seconds, split_name, stems
from .sources import Source

SUBSETS = {"train": "training", "val": "validation", "test": "testing", None: ""}
SEGMENT = '{"segment": [1.5, 20.0], "label": "Long jump"}'


def recognise_activitynet(source: Source) -> bool:
    """A JSON object with a "database" of videos of which some have a subset."""
    database = source.document.get("database") if isinstance(source.document, dict) else None
    videos = database.values() if isinstance(database, dict) else [None]
    return not videos or any(isinstance(video, dict) and "subset" in video for video in videos)


def _segments(video: object, where: str) -> Iterator[tuple[str, str, tuple[float | None, float | None]]]:
    """(where, class name, span) of every annotation of a video."""
    if not isinstance(video, dict) or "subset" not in video or not isinstance(video.get("annotations") or [], list):
        raise DataError(f'{where}: write it as {{"subset": "training", "annotations": [{SEGMENT}]}}')
    for number, annotation in enumerate(video.get("annotations") or [], 1):
        here = f"{where}, annotation {number}"
        held = annotation if isinstance(annotation, dict) else {}
        segment, label = held.get("segment"), held.get("label")
        if not isinstance(segment, list) or len(segment) != 2 or label in (None, ""):
            raise DataError(f"{here}: write it as {SEGMENT}, in seconds")
        start_s, end_s = (seconds(time, column="segment", where=here) for time in segment)
        yield here, str(label), checked_span(start_s, end_s, where=here)


def read_activitynet(source: Source) -> Draft:
    """Videos are found as v_ID or ID with any extension."""
    source.refuse_group_by("ActivityNet files")
    if not recognise_activitynet(source):
        raise DataError(
            source.json_fault
            or f'{source} is not an ActivityNet file; it needs {{"database": {{ID: {{"subset", "annotations"}}}}}}'
        )
    rows = []
    for name, video in source.document["database"].items():
        where = f"{source}, video {name}"
        path = str(source.finder.find(f"v_{name}", name) or source.finder.expected(f"v_{name}.mp4"))
        segments = list(_segments(video, where))
        split = split_name(video["subset"], where=where)
        for here, label, span in segments:
            rows.append((here, Sample(path, {"label": (label,)}, *span, split, name)))
        if not segments:
            rows.append((where, Sample(path, {"label": ()}, split=split, group=name)))
    return Draft(rows, grouped_by="video", may_miss=True)


def write_activitynet(manifest: Manifest, path: Path) -> None:
    """A sample without a span gets the length of its video; groups are not kept: on reading they are the videos."""
    kind = "ActivityNet JSON"
    head, named = only_head(manifest, kind=kind), stems(manifest, kind=kind)
    database: dict[str, dict] = {}
    for sample in manifest.samples:
        duration_s = probe(sample.path).duration_s if named[sample.path] not in database else None
        empty = {"duration": duration_s, "subset": SUBSETS[sample.split], "annotations": []}
        video = database.setdefault(named[sample.path], empty)
        if video["subset"] != SUBSETS[sample.split]:
            raise DataError(f"{kind} has one subset a video, and {sample.path} is in two; make its splits one")
        if sample.labels.get(head):
            segment = [sample.start_s or 0.0, video["duration"] if sample.end_s is None else sample.end_s]
            video["annotations"].append({"segment": segment, "label": one_label(sample, head, kind=kind)})
    path.write_text(
        json.dumps({"version": "marey", "database": database}, ensure_ascii=False, indent=1), encoding="utf-8"
    )
