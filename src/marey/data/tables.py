"""Tables with `path,label` and optional `start_s,end_s,split,group`: CSV, TSV, JSON Lines and Parquet.

The group may be called group, source, subject or camera; the first of these counts. Only test clips may lack a label.

Several labels of one row are separated by '|' or ';' in CSV and TSV, and are a list in JSON Lines and Parquet; either
makes the data multi-label. Several heads are columns `label:HEAD`. A column `class_group` names the group a class is
reported under. Parquet written here is the internal manifest: its schema metadata holds what the rows do not.
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError
from .manifest import Manifest, Sample
from .rows import Draft, checked_span, is_there, relative_to_file, seconds, split_name
from .sources import Source

PATH_COLUMNS = ("path", "video", "file", "filename", "video_path")
LABEL_COLUMNS = ("label", "labels", "class")
OPTIONAL_COLUMNS = ("start_s", "end_s", "split", "group")
GROUP_COLUMNS = ("group", "source", "subject", "camera")
SCHEMA, METADATA_KEY = "marey.manifest/1", b"marey.manifest"


def recognise_csv(source: Source) -> bool:
    """A header with commas (or semicolons) that names a path column."""
    return source.delimiter != "\t" and bool(source.column(PATH_COLUMNS))


def recognise_tsv(source: Source) -> bool:
    """A header with tabs that names a path column."""
    return source.delimiter == "\t" and bool(source.column(PATH_COLUMNS))


def recognise_jsonl(source: Source) -> bool:
    """A first line that is a JSON object with a path."""
    try:
        first = json.loads(source.first_line)
    except ValueError:
        return False
    return isinstance(first, dict) and any(name in first for name in PATH_COLUMNS)


def recognise_parquet(source: Source) -> bool:
    """Parquet's magic number."""
    return source.head[:4] == b"PAR1"


def _label_columns(columns: Sequence[str]) -> dict[str, str]:
    """head -> column."""
    heads = {name.partition(":")[2]: name for name in columns if name.startswith("label:") and name != "label:"}
    if heads:
        return heads
    return next(({"label": name} for name in LABEL_COLUMNS if name in columns), {})


