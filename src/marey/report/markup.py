"""The elements that the page is made of: sections, tables, figures, lists, all with their text escaped."""

from collections.abc import Iterable, Mapping
from html import escape

from ..results import Estimate
from .canvas import Figure, to_svg
from .tables import Cell, Kind, Table, cell_text, facts
from .words import percent

LONG_TABLE = 30  # rows above which a table scrolls in its own box


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


def fact_list(data: Mapping[str, object]) -> str:
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts(data))
    return f"<dl>{pairs}</dl>" if pairs else ""


def notes_box(sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<div class="notes" role="note"><ul>{items}</ul></div>' if items else ""
