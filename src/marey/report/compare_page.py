"""A comparison of models as one self-contained HTML page, in the style of a run's report."""

from collections.abc import Mapping
from html import escape

from ..results import ClipScore, Comparison, LabelCurve, OrderTest
from . import compare_figures
from .compare_tables import costs_table, effort_table, labels_table, order_p_table, orders_table, scores_table
from .figures import intervals_figure
from .markup import (
    clip_item,
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
from .words import (
    beats_guessing,
    counted,
    duration_text,
    estimate_text,
    first_of,
    interval,
    number_text,
    percent,
    points,
)

MOST_CLIPS = 24


def render_comparison(comparison: Comparison, *, thumbnails: Mapping[str, bytes]) -> str:
    """The whole page. Every name, label and path in it is escaped; sections without content are left out.

    thumbnails  clip path -> JPEG bytes, for clips of `only_temporal`
    """
    sections = (
        _candidates(comparison),
        _pareto(comparison),
        _orders(comparison),
        _only_temporal(comparison, thumbnails),
        _labels(comparison),
        _learning(comparison),
        _done(comparison),
    )
    return document(comparison.title, _head(comparison), sections)


def _head(comparison: Comparison) -> str:
    best, count = comparison.candidates[0], len(comparison.candidates)
    lead = f"{counted(count, 'model')}, {counted(len(comparison.labels), 'class')}, {_spent(comparison)}"
    return recommendation(
        comparison.title,
        lead,
        best.score,
        take=comparison.recommended,
        told="Take" if beats_guessing(best.score, comparison.guess) else "Take none yet; right most often is",
        reason=comparison.reason,
        command=comparison.command,
        notes=notes_box(comparison.notes),
    )


def _spent(comparison: Comparison) -> str:
    return f"{duration_text(60 * comparison.minutes)} of {duration_text(60 * comparison.budget_minutes)}"


def _candidates(comparison: Comparison) -> str:
    rows = {}
    for c in comparison.candidates:
        rows[c.preset] = {"on new groups": c.score, "on known groups": c.known} if c.known else {"accuracy": c.score}
    said = "; ".join(f"{c.preset} {estimate_text(c.score)}" for c in comparison.candidates)
    apart = ", on clips of groups that it was not trained on and of groups that it was"
    where = apart if any(c.known for c in comparison.candidates) else ""
    picture = figure_markup(
        intervals_figure(rows),
        name="candidates",
        alt=f"Accuracy of each model: {said}",
        caption=f"Accuracy of each model{where}, with its 95 % interval; the recommended is on top.",
    )
    told = (
        "Accuracy is on clips of groups (sources, people, places) that the model was not trained on, if the data name "
        "any. Differences are to the recommended model on the clips that both answered: paired like this, they can be "
        "beyond chance where the intervals of two accuracies overlap."
    )
    rule = (
        "A difference is called beyond chance where p is below 0.05. It is the exact sign-flip test's over groups "
        "(McNemar's where each clip is its own), corrected by Holm: against the single frame for all models that are "
        "compared with it, and else for all pairs of the others, since any of them could have come out best. The "
        "interval is of one difference alone: it can leave out 0 where p, which is of all of them and counts how few "
        "groups there are, is not below 0.05. Then p decides."
    )
    once = (
        "p takes the networks as they were trained: trained again, with another seed, they would answer otherwise, and "
        "that is not in it. Who was tried in one fold alone has no p, as one training tells nothing of the recipe."
    )
    picked = (
        "The recommended model was picked by these very scores, so that its own is somewhat too good, the more so the "
        "more models were tried and the closer they lie; its interval is not corrected for that."
    )
    return section(
        "Three axes",
        paragraph(told),
        picture,
        table_markup(scores_table(comparison), sortable=True),
        *map(paragraph, (rule, once, picked) if len(comparison.candidates) > 1 else ()),
        table_markup(costs_table(comparison), sortable=True),
        table_markup(effort_table(comparison), sortable=True),
    )


def _pareto(comparison: Comparison) -> str:
    pictures = []
    for cost, words in compare_figures.AXES.items():
        shown = [c for c in comparison.candidates if cost in c.efficiency]
        if len(shown) < 2:
            continue
        said = "; ".join(
            f"{c.preset} {number_text(c.efficiency[cost], digits=3)}, {percent(c.score.value)}" for c in shown
        )
        part = compare_figures.in_part(shown) if cost == "gmacs" else []
        small = [c for c in shown if c.efficiency[cost] < compare_figures.LEAST[cost]]
        moved = f" Below {compare_figures.LEAST[cost]:g}, drawn there: {first_of([c.preset for c in small], most=4)}."
        aside = f" Triangles are counted in part (*) and not on the line: {first_of([c.preset for c in part], most=4)}."
        pictures.append(
            figure_markup(
                compare_figures.pareto_figure(comparison.candidates, cost),
                name=f"pareto-{cost.replace('_', '-')}",
                alt=f"Accuracy against {words}: {said}",
                caption=f"Accuracy against {words}.{aside if part else ''}{moved if small else ''}",
            )
        )
    if not pictures:
        return ""
    told = (
        "No model beats those on the line in one of the two without losing in the other. Hollow circles are beaten; "
        "small marks were not tried in all folds, so that their scores are of fewer clips."
    )
    return section("What accuracy costs", paragraph(told), f'<div class="row pair">{"".join(pictures)}</div>')


def _orders(comparison: Comparison) -> str:
    if not comparison.orders:
        return ""
    names = dict.fromkeys(name for test in comparison.orders for name in test.overall)
    rows = {
        name: {test.preset: test.overall[name] for test in comparison.orders if name in test.overall} for name in names
    }
    said = "; ".join(
        f"{name}: " + ", ".join(f"{preset} {percent(e.value)}" for preset, e in row.items())
        for name, row in rows.items()
    )
    picture = figure_markup(
        intervals_figure(rows),
        name="orders",
        alt=f"Accuracy by order of the frames. {said}",
        caption="The trained models on the same clips: as filmed, one frame standing still, frames in any order, "
        "and backwards. A model that does not look at motion answers alike.",
    )
    told = paragraph(comparison.advice) if comparison.advice else ""
    parts = [_order_classes(test, i) for i, test in enumerate(comparison.orders)]
    table = order_p_table(comparison.orders)
    if table.rows:
        told_p = (
            "p is of the same test, between the answers of one model to the same clips, corrected for the orders. What "
            "looks at nothing but what moves is not asked about a frame that stands still, which tells it nothing."
        )
        parts = [table_markup(table), paragraph(told_p), *parts]
    return section("Does your data need motion?", told, picture, *parts)


def _order_classes(test: OrderTest, number: int) -> str:
    table = orders_table(test)
    if not table.rows:
        return ""
    most = compare_figures.MOST_CLASSES
    some = f" The {most} classes that lose most; the table has all." if len(table.rows) > most else ""
    picture = figure_markup(
        compare_figures.orders_figure(test),
        name=f"orders{number}",
        alt=f"Accuracy of {test.preset} by class and order of the frames, as in the table below",
        caption=f"{test.preset}, class by class.{some}",
    )
    inside = table_markup(table, sortable=True, caption=False)
    return f"{picture}<details><summary>{escape(table.title)}: the figures</summary>{inside}</details>"


def _only_temporal(comparison: Comparison, thumbnails: Mapping[str, bytes]) -> str:
    def confidence(clip: ClipScore) -> float:
        return clip.scores[comparison.labels.index(clip.predicted)]

    clips = sorted(
        comparison.only_temporal, key=lambda c: (c.path not in thumbnails, -confidence(c), c.path, c.start_s or 0.0)
    )
    if not clips:
        return ""
    items = "".join(
        clip_item(
            clip,
            thumbnails.get(clip.path),
            shown=f"Frame of {clip.path}, rightly taken for {clip.predicted}",
            said=clip.predicted,
            score=confidence(clip),
        )
        for clip in clips[:MOST_CLIPS]
    )
    some = f"; {MOST_CLIPS} of {len(clips):,} are shown" if len(clips) > MOST_CLIPS else ""
    told = f"{comparison.recommended} gets them right and the model of a single frame does not{some}."
    return section("Clips that only motion tells", paragraph(told), f'<ul class="clips">{items}</ul>')


def _labels(comparison: Comparison) -> str:
    curves = tuple(curve for curve in comparison.label_curves if curve.points)
    if not curves:
        return ""
    told = [_doubling(curve) for curve in curves]
    picture = figure_markup(
        compare_figures.labels_figure(curves),
        name="labels",
        alt=f"Accuracy by number of labelled clips. {' '.join(told)}",
        caption="Dots are measured, with 95 % intervals. Lines are the error falling to a floor as a power of the "
        "clips; dashed, and ending in a hollow mark, what twice the clips should bring. Where learning is still "
        "starting, thin lines only join the dots.",
    )
    limits = (
        "Where the curve would end is uncertain from so few sizes, and its interval holds the choice of the test "
        "clips and the slope of late, not whether the curve goes on as it began."
    )
    return section(
        "Would more labels help?", *map(paragraph, told), picture, table_markup(labels_table(curves)), paragraph(limits)
    )


def _doubling(curve: LabelCurve) -> str:
    clips, now = curve.points[-1]
    if curve.starting:
        return (
            f"{curve.preset}: {estimate_text(now)} with {counted(clips, 'clip')}; it is still at the start of its "
            f"curve, which gets steeper as labels come, so what twice as many bring cannot be told."
        )
    if curve.doubled is None:
        return (
            f"{curve.preset}: {estimate_text(now)} with {counted(clips, 'clip')}; what more would bring cannot be told."
        )
    return (
        f"{curve.preset}: {percent(now.value)} with {counted(clips, 'clip')}; twice as many should bring "
        f"{percent(curve.doubled.value)} ({interval(curve.doubled)}), {points(curve.doubled.value - now.value)} points."
    )


def _learning(comparison: Comparison) -> str:
    drawn = [c for c in comparison.candidates if c.history]
    if not drawn:
        return ""
    said = "; ".join(f"{c.preset} {counted(len(c.history), 'epoch')}" for c in drawn)
    picture = figure_markup(
        compare_figures.training_curves({c.preset: c.history for c in drawn}),
        name="learning",
        alt=f"Learning curves of each model: {said}",
        caption="Training in the first fold, each model from its first epoch to its last; their number in brackets.",
    )
    return section("Learning", picture)


def _done(comparison: Comparison) -> str:
    return facts_section(protocol_blocks(comparison.protocol, time=_spent(comparison)))
