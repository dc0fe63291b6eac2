"""The terminal: tables, progress bars with an ETA, sentences, JSON. The only module that prints."""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

# A file or a pipe has no width, and a folded name is another name to the program that reads it.
OUT = Console(highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else 10_000)
ERR = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def print_json(data: Any) -> None:
    """One JSON document on standard output and nothing else there."""
    sys.stdout.write(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def print_text(text: str) -> None:
    OUT.print(text, markup=False)


def print_error(sentence: str) -> None:
    ERR.print(f"marey: {sentence}", markup=False)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """Numbers to the right, words to the left; "" for None."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        numeric = any(isinstance(row[number], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*["" if cell is None else str(cell) for cell in row])
    OUT.print(table, markup=False)


class Terminal:
    """The narrator of the command line: bars on a terminal, a line now and then elsewhere; all on standard error."""

    def __init__(self, *, quiet: bool, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose
        self.bars: Progress | None = None
        self.tasks: dict[str, TaskID] = {}
        self.begun: dict[str, float] = {}
        self.told: dict[str, float] = {}

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bars:
            self.bars.stop()
            self.bars = None

    def say(self, sentence: str) -> None:
        if not self.quiet:
            (self.bars.console if self.bars else ERR).print(sentence, markup=False)

    def detail(self, sentence: str) -> None:
        if self.verbose:
            self.say(sentence)

    def progress(self, what: str, done: int, total: int) -> None:
        if self.quiet:
            return
        if ERR.is_terminal:
            self._bar(what, done, total)
        else:
            self._line(what, done, total)

    def _bar(self, what: str, done: int, total: int) -> None:
        if self.bars is None:
            self.bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=ERR,
            )
            self.bars.start()
        if what not in self.tasks:
            self.tasks[what] = self.bars.add_task(what, total=total)
        self.bars.update(self.tasks[what], completed=done, total=total)
        if done >= total:
            del self.tasks[what]
            if not self.tasks:
                self.bars.stop()
                self.bars = None

    def _line(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        begun = self.begun.setdefault(what, now)
        if done >= total:
            del self.begun[what]
            self.told.pop(what, None)
            ERR.print(f"{what}: {done}/{total} in {now - begun:.0f} s", markup=False)
        elif now - self.told.setdefault(what, begun) >= 10:
            self.told[what] = now
            left = (now - begun) / max(done, 1) * (total - done)
            ERR.print(f"{what}: {done}/{total}, {left:.0f} s left", markup=False)
