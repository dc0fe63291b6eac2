"""The figures of a report. Each takes results and returns a matplotlib Figure; `canvas` saves it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..metrics import reliability
from ..results import Estimate, Evaluation, Timeline
from .canvas import INK, MUTED, RULE, SERIES, new_figure, style

FULL_IN = 9.8  # width of the text column
MOST_LABELS = 50  # class names beside a matrix or under bars; beyond that every n-th is named
MOST_COUNTED = 30  # classes whose counts are written into the matrix
MOST_CURVES = 8  # single curves drawn with their names


def learning_curves(history: Sequence[Mapping[str, float | int]]) -> Figure:
    """Loss (left) and accuracy (right) by epoch; a row without a figure leaves a gap."""
    with style():
        figure, left = new_figure(FULL_IN, 2.9)
        figure.delaxes(left)
        loss, accuracy = figure.subplots(1, 2)
        epochs = [row.get("epoch", i) for i, row in enumerate(history)]
        panels = (
            (loss, "loss", "training", SERIES[1]),
            (loss, "val_loss", "validation", SERIES[0]),
            (accuracy, "val_top1", "validation", SERIES[0]),
        )
        for axes, key, name, colour in panels:
            values = np.array([row.get(key, np.nan) for row in history], np.float64)
            if np.isfinite(values).any():
                axes.plot(epochs, values, color=colour, marker="o" if len(epochs) < 40 else "", ms=3)
                last = int(np.flatnonzero(np.isfinite(values))[-1])
                _name_at_end(axes, epochs[last], values[last], name, colour)
        best = np.array([row.get("val_top1", np.nan) for row in history], np.float64)
        if np.isfinite(best).any():
            accuracy.axvline(epochs[int(np.nanargmax(best))], color=RULE, lw=1, zorder=0)
        accuracy.set_ylim(0, 1)
        accuracy.yaxis.set_major_formatter(PercentFormatter(1))
        for axes, title in ((loss, "Loss"), (accuracy, "Top-1 accuracy")):
            axes.set_title(title, loc="left")
            axes.set_xlabel("epoch")
            axes.grid(axis="y")
            axes.margins(x=0.02)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return figure


def _name_at_end(axes: Axes, x: float | int, y: float, name: str, colour: str) -> None:
    """A curve's name right of its last point, in its colour: no legend to look up."""
    axes.annotate(
        name,
        (x, y),
        xytext=(5, 0),
        textcoords="offset points",
        color=colour,
        va="center",
        fontsize=8.5,
        annotation_clip=False,
    )


def confusion_figure(evaluation: Evaluation) -> Figure:
    """Row-normalised confusion matrix, truth in the rows; with the counts where there is room."""
    matrix = np.array(evaluation.confusion, np.float64)
    classes, totals = len(matrix), matrix.sum(1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros_like(matrix), where=totals > 0)
    longest = max(len(label) for label in evaluation.labels)
    side = float(np.clip(0.26 * classes, 2.2, 7.2))
    margin = min(0.085 * min(longest, 28) + 0.4, 2.6)
    with style():
        figure, axes = new_figure(min(side + margin, FULL_IN), side + margin)
        picture = np.zeros((classes, classes, 4))  # the accent colour, as opaque as the share: works on any paper
        picture[..., :3], picture[..., 3] = to_rgb(SERIES[0]), np.sqrt(shares)
        axes.imshow(picture, interpolation="nearest" if classes <= 120 else "antialiased")
        step = -(-classes // MOST_LABELS)
        places = np.arange(0, classes, step)
        names = [shorten(evaluation.labels[i]) for i in places]
        axes.set_xticks(places, names, rotation=90)
        axes.set_yticks(places, names)
        axes.tick_params(length=0 if step == 1 else 2, labelsize=8 if len(places) > 30 else 9)
        axes.set_xlabel("said")
        axes.set_ylabel("true")
        if classes <= MOST_COUNTED:
            for row, column in np.argwhere(matrix > 0):
                colour = "#ffffff" if shares[row, column] > 0.35 else INK
                text = f"{matrix[row, column]:.0f}"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9 if classes < 15 else 7)
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color(RULE)
        return figure


