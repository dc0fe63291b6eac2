"""The tables of a report as plain data: the page, the card and the terminal show the same rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..results import Estimate, Evaluation, Report
from .words import (
    breakdown_metric,
    count_text,
    difference_text,
    estimate_text,
    first_of,
    headline_metric,
    metric_name,
    number_text,
    overlap,
    p_text,
    percent,
    points,
)

Kind = Literal["text", "count", "percent", "estimate", "difference", "short count", "number", "p"]


@dataclass(frozen=True)
class Starred:
    """A number that a note under its table says more about."""

    value: float


Cell = str | float | int | Estimate | Starred | None
Column = tuple[str, Kind]

EFFICIENCY: tuple[tuple[str, str, Kind], ...] = (
    ("params", "Parameters", "short count"),
    ("gmacs", "GMACs", "number"),
    ("ms_per_clip", "ms per clip", "number"),
    ("peak_memory_mb", "Peak MB", "count"),
    ("train_memory_mb", "Training MB", "count"),
    ("train_minutes", "Training min", "number"),
)

IN_PART = (
    "* Counts what multiplies weights. What is computed by hand from pixels or the stream, as motion is, is not in it; "
    "ms per clip holds everything."
)
MOST_NAMED = 12  # items of a list that are written out
TITLES = {
    "seen": "seen and unseen groups",
    "shots": "training clips of the class",
}  # breakdowns whose name does not read by itself


@dataclass(frozen=True)
class Table:
    """Rows under named columns; the kind of a column says how its cells read. None is what was not measured."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def note(self) -> str:
        """What its stars mean; empty where it has none."""
        return IN_PART if any(isinstance(cell, Starred) for row in self.rows for cell in row) else ""

    def texts(self) -> tuple[tuple[str, ...], ...]:
        """The rows as a person reads them."""
        return tuple(
            tuple(cell_text(cell, kind) for cell, (_, kind) in zip(row, self.columns, strict=True)) for row in self.rows
        )


def cell_text(cell: Cell, kind: Kind) -> str:
    """One cell as a person reads it; a dash for None."""
    if cell is None or isinstance(cell, str):
        return cell if cell is not None else "–"
    if isinstance(cell, Starred):
        return f"{cell_text(cell.value, kind)} *"
    if isinstance(cell, Estimate):
        return difference_text(cell) if kind == "difference" else estimate_text(cell)
    match kind:
        case "percent":
            return percent(cell)
        case "count":
            return f"{cell:,.0f}"
        case "short count":
            return count_text(cell)
        case "p":
            return p_text(cell)
        case _:
            return number_text(cell)


def cost_cell(efficiency: Mapping[str, float], key: str) -> Cell:
    """One figure of EFFICIENCY, with a star where GMACs leave something out; None where it was not measured."""
    value = efficiency.get(key)
    return Starred(value) if value is not None and key == "gmacs" and efficiency.get("gmacs_in_part") else value


def metrics_table(evaluation: Evaluation) -> Table:
    """Every figure of an evaluation with its interval."""
    rows = tuple((metric_name(name), estimate) for name, estimate in evaluation.metrics.items())
    return Table("Scores", (("Score", "text"), ("Value (95 % interval)", "estimate")), rows)


def models_table(report: Report) -> Table:
    """All figures of the run's own model and of the baselines, one model a column."""
    models = {"This model": report.evaluation, **report.baselines}
    names = list(dict.fromkeys(name for evaluation in models.values() for name in evaluation.metrics))
    rows = tuple((metric_name(name), *(e.metrics.get(name) for e in models.values())) for name in names)
    return Table("Scores on the same clips", (("Score", "text"), *_estimates(models)), rows)


def _estimates(names: Iterable[str]) -> tuple[Column, ...]:
    return tuple((name, "estimate") for name in names)


