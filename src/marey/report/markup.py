"""The elements that the page is made of: sections, tables, figures, lists, all with their text escaped."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from html import escape
from importlib.metadata import version
from importlib.resources import files

from ..results import ClipScore, Estimate
from .canvas import Figure, to_svg
from .tables import Cell, Kind, Starred, Table, cell_text, facts
from .words import counted, interval, percent, points, span_text

LONG_TABLE = 30  # rows above which a table scrolls in its own box


def document(title: str, head: str, sections: Iterable[str]) -> str:
    """A whole page around its head and those sections that have something in them; style and script are inside it."""
    style, script = (
        files("marey.report").joinpath(f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")
    )
    body = "\n".join(part for part in sections if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{head}\n"
        f"<main>\n{body}\n</main>\n<footer>Written by Marey {escape(version('marey'))}. "
        "Intervals are 95 %: they hold the sampling of the clips, not the chance of training.</footer>\n"
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A section with its heading; nothing where all its parts are empty."""
    inside = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escape(title)}</h2>\n{inside}\n</section>" if inside else ""


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def figure_markup(figure: Figure, *, name: str, alt: str, caption: str) -> str:
    return f"<figure>{to_svg(figure, alt=alt, name=name)}<figcaption>{escape(caption)}</figcaption></figure>"


def table_markup(table: Table, *, sortable: bool = False, caption: bool = True) -> str:
    """An HTML table; the first column heads its rows. Without a caption its title is told to screen readers only."""
    heads = "".join(f'<th scope="col"{_class(kind)}>{escape(name)}</th>' for name, kind in table.columns)
    rows = []
    for row in table.rows:
        cells = [_cell(c, kind, first=i == 0) for i, (c, (_, kind)) in enumerate(zip(row, table.columns, strict=True))]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    box = "scroll tall" if len(rows) > LONG_TABLE else "scroll"
    above = f"<caption>{escape(table.title)}</caption>" if caption else ""
    marked = ' class="sortable"' if sortable else ""
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="{box}" tabindex="0" role="region" aria-label="{escape(table.title)}"><table{marked}>'
        f"{above}<thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>{note}"
    )


def _class(kind: Kind) -> str:
    return ' class="text"' if kind == "text" else ""


def _cell(cell: Cell, kind: Kind, *, first: bool) -> str:
    value = cell.value if isinstance(cell, Estimate | Starred) else cell
    if isinstance(cell, Estimate) and kind == "difference":
        inside = f"{points(cell.value)} <small>{points(cell.low)} to {points(cell.high)}</small>"
    elif isinstance(cell, Estimate):
        inside = f"{percent(cell.value)} <small>{100 * cell.low:.1f} to {100 * cell.high:.1f}</small>"
    else:
        inside = escape(cell_text(cell, kind))
    key = "" if kind == "text" else f' data-value="{"" if value is None else value}"'
    if first:
        return f'<th scope="row"{_class(kind)}>{inside}</th>'
    return f"<td{_class(kind)}{key}>{inside}</td>"


def fact_list(data: Mapping[str, object]) -> str:
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts(data))
    return f"<dl>{pairs}</dl>" if pairs else ""


def notes_box(sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<div class="notes" role="note"><ul>{items}</ul></div>' if items else ""


def facts_section(blocks: Mapping[str, Mapping[str, object]]) -> str:
    """What was done, in blocks of facts under their headings; empty blocks are left out."""
    parts = [f"<div><h3>{escape(name)}</h3>{fact_list(block)}</div>" for name, block in blocks.items() if facts(block)]
    return section("What was done", f'<div class="facts">{"".join(parts)}</div>')


def protocol_blocks(protocol: Mapping[str, object], **more: object) -> dict[str, Mapping[str, object]]:
    """What stands alone in a protocol, and `more`, under one heading, and every mapping in it under its own."""
    single = {key: value for key, value in protocol.items() if not isinstance(value, Mapping)}
    own = {str(key).capitalize(): value for key, value in protocol.items() if isinstance(value, Mapping)}
    return {"Protocol": {**single, **more}, **own}


def recommendation(
    title: str,
    lead: str,
    score: Estimate,
    *,
    take: str,
    reason: str,
    command: str,
    notes: str,
    told: str = "Take",
) -> str:
    """The head of a page that says which of several to take; `lead` and `notes` are markup already.

    told  the words before its name
    """
    return (
        f'<header class="top">\n<h1>{escape(title)}</h1>\n<p class="lead">{lead}</p>\n'
        f'<div class="head"><p class="score"><b>{percent(score.value)}</b>'
        f"<span>Accuracy of {escape(take)}<br>95 % interval {interval(score)}<br>"
        f"over {counted(score.n, 'independent unit')}</span></p>"
        f"<div><p>{escape(told)} <strong>{escape(take)}</strong>.</p>{paragraph(reason)}"
        f"{command_block(command)}</div></div>\n{notes}</header>"
    )


def command_block(command: str) -> str:
    return f"<pre><code>{escape(command)}</code></pre>"


def clip_item(clip: ClipScore, jpeg: bytes | None, *, shown: str, said: str, score: float, truth: str = "") -> str:
    """One clip of a list of them: its picture, what was said of it, what it is where that differs, and where it is.

    shown  what the picture is and of what, for who cannot see it
    """
    if jpeg:
        picture = f'<img src="data:image/jpeg;base64,{b64encode(jpeg).decode()}" alt="{escape(shown)}" loading="lazy">'
    else:
        picture = '<div class="blank">no picture</div>'
    where = " · ".join(part for part in (clip.path, span_text(clip), clip.group) if part)
    true = f"is {escape(truth)}<br>" if truth else ""
    return (
        f'<li>{picture}<span class="said">{escape(said)} <span class="n">{percent(score)}</span></span><br>'
        f'{true}<span class="where">{escape(where)}</span></li>'
    )
