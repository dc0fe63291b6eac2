"""From the scores of clips to the whole Evaluation: every figure with its interval, per class, curves, breakdowns."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import counted
from ..results import ClassScore, ClipScore, Evaluation
from .calibration import BINS
from .classification import class_figures, confusion_matrix
from .intervals import group_codes
from .ranking import areas, precision_recall_curve, roc_curve
from .scored import Estimates, Scored, calibration_metric, decision_metrics, ranking_metrics

RESAMPLES = 2000
DECISION = 0.5  # score at which a multi-label class counts as said


def evaluate_scores(
    scores: np.ndarray,
    truth: np.ndarray,
    labels: Sequence[str],
    *,
    paths: Sequence[str],
    spans: Sequence[tuple[float | None, float | None]] | None = None,
    groups: Sequence[str | None] | None = None,
    protocol: Mapping[str, Any],
    class_groups: Mapping[str, str] | None = None,
    parts: Mapping[str, Sequence[str | None]] | None = None,
    shots: Mapping[str, str] | None = None,
    quarantined: Mapping[str, str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Everything that an Evaluation holds.

    scores        float (n, classes), probabilities; rows sum to 1 unless multi-label
    truth         int (n,), the index of the class; or bool (n, classes) for multi-label data
    paths, spans  of the clips: video and (start_s, end_s)
    groups        source of each clip: intervals then resample sources, not clips
    protocol      the stamp; how the intervals and the calibration error were made is added to it
    class_groups  class -> group, for the breakdown "class group"
    parts         further breakdowns: name -> part of each clip, None where it is in no part.
                  "seen" with parts "seen" and "unseen" is what a report shows as generalization.
    shots         class -> how many clips it was trained on, in words and in the order to show, of single-label data:
                  the breakdown "shots" into mean_per_class of such classes' clips, and of "all"

    Metrics: top1, top5 (above 5 classes), mean_per_class (the mean recall, also called balanced accuracy; single-label
    only), map and roc_auc (means over the classes whose clips determine them), calibration_error (15 bins; of the top
    class, or of every class's score for multi-label data). top1 of multi-label data is the fraction of the clips with
    any class whose best class is one of theirs; its precision, recall and F1 count scores of at least 0.5.
    Resamples are 2000, and fewer (never under 200) for map and roc_auc on very many clips and classes.
    Raises ValueError for shapes that do not match, scores outside 0..1 and truth outside the labels.
    """
    scores, truth = np.asarray(scores, np.float64), np.asarray(truth)
    _check(scores, truth, labels, paths)
    truth = truth.astype(bool) if truth.ndim == 2 else truth
    scored = Scored(scores, truth, tuple(groups) if groups else None, resamples, seed)
    clips = len(scores)
    predicted: list[int] = scores.argmax(1).tolist()
    spans = spans or [(None, None)] * clips
    confusion = () if scored.multi_label else confusion_matrix(truth, scores.argmax(1), len(labels)).tolist()
    return Evaluation(
        protocol={**protocol, **_stamp(scored, labels)},
        labels=tuple(labels),
        multi_label=scored.multi_label,
        metrics={
            **decision_metrics(scored),
            **ranking_metrics(scored),
            "calibration_error": calibration_metric(scored),
        },
        per_class=_per_class(scored, labels),
        confusion=tuple(map(tuple, confusion)),
        curves=_curves(scored, labels),
        clips=tuple(
            ClipScore(
                path=paths[i],
                start_s=spans[i][0],
                end_s=spans[i][1],
                truth=tuple(labels[c] for c in np.flatnonzero(scored.positive[i]).tolist()),
                predicted=labels[predicted[i]],
                scores=tuple(scores[i].tolist()),
                group=groups[i] if groups else None,
            )
            for i in range(clips)
        ),
        breakdowns=_breakdowns(scored, labels, class_groups or {}, parts or {}) | _shots(scored, labels, shots or {}),
        quarantined=dict(quarantined or {}),
    )


def _check(scores: np.ndarray, truth: np.ndarray, labels: Sequence[str], paths: Sequence[str]) -> None:
    if scores.ndim != 2 or scores.shape[1] != len(labels) or not len(labels):
        raise ValueError(f"scores are of shape {scores.shape}; they must be (clips, {len(labels)}), one column a label")
    if len(scores) != len(truth) or len(scores) != len(paths):
        raise ValueError(
            f"{len(scores)} rows of scores, {len(truth)} of truth, {len(paths)} paths; give one for each clip"
        )
    if not len(scores):
        raise ValueError("there are no clips to score")
    if not (np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1 + 1e-6):
        raise ValueError(f"scores run from {scores.min()} to {scores.max()}; they must be probabilities in 0..1")
    if truth.ndim == 2 and truth.shape != scores.shape:
        raise ValueError(
            f"truth is of shape {truth.shape}, scores of shape {scores.shape}; multi-label truth needs the same"
        )
    if truth.ndim == 1 and not (truth.dtype.kind in "iu" and truth.min() >= 0 and truth.max() < len(labels)):
        raise ValueError(
            f"truth runs from {truth.min()} to {truth.max()}; it must be indices of the {len(labels)} labels"
        )
    if truth.ndim not in (1, 2):
        raise ValueError(
            f"truth has {truth.ndim} dimensions; it must be (clips,) or, for multi-label data, (clips, classes)"
        )


