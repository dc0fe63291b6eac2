"""The figures of a comparison: scores against costs, learning curves, orders of frames, label curves."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter

from ..results import Candidate, LabelCurve, OrderTest
from .canvas import INK, MUTED, PAPER, RULE, SERIES, new_figure, style
from .figures import FULL_IN, shorten
from .place_labels import Line, place_labels

PARETO_IN = (4.85, 3.5)
LEAST = {"gmacs": 1e-3, "ms_per_clip": 0.1}  # cheaper ones are drawn here: a logarithm knows no 0
AXES = {"gmacs": "GMACs a clip", "ms_per_clip": "ms a clip, from file to probabilities"}
MOST_CLASSES = 30  # in the picture of orders; the table has all
DASHES = ("-", "--", ":")


def pareto_front(points: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """Indices of the (cost, score) that no other point beats in one without losing in the other, cheapest first."""
    best, front = -np.inf, []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[i][1] > best:
            best = points[i][1]
            front.append(i)
    return tuple(front)


def pareto_figure(candidates: Sequence[Candidate], cost: str) -> Figure:
    """Score with its interval against a cost, "gmacs" or "ms_per_clip"; candidates without that cost are left out.

    The first candidate, the recommended, has the colour of ours. The front runs through those that were tried in as
    many folds as it was; the others are hollow and small: their scores are of fewer clips. Triangles are those whose
    GMACs leave something out: they lie further right, nobody knows where, and are not on the front.
    """
    shown = [c for c in candidates if cost in c.efficiency]
    part = in_part(shown) if cost == "gmacs" else []
    full = [c for c in shown if c.folds >= candidates[0].folds and c not in part]
    places = {c.preset: max(c.efficiency[cost], LEAST[cost]) for c in shown}
    front = [full[i] for i in pareto_front([(places[c.preset], c.score.value) for c in full])]
    with style():
        figure, axes = new_figure(*PARETO_IN)
        axes.set_xscale("log")
        steps = _steps([(places[c.preset], c.score.value) for c in front], end=2 * max(places.values(), default=1))
        for line in steps:
            axes.plot(*zip(*line, strict=True), color=RULE, lw=2.5, zorder=1, solid_capstyle="round")
        for c in shown:
            colour = SERIES[0] if c is candidates[0] else SERIES[1] if c in front else MUTED
            x, tried = places[c.preset], c.folds >= candidates[0].folds
            axes.vlines(x, c.score.low, c.score.high, color=colour, lw=2 if tried else 1, alpha=0.5, zorder=2)
            face = colour if c in front or c is candidates[0] else PAPER
            mark, size = ">" if c in part else "o", 6.5 if tried else 4.5
            axes.plot(x, c.score.value, mark, ms=size, mfc=face, mec=colour, mew=1.2, zorder=3)
        low, high = min(places.values(), default=1), max(places.values(), default=1)
        axes.set_xlim(low / 1.8, high * 1.8)
        axes.set_ylim(_room([c.score.low for c in shown], [c.score.high for c in shown]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        if high < 20 * low:  # less than two powers of ten: name what is between them
            axes.xaxis.set_minor_formatter(
                FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
            )
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.set_xlabel(AXES[cost])
        axes.set_ylabel("accuracy")
        colours = [INK if c in front or c is candidates[0] else MUTED for c in shown]
        place_labels(
            figure,
            axes,
            [(places[c.preset], c.score.value) for c in shown],
            [shorten(c.preset, most=30) for c in shown],
            colours=colours,
            lines=[*steps, *(((places[c.preset], c.score.low), (places[c.preset], c.score.high)) for c in shown)],
        )
        return figure


def in_part(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those of which GMACs leave out what they compute by hand."""
    return [c for c in candidates if c.efficiency.get("gmacs_in_part")]


