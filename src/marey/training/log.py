"""What a run writes about itself: metrics.jsonl, one row an epoch, and TensorBoard."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import MissingExtra, UsageError

Row = Mapping[str, float | int]  # the figures of an epoch: epoch and step are whole numbers


class Log:
    """Writes rows of figures into the run's folder; does nothing without one.

    `history` are the rows that count already: rows of an epoch that a killed process did not finish saving go.
    """

    def __init__(self, out: Path | None, history: Iterable[Row], *, tensorboard: bool) -> None:
        self._path = out / "metrics.jsonl" if out else None
        self._board = None
        rows = list(history)
        self.rewrite(rows)
        if tensorboard:
            if out is None:
                raise UsageError("TensorBoard needs a run folder to write to; give one")
            self._board = _board(out / "tensorboard", step=int(rows[-1]["step"]) if rows else 0)

    def rewrite(self, rows: Iterable[Row]) -> None:
        """Leaves these rows of finished epochs alone."""
        if self._path:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                hidden = self._path.with_name(f".{self._path.name}.tmp")
                hidden.write_text("".join(map(_line, rows)))
                hidden.replace(self._path)
            except OSError as error:
                where, why = self._path.parent, error.strerror
                raise UsageError(f"{where}: cannot be written to ({why}); choose another folder") from error

    def epoch(self, row: Row) -> None:
        """Appends the row of a finished epoch. The saved state has it too, so the disk need not be waited for."""
        if self._path:
            with self._path.open("a") as file:
                file.write(_line(row))
        self.step("epoch", row, int(row["step"]))
        if self._board:
            self._board.flush()

    def step(self, group: str, figures: Row, step: int) -> None:
        """Shows figures at an optimizer step under "group/name" in TensorBoard."""
        if self._board:
            for name, value in figures.items():
                self._board.add_scalar(f"{group}/{name}", value, step)

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._board:
            self._board.close()


def read_history(out: str | os.PathLike[str]) -> tuple[Row, ...]:
    """The rows of a run's metrics.jsonl, one an epoch; an unfinished last line is left out. Empty without the file."""
    path = Path(out) / "metrics.jsonl"
    if not path.exists():
        return ()
    return tuple(json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n"))


def advice(row: Row) -> str | None:
    """What to do about an epoch that mostly waited for its data; None when there is nothing to gain."""
    waited = row["data_wait"]
    if waited < 0.25:
        return None
    return (
        f"{waited:.0%} of the epoch was spent waiting for data, so the processor idles: "
        "raise --workers, or cache or shrink the inputs once before training"
    )


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"


def _board(folder: Path, *, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtra("TensorBoard is not installed; get it with: pip install 'marey[tensorboard]'") from error
    return SummaryWriter(str(folder), purge_step=step + 1)
