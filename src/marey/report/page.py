"""The report as one self-contained HTML page: no script library, no font, no image from anywhere else."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.metadata import version
from importlib.resources import files

from ..results import ClipScore, Estimate, Evaluation, Report
from . import figures
from .canvas import Figure, to_svg
from .tables import (
    Cell,
    Kind,
    Table,
    axes_table,
    breakdown_tables,
    cell_text,
    confusions_table,
    facts,
    models_table,
    per_class_table,
)
from .words import (
    confidence,
    estimate_text,
    first_of,
    headline_metric,
    interval,
    majority,
    metric_name,
    percent,
    span_text,
    units,
    verdict,
    worst_clips,
)

LONG_TABLE = 30  # rows above which a table scrolls in its own box


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
    style, script = (
        files("marey.report").joinpath(f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")
    )
    body = "\n".join(section for section in sections if section)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{_head(report)}\n"
        f"<main>\n{body}\n</main>\n<footer>Written by Marey {escape(version('marey'))}. "
        "Intervals are 95 %: they hold the sampling of the clips, not the chance of training.</footer>\n"
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def _section(title: str, *parts: str) -> str:
    """A section with its heading; nothing where all its parts are empty."""
    inside = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escape(title)}</h2>\n{inside}\n</section>" if inside else ""


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _figure(figure: Figure, *, name: str, alt: str, caption: str) -> str:
    return f"<figure>{to_svg(figure, alt=alt, name=name)}<figcaption>{escape(caption)}</figcaption></figure>"


def _table(table: Table, *, sortable: bool = False, caption: bool = True) -> str:
    """An HTML table; the first column heads its rows. Without a caption its title is told to screen readers only."""
    heads = "".join(f'<th scope="col"{_class(kind)}>{escape(name)}</th>' for name, kind in table.columns)
    rows = []
    for row in table.rows:
        cells = [_cell(c, kind, first=i == 0) for i, (c, (_, kind)) in enumerate(zip(row, table.columns, strict=True))]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    box = "scroll tall" if len(rows) > LONG_TABLE else "scroll"
    above = f"<caption>{escape(table.title)}</caption>" if caption else ""
    marked = ' class="sortable"' if sortable else ""
    return (
        f'<div class="{box}" tabindex="0" role="region" aria-label="{escape(table.title)}"><table{marked}>'
        f"{above}<thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _class(kind: Kind) -> str:
    return ' class="text"' if kind == "text" else ""


def _cell(cell: Cell, kind: Kind, *, first: bool) -> str:
    value = cell.value if isinstance(cell, Estimate) else cell
    if isinstance(cell, Estimate):
        inside = f"{percent(cell.value)} <small>{100 * cell.low:.1f} to {100 * cell.high:.1f}</small>"
    else:
        inside = escape(cell_text(cell, kind))
    key = "" if kind == "text" else f' data-value="{"" if value is None else value}"'
    if first:
        return f'<th scope="row"{_class(kind)}>{inside}</th>'
    return f"<td{_class(kind)}{key}>{inside}</td>"


def _facts(data: Mapping[str, object]) -> str:
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts(data))
    return f"<dl>{pairs}</dl>" if pairs else ""


def _list(sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<div class="notes" role="note"><ul>{items}</ul></div>' if items else ""


def _head(report: Report) -> str:
    evaluation = report.evaluation
    metric = headline_metric(evaluation)
    score = evaluation.metrics[metric]
    sentences = "".join(_paragraph(sentence) for sentence in verdict(report))
    return (
        f'<header class="top">\n<h1>{escape(report.title)}</h1>\n'
        f'<p class="lead">{len(evaluation.clips):,} test clips, {len(evaluation.labels):,} classes</p>\n'
        f'<div class="head"><p class="score"><b>{percent(score.value)}</b>'
        f"<span>{escape(metric_name(metric))}<br>95 % interval {interval(score)}<br>"
        f"over {units(evaluation, score)}</span></p><div>{sentences}</div></div>\n"
        f"{_list(report.notes)}</header>"
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
        picture = _figure(
            figures.intervals_figure(rows, reference=chance),
            name="models",
            alt=f"{metric_name(metric)} of each model: {said}",
            caption=f"{metric_name(metric)} with its 95 % interval.{dashed}",
        )
    return _section("Three axes", picture, _table(axes_table(report)), _table(models_table(report)))


def _done(report: Report) -> str:
    """The run's facts in blocks: what stands alone, every mapping under its own heading, then the protocol."""
    run = {key: value for key, value in report.run.items() if key not in ("command", "folder")}
    blocks = {
        "Run": {key: value for key, value in run.items() if not isinstance(value, Mapping)},
        **{str(key).capitalize(): value for key, value in run.items() if isinstance(value, Mapping)},
        "Protocol": report.evaluation.protocol,
    }
    parts = [f"<div><h3>{escape(name)}</h3>{_facts(block)}</div>" for name, block in blocks.items() if facts(block)]
    return _section("What was done", f'<div class="facts">{"".join(parts)}</div>')


def _history(report: Report) -> str:
    if not report.history:
        return ""
    best = [row["val_top1"] for row in report.history if "val_top1" in row]
    said = f", best validation accuracy {percent(max(best))}" if best else ""
    return _section(
        "Learning",
        _figure(
            figures.learning_curves(report.history),
            name="learning",
            alt=f"Learning curves over {len(report.history)} epochs{said}",
            caption=f"{len(report.history)} epochs{said}. The vertical line marks the best epoch.",
        ),
    )