def _steps(front: Sequence[tuple[float, float]], *, end: float) -> list[Line]:
    """Across from each point to below the next one, up to it, and from the last one on to `end`."""
    lines: list[Line] = []
    for (x, y), (next_x, next_y) in pairwise(front):
        lines += [((x, y), (next_x, y)), ((next_x, y), (next_x, next_y))]
    return [*lines, (front[-1], (end, front[-1][1]))] if front else lines


def _room(low: Sequence[float], high: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis of fractions that hold all the intervals, with room to read, within 0..1."""
    least, most = min(low, default=0.0), max(high, default=1.0)
    margin = 0.06 * max(most - least, 0.1)
    return max(least - margin, -0.01), min(most + margin, 1.02)


def training_curves(histories: Mapping[str, Sequence[Mapping[str, float | int]]]) -> Figure:
    """Loss and validation accuracy of models over their own training, each from its first epoch to its last.

    histories  name of the model -> one row an epoch, as in a Report
    """
    panels = [
        (key, title)
        for key, title in (("loss", "Training loss"), ("val_top1", "Validation accuracy"))
        if any(key in row for rows in histories.values() for row in rows)
    ]
    drawn = {name: rows for name, rows in histories.items() if any(key in row for key, _ in panels for row in rows)}
    with style():
        figure, spare = new_figure(FULL_IN, 3.0 + 0.2 * -(-len(drawn) // 3))
        figure.delaxes(spare)
        for axes, (key, title) in zip(np.atleast_1d(figure.subplots(1, max(1, len(panels)))), panels, strict=False):
            for i, (name, rows) in enumerate(drawn.items()):
                values = np.array([row.get(key, np.nan) for row in rows], np.float64)
                done = np.linspace(0, 1, len(values)) if len(values) > 1 else np.ones(len(values))
                shown = np.isfinite(values)
                axes.plot(
                    done[shown],
                    values[shown],
                    color=SERIES[i % len(SERIES)],
                    ls=DASHES[i // len(SERIES) % len(DASHES)],
                    marker="o" if len(values) < 30 else "",
                    ms=2.5,
                    label=f"{shorten(name)} ({len(values)})",
                    zorder=len(drawn) - i,
                )
            axes.set_title(title, loc="left")
            axes.set_xlabel("share of its training")
            axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axes.grid(axis="y")
            axes.margins(x=0.02)
            if key == "val_top1":
                axes.set_ylim(0, 1)
                axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        if figure.axes:
            handles, labels = figure.axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=3)
        return figure


def falls(test: OrderTest) -> dict[str, float]:
    """Class -> how much accuracy it loses at most when its frames come otherwise, the greatest loss first."""
    lost = {
        label: of_class["as filmed"] - min(value for name, value in of_class.items() if name != "as filmed")
        for label, of_class in test.per_class.items()
        if "as filmed" in of_class and len(of_class) > 1
    }
    return dict(sorted(lost.items(), key=lambda item: (-item[1], item[0])))


def orders_figure(test: OrderTest) -> Figure:
    """One row a class, a dot for each order of the frames, the classes that lose most on top."""
    labels = list(falls(test))[:MOST_CLASSES]
    names = list(dict.fromkeys(name for label in labels for name in test.per_class[label]))
    marks = {"as filmed": "o", "frozen": "s", "shuffled": "X", "reversed": "<"}
    with style():
        figure, axes = new_figure(FULL_IN, max(1.5, 0.26 * len(labels) + 0.8))
        rows = range(len(labels))
        axes.hlines(
            rows,
            [min(test.per_class[label].values()) for label in labels],
            [max(test.per_class[label].values()) for label in labels],
            color=RULE,
            lw=2.5,
            zorder=1,
        )
        for i, name in reversed(list(enumerate(names))):
            found = [
                (test.per_class[label][name], row) for row, label in enumerate(labels) if name in test.per_class[label]
            ]
            x, y = zip(*found, strict=True)
            axes.plot(x, y, ls="", marker=marks.get(name, "D"), ms=6, color=SERIES[i], label=name, clip_on=False)
        axes.set_yticks(rows, [shorten(label) for label in labels])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel("accuracy")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper left", ncols=4, reverse=True)
        return figure


def labels_figure(curves: Sequence[LabelCurve]) -> Figure:
    """Accuracy against labelled clips: points with intervals, the fitted curves, and what twice the clips should bring.

    Beyond the last measured point the curve is dashed and ends in a hollow mark with the interval of the prediction.
    """
    with style():
        figure, axes = new_figure(FULL_IN, 3.9)
        ends, lines = [], list[Line]()
        for i, curve in enumerate(curves):
            colour, shift = SERIES[i % len(SERIES)], 1.02 ** (i - (len(curves) - 1) / 2)  # bars stand beside each other
            at = np.array([clips for clips, _ in curve.points], np.float64)
            scores = [estimate for _, estimate in curve.points]
            axes.vlines(at * shift, [e.low for e in scores], [e.high for e in scores], color=colour, lw=2, alpha=0.5)
            axes.plot(at * shift, [e.value for e in scores], "o", ms=6, color=colour)
            last = 2 * at[-1] if curve.doubled else at[-1]
            for x, y, width, dashes in _label_lines(curve, at, last):
                axes.plot(x, y, color=colour, lw=width, ls=dashes)
                lines += pairwise(zip(x.tolist(), y.tolist(), strict=True))
            end, value = at[-1] * shift, scores[-1].value
            if curve.doubled:
                end, value = last * shift, curve.doubled.value
                lines.append(((end, curve.doubled.low), (end, curve.doubled.high)))
                axes.vlines(end, curve.doubled.low, curve.doubled.high, color=colour, lw=1, ls=(0, (2, 1.5)))
                axes.plot(end, value, "D", ms=6.5, mfc=PAPER, mec=colour, mew=1.3)
            ends.append((end, value, shorten(curve.preset), colour))
        _label_axes(axes, curves)
        place_labels(
            figure,
            axes,
            [(x, y) for x, y, _, _ in ends],
            [name for _, _, name, _ in ends],
            colours=[colour for *_, colour in ends],
            lines=lines,
        )
        return figure


def _label_lines(curve: LabelCurve, at: np.ndarray, last: float) -> list[tuple[np.ndarray, np.ndarray, float, str]]:
    """(x, y, width, dashes) of the fitted curve and of where it leads; of one that does not fit, between the points."""
    if curve.starting:
        return [(at, np.array([estimate.value for _, estimate in curve.points]), 0.7, "-")]
    grids = (np.geomspace(at[0], at[-1]), "-"), (np.geomspace(at[-1], last), "--")
    return [(grid, 1 - curve.floor - curve.scale * grid**-curve.exponent, 1.3, dashes) for grid, dashes in grids]


def _label_axes(axes: Axes, curves: Sequence[LabelCurve]) -> None:
    """A logarithmic axis whose ticks are the sizes that were measured, and twice the largest."""
    sizes = sorted({n for c in curves for n, _ in c.points} | {2 * c.points[-1][0] for c in curves if c.doubled})
    spans = [e for c in curves for e in (*(e for _, e in c.points), c.doubled) if e is not None]
    axes.set_xscale("log")
    ticks: list[int] = []
    for size in sizes:  # those too close to the one before would be written over it
        if not ticks or size > 1.25 * ticks[-1]:
            ticks.append(size)
    axes.set_xticks(ticks, [f"{size:,}" for size in ticks])
    axes.xaxis.set_minor_locator(MaxNLocator(1))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)
    axes.set_xlim(sizes[0] / 1.15, sizes[-1] * 1.6)
    axes.set_ylim(_room([e.low for e in spans], [e.high for e in spans]))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.set_xlabel("labelled clips to train on")
    axes.set_ylabel("accuracy")
