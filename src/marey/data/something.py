"""Something-Something V2: train.json, validation.json, test.json of {"id", "template"}, and labels.json of the classes.

The class is the template without its brackets: "Putting [something] onto [something]" is "Putting something onto
something". Videos are ID.webm. (Goyal et al., ICCV 2017, arXiv:1706.04261)
"""

import json
from pathlib import Path
from typing import Any

from ..errors import DataError
from .manifest import Manifest, Sample
from .rows import Draft, by_split, nearest, one_label, only_head, stems
from .sources import Source

FILE_OF = {"train": "train.json", "val": "validation.json", "test": "test.json", "": "samples.json"}


def recognise_something(source: Source) -> bool:
    """A JSON list of objects with an id and a template (or, in the test list, the id alone)."""
    first = source.document[0] if isinstance(source.document, list) and source.document else None
    return isinstance(first, dict) and "id" in first and ("template" in first or len(first) == 1)


def class_names(folder: Path) -> list[str] | None:
    """Classes in the order of their numbers, from the JSON in the folder that maps names to "0", "1", ..."""
    for path in sorted(folder.glob("*.json")):
        source = Source(path)
        if source.json_fault:
            raise DataError(source.json_fault)
        found: Any = source.document
        if isinstance(found, dict) and found and all(str(number).isdigit() for number in found.values()):
            return sorted(found, key=lambda name: int(found[name]))
    return None


def read_something(source: Source) -> Draft:
    """The test list has no templates, and comes back without classes."""
    source.refuse_group_by("Something-Something lists")
    names, rows = class_names(source.folder), []
    if not isinstance(source.document, list):
        raise DataError(
            source.json_fault
            or f'{source} is not a Something-Something list; it needs [{{"id": "1", "template": "..."}}]'
        )
    for number, record in enumerate(source.document, 1):
        where = f"{source}, entry {number}"
        if not isinstance(record, dict) or not str(record.get("id", "")):
            raise DataError(f'{where}: no id; write it as {{"id": "1", "template": "..."}}')
        label = str(record.get("template", "")).replace("[", "").replace("]", "")
        if label and names is not None and label not in names:
            raise DataError(
                f"{where}: template {label!r} is not in the class list{nearest(label, names)}; correct either"
            )
        name = str(record["id"])
        path = str(source.finder.find(name) or source.finder.expected(f"{name}.webm"))
        rows.append((where, Sample(path, {"label": (label,) if label else ()})))
    return Draft(rows, heads=None if names is None else {"label": names})


def write_something(manifest: Manifest, path: Path) -> None:
    """A folder of one JSON a split and labels.json; spans and groups do not fit."""
    kind = "Something-Something JSON"
    head, named = only_head(manifest, kind=kind), stems(manifest, kind=kind)
    path.mkdir()
    for split, samples in by_split(manifest, kind=kind).items():
        records = []
        for sample in samples:
            if sample.start_s is not None or sample.end_s is not None:
                raise DataError(f"{kind} holds whole videos, and {sample.path} is used in part; write parquet or csv")
            label = {"template": one_label(sample, head, kind=kind)} if sample.labels.get(head) else {}
            records.append({"id": named[sample.path], **label})
        (path / FILE_OF[split]).write_text(json.dumps(records, ensure_ascii=False, indent=0), encoding="utf-8")
    labels = {name: str(number) for number, name in enumerate(manifest.heads[head])}
    (path / "labels.json").write_text(json.dumps(labels, ensure_ascii=False, indent=0), encoding="utf-8")
