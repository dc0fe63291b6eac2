"""Drawing without global state: Figures on the Agg canvas, saved as PNG or as SVG that follows the page's colours."""

import html
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, MUTED, RULE, PAPER = "#22201d", "#6f6a62", "#d9d4ca", "#fdfcf9"
SERIES = ("#a4431f", "#2b6777", "#8a7a1f", "#6b4c8f", "#3f7d4e", "#8c5a6b")  # ours first, then the baselines
_VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper"} | {
    colour: f"--series-{i}" for i, colour in enumerate(SERIES)
}
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.size": 9,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",  # text stays text: searchable, and any script shows in the reader's fonts
    "svg.hashsalt": "marey",  # the same figure gives the same bytes
    "text.color": INK,
    "text.parse_math": False,  # a label may hold a dollar sign
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}


@contextmanager
def style() -> Iterator[None]:
    """The look of every figure, for the time of the block; what matplotlib was set to comes back after it."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # the reader's browser has the glyph
        yield


def new_figure(width_in: float, height_in: float) -> tuple[Figure, Axes]:
    """A figure with one set of axes that make room for their labels."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def save_figure(figure: Figure, path: str | PathLike[str], *, dpi: int = 150) -> None:
    """Write a figure on the light paper colour; the suffix says what it becomes: .png, .svg or .pdf."""
    with style():
        figure.savefig(path, dpi=dpi, facecolor=PAPER)


def to_svg(figure: Figure, *, alt: str, name: str) -> str:
    """An <svg> element for a page, in the page's colours, with `alt` for who cannot see it.

    name  makes the ids of this figure its own among the figures of a page.
    """
    with style():
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'xlink:href="#', f'xlink:href="#{name}-', text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable}, {colour})")
    width, height = (f"{72 * inches:g}" for inches in figure.get_size_inches())
    opening = (
        f'<svg role="img" aria-label="{html.escape(alt)}" class="figure" width="{width}pt" '
        f'style="min-width: min({width}pt, 32rem)" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return opening + text[text.index(">") + 1 :].strip()
