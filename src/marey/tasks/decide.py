"""Where a model's scores become decisions: the one place that calibrated thresholds and the unknown are obeyed in."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..results import Segment
from .calibration import UNKNOWN, Calibration
from .recognize import THRESHOLD, EventRule, Recognition, cell_scores, events


@dataclass(frozen=True)
class Cells:
    """A stretch of video cut where its windows begin and end: what holds from edge to edge.

    edges_s  (n + 1,) seconds from its start
    scores   (n, classes) mean of the windows over each cell
    strange  (n,) share of the known clips that are less novel; None where nothing is taken for unknown
    known    bool (n,): whether the classes say anything of it
    """

    edges_s: np.ndarray
    scores: np.ndarray
    strange: np.ndarray | None
    known: np.ndarray


def cells_of(
    calibration: Calibration | None,
    *,
    starts_s: np.ndarray,
    window_s: float,
    duration_s: float,
    scores: np.ndarray,
    novelty: np.ndarray | None = None,
) -> Cells:
    """From what a model said of windows to what it says of every moment.

    starts_s  (n,) of windows of `window_s` seconds that cover `duration_s`
    scores    (n, classes) probabilities at the model's temperature
    novelty   (n,) of the windows, as the calibration has it
    """
    rule = calibration.unknown if calibration else None
    if rule is None or novelty is None:
        edges, cells = cell_scores(starts_s, window_s, scores, duration_s)
        return Cells(edges, cells, None, np.ones(len(cells), bool))
    edges, cells = cell_scores(starts_s, window_s, np.column_stack((scores, novelty)), duration_s)
    strange = rule.strangeness(cells[:, -1])
    return Cells(edges, cells[:, :-1], strange, strange < rule.level)


def decide(task: Recognition, calibration: Calibration | None, rule: EventRule, cells: Cells) -> tuple[Segment, ...]:
    """The events of a stretch of video, by start.

    A class is on where its score reaches its threshold: that of the rule, else its calibrated one, else 0.5; without a
    calibrated one, and where a clip has one class only, no other class may score higher. Nothing is on where the scene
    is unknown: an event "unknown" is there instead, whose score is the share of the known clips that are less strange.
    The background class never makes an event.
    """
    found = []
    if calibration is not None and calibration.unknown is not None and cells.strange is not None:
        level = np.array([calibration.unknown.level])
        strange = cells.strange[:, None]
        found += events(cells.edges_s, strange, [UNKNOWN], rule, thresholds=level, leading_only=False)
    silent = background_names(task, calibration)
    for head, part in task.parts().items():
        calibrated = class_thresholds(task, head, calibration) if rule.threshold is None else None
        found += events(
            cells.edges_s,
            cells.scores[:, part],
            named(task, head),
            rule,
            thresholds=calibrated,
            known=cells.known,
            leading_only=calibrated is None and not task.multi_label,
        )
    return tuple(sorted((e for e in found if e.label not in silent), key=lambda e: (e.start_s, e.end_s, e.label)))


def class_thresholds(task: Recognition, head: str, calibration: Calibration | None) -> np.ndarray | None:
    """(classes of the head,) calibrated thresholds, infinite for the background; None where there are none."""
    if calibration is None or head not in calibration.thresholds:
        return None
    return np.array([calibration.thresholds[head].get(label, np.inf) for label in task.heads[head]])


def named(task: Recognition, head: str) -> list[str]:
    """The classes of a head as timelines name them."""
    return [f"{head}: {label}" if len(task.heads) > 1 else label for label in task.heads[head]]


def background_names(task: Recognition, calibration: Calibration | None) -> set[str]:
    """The background class as timelines name it, if there is one."""
    background = calibration.background if calibration else None
    return {
        name
        for head, labels in task.heads.items()
        for name, label in zip(named(task, head), labels, strict=True)
        if label == background
    }


def rule_stamp(task: Recognition, calibration: Calibration | None, rule: EventRule) -> dict[str, Any]:
    """How events were made, for a protocol stamp."""
    threshold: Any = rule.threshold
    if threshold is None:
        heads = calibration.thresholds if calibration else {}
        plain = {head: dict(heads[head]) if head in heads else THRESHOLD for head in task.heads}
        threshold = next(iter(plain.values())) if len(plain) == 1 else plain
    return {"threshold": threshold, "merge_gap_s": rule.merge_gap_s, "min_duration_s": rule.min_duration_s}
