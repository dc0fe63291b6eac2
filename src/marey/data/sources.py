"""A path given as data, read as far as it takes to tell what it is."""

import csv
import json
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

from ..errors import DataError, counted
from .finding import Finder
from .rows import absolute

HEAD_BYTES = 1 << 16


class Source:
    """One file, folder or shard pattern, with the request's other words.

    group_by  column that gives `Sample.group`; None takes the format's own
    root      folder of the videos; None is the folder of the file
    shards    tar files that a pattern stands for; None takes the file itself or the tars of the folder
    """

    def __init__(
        self,
        path: str | Path,
        *,
        group_by: str | None = None,
        root: str | Path | None = None,
        shards: list[Path] | None = None,
    ) -> None:
        self.path, self.group_by = Path(absolute(path)), group_by
        self.root = None if root is None else Path(absolute(root))
        self.folder = self.path if self.path.is_dir() else self.path.parent
        self.finder = Finder(self.folder, self.root)
        self.shards = shards if shards is not None else self._shards()

    def __str__(self) -> str:
        return str(self.path)

    def _shards(self) -> list[Path]:
        if self.path.is_dir():
            return sorted(p for p in self.path.glob("*.tar") if not p.name.startswith("."))
        return [self.path] if self.head[257:262] == b"ustar" else []

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB; empty for what is not a file."""
        if not self.path.is_file():
            return b""
        try:
            with self.path.open("rb") as file:
                return file.read(HEAD_BYTES)
        except OSError as error:
            raise DataError(f"{self.path} cannot be opened ({error.strerror}); check its permissions") from error

    @cached_property
    def first_line(self) -> str:
        """The first line that is not blank; empty where the file is not text."""
        if b"\0" in self.head:
            return ""
        text = self.head.decode("utf-8-sig", errors="replace")
        return next((line.strip() for line in text.splitlines() if line.strip()), "")

    @cached_property
    def delimiter(self) -> str:
        """What separates the fields of the first line."""
        return max(",\t;", key=self.first_line.count)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The first line as the header of a table, in lower case."""
        fields = next(csv.reader([self.first_line], delimiter=self.delimiter), [])
        return tuple(field.strip().lower() for field in fields)

    @property
    def document(self) -> Any:
        """The whole file as one JSON value; None where it is none."""
        return self._json[0]

    @property
    def json_fault(self) -> str:
        """What is wrong with a file that begins like JSON, as a sentence; empty where it is JSON, or JSON Lines."""
        return self._json[1]

    @cached_property
    def _json(self) -> tuple[Any, str]:
        if self.first_line[:1] not in ("{", "["):
            return None, ""
        text = self.text()
        try:
            return json.loads(text), ""
        except json.JSONDecodeError as error:
            fault = f"{self.path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
        try:
            json.loads(self.first_line)
        except ValueError:
            return None, f"{fault}; correct it there, or copy the file again if it was cut off"
        return None, ""

    def text(self) -> str:
        """The whole file; DataError where it is not UTF-8."""
        try:
            return self.path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            line = self.path.read_bytes().count(b"\n", 0, error.start) + 1
            raise DataError(f"{self.path}, line {line}: not UTF-8 text; save the file as UTF-8") from error

    def lines(self) -> Iterator[tuple[str, str]]:
        """(where, text) of every line that is not blank."""
        for number, line in enumerate(self.text().split("\n"), 1):
            if line.strip():
                yield f"{self.path}, line {number}", line.strip()

    def names(self) -> list[str]:
        """The names of a class list, one a line, whose places are their numbers; DataError for a gap or a double."""
        names = [line.strip() for line in self.text().rstrip().split("\n")]
        for number, name in enumerate(names):
            if not name or name in names[:number]:
                fault = f"class {name!r} is there already" if name else "empty"
                raise DataError(f"{self.path}, line {number + 1}: {fault}; name each class once, a line each")
        return names

    def records(self) -> Iterator[tuple[str, dict[str, str]]]:
        """(where, column -> cell) of every row of a table with a header; DataError where a row has another length."""
        self.refuse_twins(self.columns)
        reader = csv.reader(StringIO(self.text(), newline=""), delimiter=self.delimiter, strict=True)
        header = False
        try:
            for row in reader:
                if not any(cell.strip() for cell in row):
                    continue
                where = f"{self.path}, line {reader.line_num}"
                if header and len(row) != len(self.columns):
                    raise DataError(
                        f"{where}: {counted(len(row), 'field')} where the header names {len(self.columns)}; "
                        f"put a field that holds {self.delimiter!r} in double quotes, and leave an absent one empty"
                    )
                if header:
                    yield where, {name: cell.strip() for name, cell in zip(self.columns, row, strict=True)}
                header = True
        except csv.Error as error:
            raise DataError(f"{self.path}, line {reader.line_num}: {error}; correct the quotes of this line") from error

    def column(self, candidates: Sequence[str]) -> str | None:
        """The first of the candidates that is a column."""
        return next((name for name in candidates if name in self.columns), None)

    def group_column(self, columns: Sequence[str], default: Sequence[str]) -> str:
        """The column that gives the group: `group_by` where it is set, else the first of `default`, else none."""
        if self.group_by is not None and self.group_by.strip().lower() not in columns:
            raise DataError(f"{self.path} has no column {self.group_by!r} to group by; it has {', '.join(columns)}")
        if self.group_by is not None:
            return self.group_by.strip().lower()
        return next((name for name in default if name in columns), "")

    def refuse_twins(self, columns: Sequence[str]) -> None:
        """DataError where two columns have one name, apart from case."""
        twice = next((name for name in columns if name and list(columns).count(name) > 1), None)
        if twice is not None:
            raise DataError(f"{self.path} has two columns called {twice!r}; rename one of them")

    def need_columns(self, wanted: Collection[str], *, kind: str) -> None:
        """DataError where columns that a format always has are not there."""
        lacking = sorted(set(wanted) - set(self.columns))
        if lacking:
            raise DataError(
                f"{self.path} is no {kind}, for it has no column {lacking[0]!r} among {', '.join(self.columns)}; "
                "correct its first line, or --kind"
            )

    def refuse_group_by(self, kind: str) -> None:
        """DataError where a group column was asked of a format that has no columns."""
        if self.group_by is not None:
            raise DataError(
                f"{kind} have no column {self.group_by!r} to group by; write a CSV with path,label,{self.group_by}"
            )
