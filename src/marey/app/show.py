"""Results to rows of cells for the terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..results import Comparison, Estimate, Evaluation, Timeline

if TYPE_CHECKING:
    from ..data import Validation
    from ..jobs import Calibrated, CrossValidation, DemoResult, FewShot, Plan, Rebalanced
    from ..presets import LayerRow, ModelRow, StageRow

NAMES = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_per_class": "mean per class",
    "map": "mAP",
    "roc_auc": "ROC area",
    "calibration_error": "calibration error",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
}
ALARMS = ("precision", "recall")
ALARM_COLUMNS = ("class at its threshold", *ALARMS)
SHOT_COLUMNS = ("training clips of the class", "classes", "mean per class before", "after", "after less before")
CALIBRATION_COLUMNS = ("head", "temperature", "calibration error before", "after", "log loss before", "after")
FUSED_COLUMNS = ("model, clips that it knows", "alone: top-1 (95 % interval)", "all together less it, on these")
METRIC_COLUMNS = ("figure", "value", "95 % interval", "over")
Row = tuple[object, ...]


def percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def interval(estimate: Estimate) -> str:
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f} %"


def metric_rows(evaluations: Mapping[str, Evaluation]) -> list[Row]:
    """METRIC_COLUMNS; the last is what the interval was made over: clips, or groups where clips have them."""
    from ..report import units

    several = len(evaluations) > 1
    return [
        (
            f"{head}: {NAMES.get(name, name)}" if several else NAMES.get(name, name),
            percent(e.value),
            interval(e),
            units(evaluation, e),
        )
        for head, evaluation in evaluations.items()
        for name, e in evaluation.metrics.items()
    ]


def class_rows(evaluation: Evaluation) -> list[Row]:
    """class, clips, precision, recall, F1."""
    return [(c.label, c.clips, percent(c.precision), percent(c.recall), percent(c.f1)) for c in evaluation.per_class]


def event_rows(timeline: Timeline) -> list[Row]:
    return [(f"{e.start_s:.2f}", f"{e.end_s:.2f}", e.label, f"{e.score:.2f}") for e in timeline.events]


def alarm_rows(evaluation: Evaluation) -> list[Row]:
    """ALARM_COLUMNS, of the classes that have a calibrated threshold."""
    return [
        (label, *(f"{percent(e.value)} ({interval(e)})" if (e := found.get(name)) else "" for name in ALARMS))
        for label, found in evaluation.breakdowns.get("at its threshold", {}).items()
    ]


def calibration_rows(found: "Calibrated") -> list[Row]:
    """CALIBRATION_COLUMNS, a row a head that has classes to tell apart."""
    c = found.calibration
    errors, losses = (c.protocol[name] for name in ("calibration_error", "negative_log_likelihood"))
    return [
        (
            head,
            f"{c.temperature[head]:.3g}",
            *(percent(errors[head][when]) for when in ("before", "after")),
            *(f"{losses[head][when]:.3f}" for when in ("before", "after")),
        )
        for head in errors
    ]


def threshold_rows(found: "Calibrated") -> tuple[tuple[str, ...], list[Row]]:
    """(header, one row a class) of the thresholds, with what they do on the clips that they were chosen on."""
    heads = found.calibration.protocol.get("classes", {})
    rows = [
        (f"{head}: {label}" if len(heads) > 1 else label, row)
        for head, of in heads.items()
        for label, row in of.items()
    ]
    if any("hours" in row for _, row in rows):
        header = ("class", "threshold", "recall", "false alarms", "in minutes", "an hour at most")
        return header, [
            (
                label,
                f"{row['threshold']:.3f}",
                percent(row["recall"]),
                row["false_alarms"],
                f"{60 * row['hours']:.2f}",
                f"{row['false_alarms_per_hour_at_most']:.3g}",
            )
            for label, row in rows
        ]
    header = ("class", "threshold", "precision", "recall", "at least")
    return header, [
        (
            label,
            f"{row['threshold']:.3f}",
            percent(row["precision"]),
            percent(row["recall"]),
            percent(row.get("precision_at_least", row.get("recall_at_least"))),
        )
        for label, row in rows
    ]


def part_rows(evaluation: Evaluation, name: str) -> list[Row]:
    """part, figure, interval of a breakdown with one figure a part."""
    parts = evaluation.breakdowns.get(name, {})
    return [(part, percent(e.value), interval(e)) for part, figures in parts.items() for e in figures.values()]


def fused_rows(evaluation: Evaluation) -> list[Row]:
    """FUSED_COLUMNS: of models that answered together, each alone."""
    return [
        (model, f"{percent(f['top1'].value)} ({interval(f['top1'])})", difference(f["together_less"]))
        for model, f in evaluation.breakdowns.get("models", {}).items()
    ]


def difference(estimate: Estimate) -> str:
    return f"{100 * estimate.value:+.1f} ({100 * estimate.low:+.1f} to {100 * estimate.high:+.1f})"


def shot_rows(result: "Rebalanced") -> list[Row]:
    """SHOT_COLUMNS: mean per class accuracy of classes by their training clips."""
    return [
        (
            row.part,
            row.classes,
            f"{percent(row.before.value)} ({interval(row.before)})",
            f"{percent(row.after.value)} ({interval(row.after)})",
            difference(row.difference),
        )
        for row in result.shots
    ]


def fold_rows(result: "CrossValidation") -> list[Row]:
    """METRIC_COLUMNS of all presets, and the differences between them."""
    from ..report import units

    own = result.evaluations[result.preset]
    rows: list[Row] = [
        (f"{preset}: {NAMES[name]}", percent(e.value), interval(e), units(own, e))
        for preset, figures in result.figures.items()
        for name, e in figures.items()
    ]
    if result.folds is None:
        for preset, accuracies in result.per_seed.items():
            rows += [
                (f"{preset}: split {n}", percent(a), "", "") for n, a in zip(result.seeds, accuracies, strict=True)
            ]
            rows.append((f"{preset}: deviation", f"{100 * result.spread[preset]:.1f}", "", "between splits"))
    for preset, e in result.paired.items():
        rows.append(
            (
                f"{result.preset} less {preset}",
                f"{100 * e.value:+.1f}",
                f"{100 * e.low:+.1f} to {100 * e.high:+.1f}",
                units(own, e),
            )
        )
    return rows


def plan_row(row: "Plan") -> Row:
    from ..report import number_text

    mark = "taken" if row.taken else "does not fit" if not row.fits else "too long" if row.why else ""
    return (
        row.preset,
        f"{row.params:,}",
        number_text(row.gmacs, digits=3),
        row.epochs,
        row.batch_size,
        f"{row.minutes:.1f}",
        f"{row.memory_mb:.0f}",
        mark,
    )


def demo_rows(result: "DemoResult") -> list[Row]:
    """model, clips, all, one column a class group."""
    rows = []
    for name, evaluation in result.evaluations.items():
        top1 = evaluation.metrics["top1"]
        parts = evaluation.breakdowns.get("class group", {})
        rows.append(
            (
                name,
                len(evaluation.clips),
                f"{percent(top1.value)} ({interval(top1)})",
                *[
                    f"{percent(parts[g]['top1'].value)} ({interval(parts[g]['top1'])})" if g in parts else ""
                    for g in result.groups
                ],
            )
        )
    return rows


CANDIDATE_COLUMNS = (
    "preset",
    "right, unseen groups",
    "known groups",
    "behind",
    "p (Holm)",
    "GMACs",
    "ms a clip",
    "minutes",
    "epochs",
    "folds",
)


def candidate_rows(found: Comparison) -> list[Row]:
    """A row a candidate, the recommended first."""
    from ..report import cell_text, cost_cell, epochs_text, p_text

    def points(part: Estimate | None) -> str:
        return difference(part) if part else ""

    return [
        (
            c.preset,
            f"{percent(c.score.value)} ({interval(c.score)})",
            percent(c.known.value) if c.known else "",
            points(c.behind),
            "" if c.p_value is None else p_text(c.p_value),
            cell_text(cost_cell(c.efficiency, "gmacs"), "number"),
            f"{c.efficiency['ms_per_clip']:.0f}" if "ms_per_clip" in c.efficiency else "",
            f"{c.efficiency['train_minutes']:.1f}",
            epochs_text(c),
            f"{c.folds}, {c.stopped}" if c.stopped else c.folds,
        )
        for c in found.candidates
    ]


def protocol_line(protocol: Mapping[str, Any]) -> str:
    return "protocol: " + ", ".join(f"{key} {value}" for key, value in protocol.items())


def model_row(row: "ModelRow") -> Row:
    size = f"{row.frames} x {row.stride}, {row.side_px}"
    seconds = "whole clip" if row.footprint_s is None else f"{row.footprint_s:.2f}"
    return (row.name, row.family, f"{row.params:,}", f"{row.gmacs:.3f}", size, seconds, row.paper)


def stage_columns(rows: Sequence["StageRow"]) -> tuple[tuple[str, ...], list[Row]]:
    """(header, rows) of the stages; pathways, named before a point, stand side by side as in the papers' tables."""
    cells: dict[str, dict[str, str]] = {}
    for row in rows:
        path, _, stage = row.name.rpartition(".")
        cells.setdefault(stage, {})[path] = "\n".join(filter(None, (row.layers, " x ".join(map(str, row.size)))))
    paths = sorted({path for some in cells.values() for path in some}, reverse=True)  # slow before fast
    what = "layers, output c x t x h x w"
    header = ("stage", *(f"{path}: {what}" if path else what for path in paths))
    return header, [(stage, *(some.get(path, "") for path in paths)) for stage, some in cells.items()]


