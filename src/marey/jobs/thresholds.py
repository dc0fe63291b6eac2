"""The score from which each class is on, for what a person wants of it, or a sentence that says why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

import numpy as np

from ..errors import UsageError
from ..metrics import (
    Threshold,
    Unreachable,
    false_alarms_allowed,
    rate_at_most,
    supportable_rate,
    threshold_for_false_alarms,
    threshold_for_precision,
    threshold_for_recall,
)
from ..report import counted
from ..tasks import Cells, EventRule, events, parse_rate
from .prepare import check_range

CONFIDENCE, CONFIDENCES = 0.95, (0.5, 0.9999)


@dataclass(frozen=True)
class Wanted:
    """What every class's threshold is for: one of three.

    precision, recall  at least this share, above 0 and below 1
    false_alarms       at most so many of each class, such as "1/hour"
    confidence         with which that must be shown
    """

    precision: float | None = None
    recall: float | None = None
    false_alarms: str | None = None
    confidence: float = CONFIDENCE

    def __post_init__(self) -> None:
        given = [name for name in ("precision", "recall", "false_alarms") if getattr(self, name) is not None]
        if len(given) > 1:
            flags = " and ".join("--" + name.replace("_", "-") for name in given)
            raise UsageError(f"{flags} are both given, and a threshold is for one of them; drop one")
        for name in ("precision", "recall"):
            share(f"--{name}", getattr(self, name))
        check_range("--confidence", self.confidence, *CONFIDENCES)
        if self.false_alarms is not None:
            parse_rate(self.false_alarms)

    def __bool__(self) -> bool:
        return (self.precision, self.recall, self.false_alarms) != (None, None, None)

    def __str__(self) -> str:
        sure = f"with {100 * self.confidence:g} % confidence"
        if self.false_alarms is not None:
            return f"{self.false_alarms} false alarms of each class at most, {sure}"
        return f"{f'precision {self.precision:g}' if self.precision else f'recall {self.recall:g}'} at least, {sure}"


def share(flag: str, value: float | None) -> None:
    """UsageError for what is no share between 0 and 1."""
    if value is not None and not 0 < value < 1:
        raise UsageError(f"{flag} is {value:g}; give a number above 0 and below 1, such as 0.9")


@dataclass(frozen=True)
class Clips:
    """What a model says of the clips that thresholds are chosen on, for one head.

    scores  (n, classes), below 0 where a clip is unknown to the model; truth bool (n, classes)
    cells   of each clip, as `predict` cuts it; empty where false alarms are not counted
    where   what the clips are called in a sentence
    """

    labels: Sequence[str]
    scores: np.ndarray
    truth: np.ndarray
    cells: Sequence[Cells]
    where: str


def choose_thresholds(clips: Clips, wanted: Wanted, *, background: str | None) -> dict[str, dict[str, Any]]:
    """Class -> its threshold and how it fares on the clips; the background has none. UsageError where one has none."""
    columns = [column for column, label in enumerate(clips.labels) if label != background]
    for column in columns:
        _refuse_one_sided(clips, column)
    if wanted.false_alarms is None:
        return {clips.labels[column]: _for_share(clips, column, wanted) for column in columns}
    hours = {column: _negative_hours(clips, column) for column in columns}
    _refuse_few_hours(clips, hours, wanted)
    return {clips.labels[column]: _for_rate(clips, column, hours[column], wanted) for column in columns}


def _refuse_one_sided(clips: Clips, column: int) -> None:
    label, shown = clips.labels[column], int(clips.truth[:, column].sum())
    if shown == 0:
        raise UsageError(
            f"none of {clips.where} shows {label!r}, so it can have no threshold; give clips that do with --data"
        )
    if shown == len(clips.truth):
        raise UsageError(
            f"all of {clips.where} show {label!r}, so nothing tells when it is wrongly seen; give others with --data"
        )


def _for_share(clips: Clips, column: int, wanted: Wanted) -> dict[str, Any]:
    """For a precision or a recall."""
    find = threshold_for_precision if wanted.precision else threshold_for_recall
    what, least = ("precision", wanted.precision) if wanted.precision else ("recall", wanted.recall)
    assert least is not None
    positive = clips.truth[:, column]
    found = find(clips.scores[:, column], positive, least, confidence=wanted.confidence)
    if isinstance(found, Unreachable):
        best = floor(1000 * found.best + 1e-6) / 1000  # one in thousandths stays what it is
        raise UsageError(
            f"no threshold of {clips.labels[column]!r} shows a {what} of {least:g} with {100 * wanted.confidence:g} % "
            f"confidence: {clips.where} have {counted(int(positive.sum()), 'clip')} of it, and the best shows "
            f"{best:g}; ask for less, give more clips with --data, or be content with less --confidence"
        )
    return _row(found, int(positive.sum())) | {f"{what}_at_least": found.bound}


def _for_rate(clips: Clips, column: int, hours: float, wanted: Wanted) -> dict[str, Any]:
    """For a number of false alarms: the events that `predict` would make of clips that do not show the class."""
    assert wanted.false_alarms is not None
    label, positive = clips.labels[column], clips.truth[:, column]
    others = [cells for cells, mine in zip(clips.cells, positive, strict=True) if not mine]
    peaks = np.array([_peak(cells, column) for cells in others])

    def alarms_at(threshold: float) -> int:
        loud = (others[place] for place in np.flatnonzero(peaks >= threshold))
        return sum(_alarms(cells, column, threshold) for cells in loud)

    allowed = false_alarms_allowed(parse_rate(wanted.false_alarms), hours, confidence=wanted.confidence)
    assert allowed is not None
    negative = np.concatenate([cells.scores[cells.known, column] for cells in others])
    own = np.array([_peak(cells, column) for cells, mine in zip(clips.cells, positive, strict=True) if mine])
    value = threshold_for_false_alarms(negative, own, alarms_at, allowed)
    if value is None:
        raise UsageError(
            f"{label!r} has a score of 1 on clips that do not show it, so no threshold keeps its false alarms to "
            f"{wanted.false_alarms}; ask for more, or train a model that tells it apart"
        )
    count, right = alarms_at(value), int((own >= value).sum())
    return {
        "threshold": value,
        "clips": int(positive.sum()),
        "recall": right / int(positive.sum()),
        "false_alarms": count,
        "hours": hours,
        "false_alarms_per_hour": count / hours,
        "false_alarms_per_hour_at_most": rate_at_most(count, hours, confidence=wanted.confidence),
    }


def _alarms(cells: Cells, column: int, threshold: float) -> int:
    limits, scores = np.array([threshold]), cells.scores[:, [column]]
    return len(
        events(cells.edges_s, scores, [""], EventRule(), thresholds=limits, known=cells.known, leading_only=False)
    )


def _peak(cells: Cells, column: int) -> float:
    """The highest score of a class in a clip; below 0 where all of it is unknown."""
    return float(cells.scores[cells.known, column].max(initial=-1.0))


def _negative_hours(clips: Clips, column: int) -> float:
    """Hours of the clips that do not show a class."""
    pairs = zip(clips.cells, clips.truth[:, column], strict=True)
    return sum(float(cells.edges_s[-1]) for cells, mine in pairs if not mine) / 3600


def _refuse_few_hours(clips: Clips, hours: Mapping[int, float], wanted: Wanted) -> None:
    """UsageError where even no false alarm at all would not show the wanted rate, with the lowest that could be."""
    assert wanted.false_alarms is not None
    column = min(hours, key=lambda c: hours[c])
    lowest = supportable_rate(hours[column], confidence=wanted.confidence)
    if lowest <= parse_rate(wanted.false_alarms):
        return
    places = 10 ** (floor(log10(lowest)) - 2)
    asked = f"{ceil(lowest / places) * places:.6g}"
    needed = supportable_rate(1.0, confidence=wanted.confidence) / parse_rate(wanted.false_alarms)
    raise UsageError(
        f"{clips.where} have {60 * hours[column]:.3g} minutes without {clips.labels[column]!r}, too few to show "
        f"{wanted.false_alarms} with {100 * wanted.confidence:g} % confidence, which takes {needed:.3g} hours without "
        f"a false alarm; the lowest that they can support is --false-alarms {asked}/hour (more hours: --data)"
    )


def _row(found: Threshold, positives: int) -> dict[str, Any]:
    return {
        "threshold": found.value,
        "clips": positives,
        "precision": found.right / found.alarms,
        "recall": found.right / positives,
    }
