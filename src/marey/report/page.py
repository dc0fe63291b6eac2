"""The report as one self-contained HTML page: no script library, no font, no image from anywhere else."""

from collections.abc import Mapping, Sequence
from html import escape

from ..results import ClipScore, Estimate, Evaluation, Report
from . import figures
from .markup import (
    clip_item,
    command_block,
    document,
    facts_section,
    figure_markup,
    notes_box,
    paragraph,
    section,
    table_markup,
)
from .tables import (
    Table,
    axes_table,
    breakdown_tables,
    confusions_table,
    models_table,
    per_class_table,
)
from .words import (
    breakdown_metric,
    confidence,
    counted,
    estimate_text,
    first_of,
    headline_metric,
    interval,
    majority,
    metric_name,
    percent,
    units,
    verdict,
    worst_clips,
)


def render_html(report: Report) -> str:
    """The whole page. Every name, label and path in it is escaped; sections without content are left out."""
    evaluation = report.evaluation
    sections = (
        _models(report),
        _done(report),
        _history(report),
        _breakdowns(report),
        _classes(report),
        _confusion(evaluation),
        _curves(evaluation),
        _worst(report),
        _quarantined(evaluation),
        _reproduce(report),
    )
    return document(report.title, _head(report), sections)


def _head(report: Report) -> str:
    evaluation = report.evaluation
    metric = headline_metric(evaluation)
    score = evaluation.metrics[metric]
    sentences = "".join(paragraph(sentence) for sentence in verdict(report))
    return (
        f'<header class="top">\n<h1>{escape(report.title)}</h1>\n'
        f'<p class="lead">{counted(len(evaluation.clips), "test clip")}, {counted(len(evaluation.labels), "class")}'
        "</p>\n"
        f'<div class="head"><p class="score"><b>{percent(score.value)}</b>'
        f"<span>{escape(metric_name(metric))}<br>95 % interval {interval(score)}<br>"
        f"over {units(evaluation, score)}</span></p><div>{sentences}</div></div>\n"
        f"{notes_box(report.notes)}</header>"
    )


def _models(report: Report) -> str:
    models = {"This model": report.evaluation, **report.baselines}
    metric = headline_metric(report.evaluation)
    picture = ""
    if report.baselines:
        rows = {name: {name: e.metrics[metric]} for name, e in models.items() if metric in e.metrics}
        chance = None if report.evaluation.multi_label else majority(report.evaluation)[1]
        said = "; ".join(f"{name} {estimate_text(e[name])}" for name, e in rows.items())
        dashed = " The dashed line is the most frequent class." if chance is not None else ""
        picture = figure_markup(
            figures.intervals_figure(rows, reference=chance),
            name="models",
            alt=f"{metric_name(metric)} of each model: {said}",
            caption=f"{metric_name(metric)} with its 95 % interval.{dashed}",
        )
    return section("Three axes", picture, table_markup(axes_table(report)), table_markup(models_table(report)))


def _done(report: Report) -> str:
    """The run's facts in blocks: what stands alone, every mapping under its own heading, then the protocol."""
    run = {key: value for key, value in report.run.items() if key not in ("command", "folder")}
    blocks = {
        "Run": {key: value for key, value in run.items() if not isinstance(value, Mapping)},
        **{str(key).capitalize(): value for key, value in run.items() if isinstance(value, Mapping)},
        "Protocol": report.evaluation.protocol,
    }
    return facts_section(blocks)


def _history(report: Report) -> str:
    if not report.history:
        return ""
    best = [row["val_top1"] for row in report.history if "val_top1" in row]
    said = f", best validation accuracy {percent(max(best))}" if best else ""
    return section(
        "Learning",
        figure_markup(
            figures.learning_curves(report.history),
            name="learning",
            alt=f"Learning curves over {counted(len(report.history), 'epoch')}{said}",
            caption=f"{counted(len(report.history), 'epoch')}{said}. The vertical line marks the best epoch.",
        ),
    )


def _breakdowns(report: Report) -> str:
    models = {"This model": report.evaluation, **report.baselines}
    parts = []
    for i, (name, table) in enumerate(zip(report.evaluation.breakdowns, breakdown_tables(report), strict=True)):
        rows: dict[str, dict[str, Estimate]] = {}
        metric = breakdown_metric(report.evaluation, name)
        for part in report.evaluation.breakdowns[name]:
            found = {m: e.breakdowns.get(name, {}).get(part, {}).get(metric) for m, e in models.items()}
            rows[part] = {m: e for m, e in found.items() if e is not None}
        said = "; ".join(
            f"{part}: " + ", ".join(f"{m} {percent(e.value)}" for m, e in r.items()) for part, r in rows.items()
        )
        picture = figure_markup(
            figures.intervals_figure(rows),
            name=f"breakdown{i}",
            alt=f"{metric_name(metric)} by {name}. {said}",
            caption="Dots are the scores, lines their 95 % intervals.",
        )
        parts.append(f"<h3>{escape(table.title)}</h3>{picture}{table_markup(table, caption=False)}")
    return section("Breakdowns", *parts)