def _needed_columns(source: Source, columns: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The path column and the label columns; DataError where one is missing."""
    path_column = next((name for name in PATH_COLUMNS if name in columns), None)
    labels = _label_columns(columns)
    if path_column is None or not labels:
        wanted = "path" if path_column is None else "label"
        raise DataError(f"{source} has no column {wanted!r} among {', '.join(columns)}; rename one to {wanted!r}")
    return path_column, labels


def _name(cell: object, where: str) -> str:
    """A class name from what JSON and Parquet hold; 3.0 is how tables with gaps write 3."""
    if cell is None or not isinstance(cell, str | int | float):
        raise DataError(f"{where} is {cell!r}; write the name of a class, or a list of names")
    return str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell)


def _names(cell: Any, separators: str, where: str) -> tuple[tuple[str, ...], bool]:
    """(class names, whether the cell is written as several)."""
    if isinstance(cell, list):
        return tuple(dict.fromkeys(_name(name, where) for name in cell)), True
    text = "" if cell is None else _name(cell, where).strip()
    several = any(mark in text for mark in separators)
    for mark in separators[1:]:
        text = text.replace(mark, separators[0])
    names = text.split(separators[0]) if several else [text]
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip())), several


def _draft(
    source: Source, columns: Sequence[str], records: Iterator[tuple[str, Mapping[str, Any]]], *, separators: str = ""
) -> Draft:
    path_column, label_columns = _needed_columns(source, columns)
    group_column = source.group_column(columns, GROUP_COLUMNS)
    rows: list[tuple[str, Sample]] = []
    class_groups: dict[str, str] = {}
    multi_label, unlabelled = False, ""
    folder = source.root or source.folder
    for where, record in records:
        path, group = record.get(path_column), record.get(group_column)
        if path is None or str(path).strip() == "":
            raise DataError(f"{where}: {path_column} is empty; name the video file or remove the line")
        if not isinstance(path, str):
            raise DataError(f"{where}: {path_column} is {path!r}; write the path of one video as text")
        labels, split = {}, split_name(record.get("split"), where=where)
        for head, column in label_columns.items():
            labels[head], several = _names(record.get(column), separators, f"{where}: {column}")
            multi_label |= several
            unlabelled = unlabelled or ("" if labels[head] or several or split == "test" else f"{where}: {column}")
        start_s, end_s = checked_span(
            seconds(record.get("start_s"), column="start_s", where=where),
            seconds(record.get("end_s"), column="end_s", where=where),
            where=where,
        )
        named = None if group in (None, "") else str(group)
        rows.append((where, Sample(_video_path(folder, path), labels, start_s, end_s, split, named)))
        part = record.get("class_group")
        if part not in (None, ""):
            class_groups |= dict.fromkeys((name for names in labels.values() for name in names), str(part))
    if unlabelled and not multi_label:
        raise DataError(f"{unlabelled} is empty; name the class or remove the line")
    return Draft(rows, multi_label=multi_label, class_groups=class_groups, grouped_by=group_column)


def _video_path(folder: Path, written: str) -> str:
    """Absolute; where there is no such file, a path written on Windows is tried with its backslashes turned."""
    path = os.path.normpath(folder / written)
    turned = os.path.normpath(folder / written.replace("\\", "/"))
    return turned if "\\" in written and not is_there(path) and is_there(turned) else path


def read_csv(source: Source) -> Draft:
    """CSV or TSV with a header. Where ';' separates the fields, only '|' separates labels."""
    return _draft(source, source.columns, source.records(), separators="|" if source.delimiter == ";" else "|;")


def read_jsonl(source: Source) -> Draft:
    """One JSON object a line; a list of labels makes the data multi-label."""
    records: list[tuple[str, Mapping[str, Any]]] = []
    columns: dict[str, None] = {}
    for where, line in source.lines():
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{where}: not JSON ({error}); write one object a line") from error
        if not isinstance(record, dict):
            raise DataError(f"{where}: a JSON {type(record).__name__}, not an object; write one object a line")
        record = {str(name).lower(): cell for name, cell in record.items()}
        columns |= dict.fromkeys(record)
        records.append((where, record))
    return _draft(source, tuple(columns), iter(records))


def read_parquet(source: Source) -> Draft:
    """Parquet; where it was written by `write_parquet`, with everything that the manifest held."""
    try:
        table = pq.read_table(source.path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source} {parquet_fault(source.path)}") from error
    kept = json.loads((table.schema.metadata or {}).get(METADATA_KEY, b"{}"))
    table = table.rename_columns([name.lower() for name in table.column_names])
    source.refuse_twins(table.column_names)
    rows = ({name: _plain(cell) for name, cell in row.items()} for row in table.to_pylist())
    records = ((f"{source}, row {number}", row) for number, row in enumerate(rows, 1))
    draft = _draft(source, table.column_names, records)
    if not kept:
        return draft
    if kept.get("schema") != SCHEMA:
        raise DataError(f"{source} has schema {kept.get('schema')!r}; this version reads {SCHEMA!r}: write it again")
    draft.heads, draft.multi_label = kept["heads"], kept["multi_label"]
    draft.class_groups, draft.mirror = kept["class_groups"], kept["mirror"]
    draft.missing = kept["missing"]
    draft.grouped_by = source.group_by or kept["grouped_by"]
    return draft


def _plain(cell: Any) -> Any:
    """A cell of Parquet; pandas writes what is absent as not-a-number, other programs write text as bytes."""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", errors="replace")
    return None if isinstance(cell, float) and isnan(cell) else cell


def parquet_fault(path: Path) -> str:
    """What is wrong with a file that should be Parquet, which begins and ends with the same four letters."""
    with path.open("rb") as file:
        begins = file.read(4) == b"PAR1"
        file.seek(max(-4, -path.stat().st_size), os.SEEK_END)
        ends = file.read(4) == b"PAR1"
    if not begins:
        return "is not Parquet, which begins with PAR1; write it again, or say with --kind what it is"
    if not ends:
        return "is a Parquet file without its end; copy it again, for the first copy broke off"
    return "is damaged Parquet, whose contents cannot be read; copy or write it again"


def is_manifest(path: Path) -> bool:
    """Whether a file is the internal manifest, that is Parquet written by `write_parquet`."""
    with path.open("rb") as file:
        if file.read(4) != b"PAR1":
            return False
    try:
        return METADATA_KEY in (pq.read_schema(path).metadata or {})
    except pa.ArrowException:
        return False


def write_parquet(manifest: Manifest, path: Path) -> None:
    """The internal manifest; reading it gives the same samples, heads, groups and mirror pairs back."""
    kept = {
        "schema": SCHEMA,
        "heads": manifest.heads,
        "multi_label": manifest.multi_label,
        "class_groups": manifest.class_groups,
        "mirror": manifest.mirror,
        "grouped_by": manifest.grouped_by,
        "missing": manifest.missing,
    }
    samples = manifest.samples
    columns = {"path": pa.array([relative_to_file(s.path, path) for s in samples], pa.string())}
    for head in manifest.heads:
        name = "label" if head == "label" else f"label:{head}"
        columns[name] = pa.array([list(s.labels.get(head, ())) for s in samples], pa.list_(pa.string()))
    for name in OPTIONAL_COLUMNS:
        columns[name] = pa.array(
            [getattr(s, name) for s in samples], pa.float64() if name[-2:] == "_s" else pa.string()
        )
    table = pa.table(columns).replace_schema_metadata({METADATA_KEY: json.dumps(kept, ensure_ascii=False).encode()})
    pq.write_table(table, path)


def _cells(manifest: Manifest, path: Path) -> Iterator[dict[str, Any]]:
    """Rows for CSV and JSON Lines: only the columns that hold something."""
    used = [name for name in OPTIONAL_COLUMNS if any(getattr(s, name) is not None for s in manifest.samples)]
    for sample in manifest.samples:
        labels = {"label" if h == "label" else f"label:{h}": list(sample.labels.get(h, ())) for h in manifest.heads}
        groups = {manifest.class_groups.get(name) for names in sample.labels.values() for name in names}
        if manifest.class_groups and len(groups) > 1:
            raise DataError(f"{sample.path} has classes of several class groups; write parquet, which holds them")
        row = {"path": relative_to_file(sample.path, path), **labels} | {name: getattr(sample, name) for name in used}
        yield row | ({"class_group": groups.pop() if groups else None} if manifest.class_groups else {})


def _joined(names: list[str], manifest: Manifest) -> str:
    odd = next((name for name in names if set(name) & set("|;") or name != name.strip()), None)
    if odd is not None:
        raise DataError(f"class {odd!r} cannot stand in a CSV, where | and ; separate labels; write jsonl or parquet")
    return "|".join(names) + ("|" if manifest.multi_label and len(names) < 2 else "")  # the mark tells multi-label data


def _write_delimited(manifest: Manifest, path: Path, delimiter: str) -> None:
    rows = list(_cells(manifest, path))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: _joined(cell, manifest) if isinstance(cell, list) else cell for k, cell in row.items()})


def write_csv(manifest: Manifest, path: Path) -> None:
    """`path,label` and what else there is; class order and mirror pairs are not kept."""
    _write_delimited(manifest, path, ",")


def write_tsv(manifest: Manifest, path: Path) -> None:
    """As `write_csv`, with tabs."""
    _write_delimited(manifest, path, "\t")


def write_jsonl(manifest: Manifest, path: Path) -> None:
    """One object a line; lists of labels where the data are multi-label."""
    with path.open("w", encoding="utf-8") as file:
        for row in _cells(manifest, path):
            if not manifest.multi_label:
                row = {k: next(iter(cell), None) if isinstance(cell, list) else cell for k, cell in row.items()}
            file.write(json.dumps({k: v for k, v in row.items() if v is not None}, ensure_ascii=False) + "\n")