def _stamp(scored: Scored, labels: Sequence[str]) -> dict[str, Any]:
    """What the protocol has to say about the figures themselves."""
    clips = len(scored.scores)
    count, noun = (int(group_codes(scored.groups, clips).max()) + 1, "group") if scored.groups else (clips, "clip")
    stamp: dict[str, Any] = {
        "clips": clips,
        "interval": f"95 %, bootstrap over {counted(count, noun)}",
        "resamples": scored.resamples,
        "calibration_bins": BINS,
    }
    if absent := [label for label, any_clip in zip(labels, scored.positive.sum(0), strict=True) if not any_clip]:
        stamp["classes_without_clips"] = absent  # left out of map, roc_auc and mean_per_class
    return stamp


def _per_class(scored: Scored, labels: Sequence[str]) -> tuple[ClassScore, ...]:
    positive = scored.positive
    best = scored.scores.argmax(1)[:, None] == np.arange(len(labels))
    figures = class_figures(scored.scores >= DECISION if scored.multi_label else best, positive)
    ranked = np.array([areas(ranking) for ranking in scored.rankings])

    def known(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    columns = zip(labels, positive.sum(0).tolist(), *figures, *ranked.T, strict=True)
    return tuple(ClassScore(label, clips, *map(known, values)) for label, clips, *values in columns)


def _curves(scored: Scored, labels: Sequence[str]) -> dict[str, dict[str, tuple[float, ...]]]:
    """ROC and precision-recall curves of the classes that have both positive and negative clips."""
    found = {}
    for label, mine, ranking in zip(labels, scored.positive.T, scored.rankings, strict=True):
        if mine.any() and not mine.all():
            fpr, tpr = roc_curve(ranking)
            recall, precision = precision_recall_curve(ranking)
            arrays = {"fpr": fpr, "tpr": tpr, "precision": precision, "recall": recall}
            found[label] = {name: tuple(a.tolist()) for name, a in arrays.items()}
    return found


def _breakdowns(
    scored: Scored,
    labels: Sequence[str],
    class_groups: Mapping[str, str],
    parts: Mapping[str, Sequence[str | None]],
) -> dict[str, dict[str, Estimates]]:
    """Metrics of parts of the clips; a part without clips is absent.

    The part of a class group is the clips whose true class is in it, scored against all classes; of multi-label data
    it is the columns of its classes, scored by map.
    """
    found: dict[str, dict[str, Estimates]] = {}
    for group in dict.fromkeys(class_groups.values()):
        columns = np.array([class_groups.get(label) == group for label in labels])
        mine = np.asarray(scored.positive[:, columns].any(1))
        if mine.any() and scored.multi_label:
            some = replace(scored, scores=scored.scores[:, columns], truth=scored.truth[:, columns])
            found.setdefault("class group", {})[group] = ranking_metrics(some)
        elif mine.any():
            found.setdefault("class group", {})[group] = decision_metrics(scored.part(mine))
    for name, part_of in parts.items():
        if len(part_of) != len(scored.scores):
            raise ValueError(
                f"breakdown {name!r} has {len(part_of)} parts for {len(scored.scores)} clips; give one a clip"
            )
        for part in sorted({p for p in part_of if p is not None}):
            some = scored.part(np.array([p == part for p in part_of]))
            figures = decision_metrics(some) | (ranking_metrics(some) if scored.multi_label else {})
            found.setdefault(name, {})[part] = figures
    return found


def _shots(scored: Scored, labels: Sequence[str], shots: Mapping[str, str]) -> dict[str, dict[str, Estimates]]:
    """Many, medium, few and all (Liu et al., CVPR 2019, arXiv:1904.05160), each the mean over its classes."""
    found: dict[str, Estimates] = {}
    for part in dict.fromkeys(shots.values()):
        mine = np.array([shots.get(label) == part for label in labels])[scored.truth]
        if mine.any():
            found[part] = {"mean_per_class": decision_metrics(scored.part(mine))["mean_per_class"]}
    return {"shots": {**found, "all": {"mean_per_class": decision_metrics(scored)["mean_per_class"]}}} if found else {}