def axes_table(report: Report) -> Table:
    """Performance, generalization and efficiency of every model; columns that nobody measured are left out."""
    models = {"This model": report.evaluation, **report.baselines}
    costs = {"This model": report.efficiency, **report.baseline_efficiency}
    metric = headline_metric(report.evaluation)
    columns: list[Column] = [("Model", "text"), (metric_name(metric), "estimate")]
    cells: list[list[Cell]] = [[name, e.metrics.get(metric)] for name, e in models.items()]
    for part in ("seen", "unseen"):
        found = [e.breakdowns.get("seen", {}).get(part, {}).get(metric) for e in models.values()]
        if any(found):
            columns.append((f"{part.capitalize()} groups", "estimate"))
            cells = [[*row, cell] for row, cell in zip(cells, found, strict=True)]
    for key, title, kind in EFFICIENCY:
        measured = [cost_cell(costs.get(name, {}), key) for name in models]
        if any(value is not None for value in measured):
            columns.append((title, kind))
            cells = [[*row, cell] for row, cell in zip(cells, measured, strict=True)]
    return Table("Performance, generalization, efficiency", tuple(columns), tuple(map(tuple, cells)))


def per_class_table(evaluation: Evaluation) -> Table:
    """How every class fares."""
    columns: tuple[Column, ...] = (
        ("Class", "text"),
        ("Clips", "count"),
        ("Precision", "percent"),
        ("Recall", "percent"),
        ("F1", "percent"),
        ("Average precision", "percent"),
        ("ROC area", "percent"),
    )
    rows = tuple(
        (c.label, c.clips, c.precision, c.recall, c.f1, c.average_precision, c.roc_auc) for c in evaluation.per_class
    )
    return Table("Classes", columns, rows)


def breakdown_tables(report: Report) -> tuple[Table, ...]:
    """One table a breakdown: parts in the rows, one figure of every model side by side (see `breakdown_metric`).

    Against a single baseline a last column has the gap, and says whether the two intervals overlap.
    """
    models = {"This model": report.evaluation, **report.baselines}
    kind = "Groups" if any(clip.group for clip in report.evaluation.clips) else "Clips"
    columns: tuple[Column, ...] = (("Part", "text"), (kind, "count"), *_estimates(models))
    tables = []
    for name, parts in report.evaluation.breakdowns.items():
        metric, rows = breakdown_metric(report.evaluation, name), []
        for part, figures in parts.items():
            found = [e.breakdowns.get(name, {}).get(part, {}).get(metric) for e in models.values()]
            ours = figures.get(metric)
            rows.append((part, ours.n if ours else None, *found, *_gap(found)))
        gap: tuple[Column, ...] = (("Gap", "text"),) if len(models) == 2 else ()
        title = f"{metric_name(metric)} by {TITLES.get(name, name)}"
        tables.append(Table(title, (*columns, *gap), tuple(rows)))
    return tuple(tables)


def _gap(found: Sequence[Estimate | None]) -> tuple[str | None, ...]:
    """Two figures compared, in one cell; nothing for any other number of them."""
    if len(found) != 2:
        return ()
    ours, theirs = found
    if ours is None or theirs is None:
        return (None,)
    return (f"{points(ours.value - theirs.value)} points, intervals {overlap(ours, theirs)}",)


def confusions_table(evaluation: Evaluation, *, most: int = 15) -> Table:
    """The most frequent confusions of single-label data."""
    found = [
        (truth, said, clips, clips / sum(row))
        for truth, row in zip(evaluation.labels, evaluation.confusion, strict=True)
        for said, clips in zip(evaluation.labels, row, strict=True)
        if clips and truth != said
    ]
    found = [row for row in found if row[2] > 1] or found  # single clips only where there is nothing else
    found.sort(key=lambda r: (-r[2], -r[3], r[0], r[1]))
    columns: tuple[Column, ...] = (
        ("Truth", "text"),
        ("Taken for", "text"),
        ("Clips", "count"),
        ("Share", "percent"),
    )
    return Table("Most frequent confusions", columns, tuple(found[:most]))


def facts(data: Mapping[str, object], *, prefix: str = "") -> tuple[tuple[str, str], ...]:
    """A nested mapping (protocol, run) as (name, text) pairs, long lists cut short, empty values left out."""
    found: list[tuple[str, str]] = []
    for key, value in data.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            found += facts(value, prefix=f"{name}: ")
        elif isinstance(value, list | tuple):
            found.append((name, first_of(list(map(str, value)), most=MOST_NAMED)))
        elif isinstance(value, bool):
            found.append((name, "yes" if value else "no"))
        elif value is not None:
            found.append((name, str(value)))
    return tuple((name, text) for name, text in found if text)
