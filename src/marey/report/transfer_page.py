"""The ways of a transfer as one self-contained HTML page, in the style of a run's report."""

from html import escape

from ..metrics import SIGNIFICANT
from ..results import TransferTable
from .compare_figures import training_curves
from .figures import intervals_figure
from .markup import (
    document,
    facts_section,
    figure_markup,
    notes_box,
    paragraph,
    protocol_blocks,
    recommendation,
    section,
    table_markup,
)
from .tables import Column, Table
from .words import beyond_chance, counted, estimate_text

LEARNS = {
    "original": "everything, from scratch",
    "fixed": "the classifier alone, from features that were learned elsewhere",
    "full": "everything, from what was learned elsewhere",
    "lora": "the classifier, and low-rank adapters beside what was learned elsewhere",
}


def render_transfer(table: TransferTable) -> str:
    """The whole page. Every name and path in it is escaped; sections without content are left out."""
    head = recommendation(
        table.title,
        f"{counted(len(table.ways), 'way')}, {escape(table.tested)}",
        table.best.score,
        take=table.recommended,
        reason=table.reason,
        command=table.command,
        notes=notes_box(table.notes),
    )
    sections = (_ways(table), _learning(table), facts_section(protocol_blocks(table.protocol)))
    return document(table.title, head, sections)


def ways_table(table: TransferTable) -> Table:
    """How well every way does, against the first, and what it takes."""
    first, *_ = table.ways
    rows = tuple(
        (
            way.way,
            way.score,
            way.balanced,
            way.gain,
            way.p_value,
            None if way.p_value is None else "yes" if beyond_chance(way.p_value) else "no",
            way.params,
            way.train_minutes,
            way.epochs,
        )
        for way in table.ways
    )
    columns: tuple[Column, ...] = (
        ("Way", "text"),
        ("Accuracy", "estimate"),
        ("Mean per class", "estimate"),
        (f"Against {first.way}", "difference"),
        ("p (Holm)", "p"),
        ("Beyond chance", "text"),
        ("Weights that learn", "short count"),
        ("Training min", "number"),
        ("Epochs", "count"),
    )
    return Table(f"The ways on {table.tested}", columns, rows)


def _ways(table: TransferTable) -> str:
    first, *_ = table.ways
    told = "; ".join(f"{way.way}: {LEARNS[way.way]}" for way in table.ways)
    said = "; ".join(f"{way.way} {estimate_text(way.score)}" for way in table.ways)
    picture = figure_markup(
        intervals_figure({way.way: {"accuracy": way.score, "mean per class": way.balanced} for way in table.ways}),
        name="ways",
        alt=f"Accuracy of each way: {said}",
        caption=f"Accuracy on {table.tested} and its mean over the classes, with 95 % intervals.",
    )
    rule = (
        f"Differences are to {first.way} on the same clips, and beyond chance where p is below {SIGNIFICANT}: that of "
        "the exact sign-flip test over groups (McNemar's where each clip is its own), corrected by Holm for all pairs. "
        "The recommended way was picked by these very scores, so that its own is somewhat too good. Every way was "
        "trained once: another seed would give other figures."
    )
    return section(
        "What learned, and how well",
        paragraph(f"What learns. {told}."),
        picture,
        table_markup(ways_table(table), sortable=True),
        paragraph(rule),
    )


def _learning(table: TransferTable) -> str:
    drawn = {way.way: way.history for way in table.ways if way.history}
    if not drawn:
        return ""
    said = "; ".join(f"{way} {counted(len(rows), 'epoch')}" for way, rows in drawn.items())
    picture = figure_markup(
        training_curves(drawn),
        name="learning",
        alt=f"Learning curves of each way: {said}",
        caption="Each way from its first epoch to its last; their number in brackets.",
    )
    return section("Learning", picture)