def _classes(report: Report) -> str:
    models = {"This model": report.evaluation, **report.baselines}
    figure_of = "Average precision" if report.evaluation.multi_label else "Recall"
    picture = figure_markup(
        figures.per_class_figure(models),
        name="classes",
        alt=f"{figure_of} of every class, as in the table below",
        caption=f"{figure_of} of every class, best first.",
    )
    return section("Classes", picture, table_markup(per_class_table(report.evaluation), sortable=True, caption=False))


def _confusion(evaluation: Evaluation) -> str:
    if not evaluation.confusion:
        return ""
    table = confusions_table(evaluation)
    said = "; ".join(f"{row[0]} taken for {row[1]} ({row[2]})" for row in table.rows[:5])
    picture = figure_markup(
        figures.confusion_figure(evaluation),
        name="confusion",
        alt=f"Confusion matrix of {len(evaluation.labels)} classes. Most frequent, with clips: {said or 'none'}",
        caption="Truth in the rows, what the model said in the columns. The shade is the square root of the share of "
        "the row, so that rare confusions show.",
    )
    return section("Confusions", picture, table_markup(table, sortable=True) if table.rows else "")


def _curves(evaluation: Evaluation) -> str:
    error = evaluation.metrics.get("calibration_error")
    off = f" The calibration error is {estimate_text(error)}." if error else ""
    pictures = [
        figure_markup(
            figures.curves_figure(evaluation),
            name="curves",
            alt="ROC and precision-recall curves; their areas are in the class table",
            caption="Beside the names: the areas under the curves, in percent."
            if len(evaluation.curves) <= figures.MOST_CURVES
            else "The areas of every class are in the class table.",
        )
        if evaluation.curves
        else "",
        figure_markup(
            figures.reliability_figure(evaluation),
            name="reliability",
            alt=f"Reliability diagram.{off}",
            caption=f"Above the diagonal the model is too modest, below it too sure; large dots hold many clips.{off}",
        ),
    ]
    return section("Thresholds and confidence", f'<div class="row">{"".join(pictures)}</div>')


def _worst(report: Report) -> str:
    evaluation = report.evaluation
    items = "".join(_clip(clip, confidence(evaluation, clip), report) for clip in worst_clips(evaluation))
    if not items:
        return ""
    wrong = sum(not clip.right for clip in evaluation.clips if clip.truth)
    told = f"Of {counted(wrong, 'wrong clip')}, those that the model is surest about. Look here for wrong labels first."
    kind = "clips motion" if report.motion else "clips"
    return section("Worst clips", paragraph(told), _motion_told(report), f'<ul class="{kind}">{items}</ul>')


def _motion_told(report: Report) -> str:
    """What the pictures of motion show; nothing where there are none."""
    if not report.motion:
        return ""
    fed = report.evaluation.protocol.get("input", "motion")
    return paragraph(
        f"The network was fed {fed}. Of each clip: the frame of which it was fed most motion. Left, that motion as "
        "arrows, lengthened alike within a picture; right, as colours: the hue is the direction and the strength is "
        "the speed, as the wheel says, in pixels of the picture that the network was fed."
    )


def _clip(clip: ClipScore, score: float, report: Report) -> str:
    truth = first_of(clip.truth, most=3)
    moving = report.motion.get(clip.path)
    return clip_item(
        clip,
        moving or report.thumbnails.get(clip.path),
        shown=f"{'Motion and frame' if moving else 'Frame'} of {clip.path}, {truth} taken for {clip.predicted}",
        said=clip.predicted,
        score=score,
        truth=truth,
    )


def _quarantined(evaluation: Evaluation) -> str:
    rows: Sequence[tuple[str, str]] = tuple(evaluation.quarantined.items())
    if not rows:
        return ""
    table = Table("Clips left out", (("Video", "text"), ("Why", "text")), tuple(rows))
    told = f"Videos that could not be read, {len(rows):,} in all: they are in no figure."
    return section("Quarantined", paragraph(told), table_markup(table))


def _reproduce(report: Report) -> str:
    command = report.run.get("command")
    return section("How to reproduce", command_block(str(command))) if command else ""
