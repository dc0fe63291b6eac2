"""ActivityNet: one JSON whose "database" maps a video to its subset and its labelled segments.

A segment is a sample, and all segments of a video are one group. Videos of the test subset come without classes.
"""

import json
from pathlib import Path

from ..errors import DataError
from ..video import probe
from .manifest import Manifest, Sample
from .rows import Draft, checked_span, one_label, only_head, seconds, split_name, stems
from .sources import Source

SUBSETS = {"train": "training", "val": "validation", "test": "testing", None: ""}


def recognise_activitynet(source: Source) -> bool:
    """A JSON object with a "database" of videos that have a subset."""
    database = source.document.get("database") if isinstance(source.document, dict) else None
    return isinstance(database, dict) and all(isinstance(v, dict) and "subset" in v for v in database.values())


def read_activitynet(source: Source) -> Draft:
    """Videos are found as v_ID or ID with any extension."""
    source.refuse_group_by("ActivityNet files")
    if not recognise_activitynet(source):
        raise DataError(
            f'{source} is not an ActivityNet file; it needs {{"database": {{ID: {{"subset", "annotations"}}}}}}'
        )
    rows = []
    for name, video in source.document["database"].items():
        where = f"{source}, video {name}"
        path = str(source.finder.find(f"v_{name}", name) or source.finder.expected(f"v_{name}.mp4"))
        split = split_name(video["subset"], where=where)
        annotations = video.get("annotations") or []
        for number, annotation in enumerate(annotations, 1):
            here = f"{where}, annotation {number}"
            try:
                (start, end), label = annotation["segment"], str(annotation["label"])
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f'{here}: write it as {{"segment": [start, end], "label": name}}') from error
            times = (seconds(time, column="segment", where=here) for time in (start, end))
            rows.append((here, Sample(path, {"label": (label,)}, *checked_span(*times, where=here), split, name)))
        if not annotations:
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