def layer_row(row: "LayerRow") -> Row:
    size, field = (" x ".join(map(str, numbers)) for numbers in (row.size, row.field))
    return (row.name, row.kind, size, field, f"{row.params:,}", f"{row.gmacs:.4f}")


def balance_rows(found: "Validation") -> list[Row]:
    return [(c.label, c.clips, f"{c.seconds:.1f}", c.units) for c in found.classes]


def run_row(row: Mapping[str, Any]) -> Row:
    return (row["folder"], row["preset"], row["data"], row["state"], percent(row["score"]))


def few_shot_rows(found: "FewShot") -> list[Row]:
    """A row an encoder and classifier, a column each number of shots, in rising order."""
    counts = sorted({row.shots for row in found.rows})
    cells: dict[tuple[str, str], list[str]] = {}
    for row in found.rows:
        reach = 100 * (row.accuracy.high - row.accuracy.low) / 2
        values = cells.setdefault((row.encoder, row.classifier), [""] * len(counts))
        values[counts.index(row.shots)] = f"{percent(row.accuracy.value)} ± {reach:.1f}"
    return [(*names, *values) for names, values in cells.items()]


NEED_COLUMNS = ("encoder", "accuracy", "labelled clips", "steps on all clips", "best tried")


def need_rows(found: "FewShot") -> list[Row]:
    """What each encoder needs to reach the target."""
    rows = []
    for encoder, need in found.needs.items():
        size, score = max(need.curve, key=lambda point: point[1])
        clips = f"more than the {need.curve[-1][0]:,} tried" if need.clips is None else f"{need.clips:,}"
        if need.foretold:
            clips += f"; {need.foretold:,} by the label curve"
        elif need.starting:
            clips += "; how many cannot be told, as learning has just begun"
        steps = "not reached" if need.steps is None else str(need.steps)
        rows.append((encoder, percent(need.target), clips, steps, f"{percent(score)} with {size:,}"))
    return rows