def _breakdowns(report: Report) -> str:
    models = {"This model": report.evaluation, **report.baselines}
    metric = headline_metric(report.evaluation)
    parts = []
    for i, (name, table) in enumerate(zip(report.evaluation.breakdowns, breakdown_tables(report), strict=True)):
        rows: dict[str, dict[str, Estimate]] = {}
        for part in report.evaluation.breakdowns[name]:
            found = {m: e.breakdowns.get(name, {}).get(part, {}).get(metric) for m, e in models.items()}
            rows[part] = {m: e for m, e in found.items() if e is not None}
        said = "; ".join(
            f"{part}: " + ", ".join(f"{m} {percent(e.value)}" for m, e in r.items()) for part, r in rows.items()
        )
        picture = _figure(
            figures.intervals_figure(rows),
            name=f"breakdown{i}",
            alt=f"{metric_name(metric)} by {name}. {said}",
            caption="Dots are the scores, lines their 95 % intervals.",
        )
        parts.append(f"<h3>{escape(table.title)}</h3>{picture}{_table(table, caption=False)}")
    return _section("Breakdowns", *parts)


def _classes(report: Report) -> str:
    models = {"This model": report.evaluation, **report.baselines}
    figure_of = "Average precision" if report.evaluation.multi_label else "Recall"
    picture = _figure(
        figures.per_class_figure(models),
        name="classes",
        alt=f"{figure_of} of every class, as in the table below",
        caption=f"{figure_of} of every class, best first.",
    )
    return _section("Classes", picture, _table(per_class_table(report.evaluation), sortable=True, caption=False))


def _confusion(evaluation: Evaluation) -> str:
    if not evaluation.confusion:
        return ""
    table = confusions_table(evaluation)
    said = "; ".join(f"{row[2]} clips of {row[0]} taken for {row[1]}" for row in table.rows[:5])
    picture = _figure(
        figures.confusion_figure(evaluation),
        name="confusion",
        alt=f"Confusion matrix of {len(evaluation.labels)} classes. Most frequent confusions: {said or 'none'}",
        caption="Truth in the rows, what the model said in the columns. The shade is the square root of the share of "
        "the row, so that rare confusions show.",
    )
    return _section("Confusions", picture, _table(table, sortable=True) if table.rows else "")


def _curves(evaluation: Evaluation) -> str:
    error = evaluation.metrics.get("calibration_error")
    off = f" The calibration error is {estimate_text(error)}." if error else ""
    pictures = [
        _figure(
            figures.curves_figure(evaluation),
            name="curves",
            alt="ROC and precision-recall curves; their areas are in the class table",
            caption="Beside the names: the areas under the curves, in percent."
            if len(evaluation.curves) <= figures.MOST_CURVES
            else "The areas of every class are in the class table.",
        )
        if evaluation.curves
        else "",
        _figure(
            figures.reliability_figure(evaluation),
            name="reliability",
            alt=f"Reliability diagram.{off}",
            caption=f"Above the diagonal the model is too modest, below it too sure; large dots hold many clips.{off}",
        ),
    ]
    return _section("Thresholds and confidence", f'<div class="row">{"".join(pictures)}</div>')


def _worst(report: Report) -> str:
    evaluation = report.evaluation
    items = "".join(
        _clip(clip, confidence(evaluation, clip), report.thumbnails.get(clip.path)) for clip in worst_clips(evaluation)
    )
    if not items:
        return ""
    wrong = sum(not clip.right for clip in evaluation.clips if clip.truth)
    told = f"Of {wrong:,} wrong clips, those that the model is surest about. Look here for wrong labels first."
    return _section("Worst clips", _paragraph(told), f'<ul class="clips">{items}</ul>')


def _clip(clip: ClipScore, score: float, thumbnail: bytes | None) -> str:
    truth = first_of(clip.truth, most=3)
    if thumbnail:
        alt = escape(f"Frame of {clip.path}, {truth} taken for {clip.predicted}")
        picture = f'<img src="data:image/jpeg;base64,{b64encode(thumbnail).decode()}" alt="{alt}" loading="lazy">'
    else:
        picture = '<div class="blank">no picture</div>'
    where = " · ".join(part for part in (clip.path, span_text(clip), clip.group) if part)
    return (
        f'<li>{picture}<span class="said">{escape(clip.predicted)} <span class="n">{percent(score)}</span></span><br>'
        f'is {escape(truth)}<br><span class="where">{escape(where)}</span></li>'
    )


def _quarantined(evaluation: Evaluation) -> str:
    rows: Sequence[tuple[str, str]] = tuple(evaluation.quarantined.items())
    if not rows:
        return ""
    table = Table("Clips left out", (("Video", "text"), ("Why", "text")), tuple(rows))
    told = f"Videos that could not be read, {len(rows):,} in all: they are in no figure."
    return _section("Quarantined", _paragraph(told), _table(table))


def _reproduce(report: Report) -> str:
    command = report.run.get("command")
    return _section("How to reproduce", f"<pre><code>{escape(str(command))}</code></pre>") if command else ""
