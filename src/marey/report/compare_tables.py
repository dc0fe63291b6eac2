"""The tables of a comparison as plain data: the page and the terminal show the same rows."""

from collections.abc import Sequence

from ..results import Candidate, Comparison, LabelCurve, OrderTest
from .compare_figures import falls
from .tables import EFFICIENCY, Column, Table, cost_cell
from .words import beyond_chance, counted


def epochs_text(candidate: Candidate) -> str:
    """How many it was trained for, of how many that training it takes."""
    fewer = candidate.epochs < candidate.usual_epochs
    return f"{candidate.epochs} of {candidate.usual_epochs}" if fewer else str(candidate.epochs)


def scores_table(comparison: Comparison) -> Table:
    """How well every candidate does, where, and against the recommended one."""
    known = any(c.known for c in comparison.candidates)
    columns: list[Column] = [("Model", "text"), ("Accuracy", "estimate"), ("Mean per class", "estimate")]
    if known:
        columns.append(("On known groups", "estimate"))
    columns.extend((("Difference, points", "difference"), ("p (Holm)", "p"), ("Beyond chance", "text")))
    rows = []
    for c in comparison.candidates:
        verdict = None if c.p_value is None else "yes" if beyond_chance(c.p_value) else "no"
        against = (c.behind, c.p_value, verdict)
        rows.append((c.preset, c.score, c.balanced, *([c.known] if known else []), *against))
    return Table("Performance and generalization", tuple(columns), tuple(rows))


def costs_table(comparison: Comparison) -> Table:
    """What every candidate costs; columns without any entry are left out."""
    measured = [part for part in EFFICIENCY if any(part[0] in c.efficiency for c in comparison.candidates)]
    columns: list[Column] = [("Model", "text"), *((title, kind) for _, title, kind in measured)]
    rows = [(c.preset, *(cost_cell(c.efficiency, key) for key, _, _ in measured)) for c in comparison.candidates]
    return Table("Efficiency", tuple(columns), tuple(rows))


def effort_table(comparison: Comparison) -> Table:
    """How far every candidate was tried, and why not further."""
    stopped = any(c.stopped for c in comparison.candidates)
    columns: list[Column] = [("Model", "text"), ("Folds", "count"), ("Epochs", "text")]
    if stopped:
        columns.append(("Stopped", "text"))
    rows = [(c.preset, c.folds, epochs_text(c), *([c.stopped] if stopped else [])) for c in comparison.candidates]
    return Table("Effort", tuple(columns), tuple(rows))


def order_p_table(tests: Sequence[OrderTest]) -> Table:
    """p that each model is right as often with frames in another order; no row for tests of before, which know none."""
    names = list(dict.fromkeys(name for test in tests for name in test.p_values))
    columns: tuple[Column, ...] = (("Model", "text"), *((name.capitalize(), "p") for name in names))
    rows = tuple((test.preset, *map(test.p_values.get, names)) for test in tests if test.p_values)
    return Table("p (Holm) against frames as filmed", columns, rows)


def orders_table(test: OrderTest) -> Table:
    """Accuracy in every class under every order of the frames, the classes that lose most first."""
    lost = falls(test)
    names = list(dict.fromkeys(name for label in lost for name in test.per_class[label]))
    columns: tuple[Column, ...] = (("Class", "text"), *((name.capitalize(), "percent") for name in names))
    rows = tuple(
        (label, *(test.per_class[label].get(name) for name in names), round(100 * fall, 1))
        for label, fall in lost.items()
    )
    return Table(f"Order of the frames, {test.preset}", (*columns, ("Loses, points", "number")), rows)


def labels_table(curves: Sequence[LabelCurve]) -> Table:
    """Accuracy of each model by the number of clips that it was trained on, and that expected with twice the most."""
    sizes = sorted({clips for curve in curves for clips, _ in curve.points})
    more = sorted({2 * curve.points[-1][0] for curve in curves if curve.doubled})
    columns: list[Column] = [("Model", "text")]
    columns.extend((f"{counted(clips, 'clip')}", "estimate") for clips in sizes)
    columns.extend((f"{clips:,}, expected", "estimate") for clips in more)
    rows = []
    for curve in curves:
        measured = dict(curve.points)
        expected = {2 * curve.points[-1][0]: curve.doubled}
        rows.append((curve.preset, *map(measured.get, sizes), *map(expected.get, more)))
    return Table("Accuracy by number of labelled clips", tuple(columns), tuple(rows))