def shorten(text: str, *, most: int = 28) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def per_class_figure(models: Mapping[str, Evaluation]) -> Figure:
    """One row a class, the first model's best on top; one dot a model, a line between its worst and its best.

    Dots are recall, or average precision for multi-label data.
    """
    first = next(iter(models.values()))
    key = "average_precision" if first.multi_label else "recall"
    of_class = [{c.label: getattr(c, key) for c in evaluation.per_class} for evaluation in models.values()]
    labels = [label for label, value in of_class[0].items() if value is not None]
    labels.sort(key=lambda label: (-of_class[0][label], label))
    values = np.array([[row.get(label) for label in labels] for row in of_class], np.float64)  # None becomes nan
    places, many = np.arange(len(labels)), len(labels) > MOST_LABELS
    with style():
        figure, axes = new_figure(FULL_IN, 8.6 if many else max(1.4, 0.24 * len(labels) + 0.7))
        if not many:
            axes.hlines(places, np.nanmin(values, 0), np.nanmax(values, 0), color=RULE, lw=2.5, zorder=1)
        for i, (name, row) in reversed(list(enumerate(zip(models, values, strict=True)))):
            colour = SERIES[i % len(SERIES)]
            axes.plot(row, places, ls="", marker="o", ms=2.5 if many else 6, color=colour, label=name, clip_on=False)
        step = -(-len(labels) // MOST_LABELS)
        axes.set_yticks(places[::step], [shorten(label) for label in labels[::step]])
        _fractions(axes, len(labels))
        axes.tick_params(axis="y", labelsize=8 if many else 9)
        axes.set_xlabel(key.replace("_", " "))
        if len(models) > 1:
            figure.legend(loc="outside upper right", ncols=min(4, len(models)), reverse=True)
        return figure


def _fractions(axes: Axes, rows: int) -> None:
    """Rows from the top down, fractions in percent along them."""
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def curves_figure(evaluation: Evaluation) -> Figure:
    """ROC curves (left) and precision-recall curves (right).

    Few classes are drawn one by one; of many, the middle half of the classes is a band around their median.
    """
    areas = {c.label: (c.roc_auc, c.average_precision) for c in evaluation.per_class}
    kinds = (("fpr", "tpr", "false positive rate", "true positive rate", "ROC"),)
    kinds += (("recall", "precision", "recall", "precision", "Precision and recall"),)
    with style():
        figure, spare = new_figure(6.35, 3.3)
        figure.delaxes(spare)
        for side, (axes, (x, y, x_name, y_name, title)) in enumerate(zip(figure.subplots(1, 2), kinds, strict=True)):
            curves = evaluation.curves
            if len(curves) <= MOST_CURVES:
                for i, (label, points) in enumerate(curves.items()):
                    area = areas[label][side]
                    named = f"{shorten(label)}  {100 * area:.1f}" if area is not None else shorten(label)
                    colour = SERIES[i % len(SERIES)]
                    axes.plot(points[x], points[y], color=colour, label=named, ls="-" if i < len(SERIES) else "--")
            else:
                grid = np.linspace(0, 1, 101)
                all_curves = np.array([np.interp(grid, points[x], points[y]) for points in curves.values()])
                low, middle, high = np.quantile(all_curves, (0.25, 0.5, 0.75), axis=0)
                axes.fill_between(grid, low, high, color=SERIES[0], alpha=0.2, lw=0, label="middle half of the classes")
                axes.plot(grid, middle, color=SERIES[0], label=f"median of {len(curves)} classes")
            if side == 0:
                axes.plot((0, 1), (0, 1), color=RULE, lw=1, zorder=0)
            axes.set(xlabel=x_name, ylabel=y_name, xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal")
            axes.set_title(title, loc="left")
            axes.legend(loc="lower right" if side == 0 else "lower left")
        return figure


def reliability_figure(evaluation: Evaluation) -> Figure:
    """Confidence against accuracy in bins, with how many decisions each bin holds; on the diagonal they agree."""
    scores = np.array([clip.scores for clip in evaluation.clips])
    if evaluation.multi_label:
        confidence = scores.ravel()
        right = np.array([[label in clip.truth for label in evaluation.labels] for clip in evaluation.clips]).ravel()
    else:
        confidence, right = scores.max(1), np.array([clip.right for clip in evaluation.clips])
    bins = reliability(confidence, right)
    with style():
        figure, axes = new_figure(3.2, 3.3)
        axes.plot((0, 1), (0, 1), color=RULE, lw=1, zorder=0)
        axes.plot(bins.confidence, bins.accuracy, color=SERIES[0], lw=0.8, alpha=0.6)
        axes.scatter(bins.confidence, bins.accuracy, s=6 + 110 * bins.clips / bins.clips.max(), color=SERIES[0], lw=0)
        said = "score" if evaluation.multi_label else "confidence"
        axes.set(xlabel=said, ylabel="how often it is right", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        axes.set_title("Reliability", loc="left")
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        return figure


def intervals_figure(rows: Mapping[str, Mapping[str, Estimate]], *, reference: float | None = None) -> Figure:
    """Dots with 95 % intervals: parts down the side, one colour a model. `reference` draws a line (chance, say)."""
    models = list(dict.fromkeys(name for of_model in rows.values() for name in of_model))
    together = max(map(len, rows.values()), default=0) > 1
    spread = np.linspace(-0.22, 0.22, len(models)) if together else np.zeros(len(models))
    with style():
        figure, axes = new_figure(FULL_IN, 0.75 + len(rows) * max(0.3, 0.17 * max(map(len, rows.values()), default=0)))
        for i, (model, shift) in enumerate(zip(models, spread, strict=True)):
            colour = SERIES[i % len(SERIES)]
            places = [row + shift for row, of_model in enumerate(rows.values()) if model in of_model]
            found = [of_model[model] for of_model in rows.values() if model in of_model]
            axes.hlines(places, [e.low for e in found], [e.high for e in found], color=colour, lw=2.2, alpha=0.55)
            axes.plot(
                [e.value for e in found], places, ls="", marker="o", ms=6, color=colour, label=model, clip_on=False
            )
        if reference is not None:
            axes.axvline(reference, color=MUTED, lw=0.9, ls=(0, (3, 3)), zorder=0)
        axes.set_yticks(range(len(rows)), [shorten(part) for part in rows])
        _fractions(axes, len(rows))
        if together:
            figure.legend(loc="outside upper right", ncols=min(4, len(models)))
        return figure


def timeline_figure(timeline: Timeline) -> Figure:
    """The events of a video in time, one row a class, as dark as their score."""
    labels = list(dict.fromkeys(event.label for event in timeline.events)) or ["no events"]
    with style():
        figure, axes = new_figure(FULL_IN, 0.8 + 0.3 * len(labels))
        for event in timeline.events:
            row = labels.index(event.label)
            axes.barh(
                row,
                event.end_s - event.start_s,
                left=event.start_s,
                height=0.7,
                color=SERIES[row % len(SERIES)],
                alpha=0.25 + 0.75 * event.score,
                lw=0,
            )
        axes.set_yticks(range(len(labels)), [shorten(label) for label in labels])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_xlim(0, max(timeline.duration_s, 1e-3))
        axes.set_xlabel("seconds")
        return figure
