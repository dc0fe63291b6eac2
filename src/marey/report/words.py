"""Figures in words: how a score, an interval and a comparison are said on the page, in the card and in the terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import counted
from ..metrics import SIGNIFICANT, paired_difference
from ..results import ClipScore, Estimate, Evaluation, Guess, Report

METRIC_NAMES = {
    "top1": "Top-1 accuracy",
    "top5": "Top-5 accuracy",
    "mean_per_class": "Mean per class accuracy",
    "map": "Mean average precision",
    "roc_auc": "ROC area",
    "calibration_error": "Calibration error",
}
FEW_UNITS = 20  # below this many resampled clips or groups, an interval is called rough


def percent(value: float | None) -> str:
    """0.8337 -> "83.4 %"; None -> a dash."""
    return "–" if value is None else f"{100 * value:.1f} %"


def points(value: float) -> str:
    """A difference of fractions in percentage points, with its sign: 0.182 -> "+18.2"."""
    return f"{100 * value:+.1f}".replace("-", "−")


def interval(estimate: Estimate) -> str:
    """ "78.1 to 88.0 %", the 95 % interval of a fraction."""
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f} %"


def estimate_text(estimate: Estimate | None) -> str:
    """ "83.4 % (78.1 to 88.0)"; None -> a dash."""
    if estimate is None:
        return "–"
    return f"{percent(estimate.value)} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def difference_text(estimate: Estimate) -> str:
    """ "−3.2 points (−8.0 to +1.5)", of a difference of two fractions."""
    return f"{points(estimate.value)} points ({points(estimate.low)} to {points(estimate.high)})"


def duration_text(seconds: float) -> str:
    """ "18 seconds" under two minutes, "2.5 minutes" from there on."""
    if seconds >= 120:
        return f"{round(seconds / 60, 1):g} minutes"
    number = f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"
    return f"{number} second{'' if number == '1' else 's'}"


def number_text(value: float, *, digits: int = 4) -> str:
    """So many significant digits: 38.54713 -> "38.55"; 12345.6 -> "12,346", 4.8e-8 -> "< 0.001"."""
    if 0 < value < 0.001:
        return "< 0.001"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.{digits}g}"


def p_text(p_value: float) -> str:
    """A p value: 0.02831 -> "0.0283", below a thousandth "< 0.001"."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3g}"


def beyond_chance(p_value: float | None) -> bool:
    """Whether chance does not explain a difference of this corrected p; intervals have no say. None is not told."""
    return p_value is not None and p_value < SIGNIFICANT


def beats_guessing(score: Estimate, guess: Guess | None) -> bool:
    """Whether the model with that score is better, beyond chance, than always answering one class; None: not asked."""
    return guess is None or (score.value > guess.share and beyond_chance(guess.p_value))


def count_text(value: float | int) -> str:
    """Large counts short: 78409573 -> "78.4 M", 33,166 -> "33.2 k", 512 -> "512"."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if unit == 'k' else size):.3g} {unit}"
    return f"{value:,.0f}"


def first_of(names: Sequence[str], *, most: int) -> str:
    """The first names joined by commas, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def metric_name(name: str) -> str:
    return METRIC_NAMES.get(name, name.replace("_", " "))


def headline_metric(evaluation: Evaluation) -> str:
    """The one figure that a reader looks for first: mAP for multi-label data, else top-1 accuracy."""
    wanted = "map" if evaluation.multi_label else "top1"
    return wanted if wanted in evaluation.metrics else next(iter(evaluation.metrics))


def breakdown_metric(evaluation: Evaluation, name: str) -> str:
    """The figure that a breakdown shows: the headline figure, or the one that its parts have in its place."""
    wanted = headline_metric(evaluation)
    held = [metric for figures in evaluation.breakdowns[name].values() for metric in figures]
    return wanted if wanted in held or not held else held[0]


def units(evaluation: Evaluation, estimate: Estimate) -> str:
    """What the interval resampled: "41 groups" or "202 clips"."""
    return counted(estimate.n, "group" if any(clip.group for clip in evaluation.clips) else "clip")


def span_text(clip: ClipScore) -> str:
    """ "12.0 to 14.5 s", or nothing for a whole video."""
    if clip.start_s is None and clip.end_s is None:
        return ""
    end = "end" if clip.end_s is None else f"{clip.end_s:.1f} s"
    return f"{clip.start_s or 0:.1f} to {end}"


def confidence(evaluation: Evaluation, clip: ClipScore) -> float:
    """The score of the class that the model said."""
    return clip.scores[evaluation.labels.index(clip.predicted)]


def worst_clips(evaluation: Evaluation, *, most: int = 24) -> tuple[ClipScore, ...]:
    """The clips that the model is most confidently wrong about, worst first."""
    wrong = [clip for clip in evaluation.clips if clip.truth and not clip.right]
    return tuple(sorted(wrong, key=lambda c: (-confidence(evaluation, c), c.path, c.start_s or 0.0))[:most])


def majority(evaluation: Evaluation) -> tuple[str, float]:
    """The most frequent class of single-label clips and the share of clips that always saying it gets right."""
    label, clips = Counter(clip.truth[0] for clip in evaluation.clips).most_common(1)[0]
    return label, clips / len(evaluation.clips)


def prevalence(evaluation: Evaluation) -> float:
    """Mean share of the clips over the classes that have any: the mAP that random scores tend to."""
    shares = [c.clips / len(evaluation.clips) for c in evaluation.per_class if c.clips]
    return sum(shares) / len(shares)


def difference(ours: Evaluation, other: Evaluation) -> Estimate | None:
    """Top-1 accuracy of ours less the other's, paired clip by clip; None unless both scored the same clips."""

    def answers(evaluation: Evaluation) -> Mapping[tuple[str, float | None, float | None], ClipScore]:
        return {(c.path, c.start_s, c.end_s): c for c in evaluation.clips if c.truth}

    a, b = answers(ours), answers(other)
    if not a or a.keys() != b.keys():
        return None
    right = np.array([[clip.right, b[key].right] for key, clip in a.items()], np.float64).T
    groups = [clip.group for clip in a.values()]
    return paired_difference(right[0], right[1], groups=groups if any(groups) else None)


def score_sentence(evaluation: Evaluation) -> str:
    """The headline figure as a sentence, with its interval and what that rests on."""
    name = headline_metric(evaluation)
    score = evaluation.metrics[name]
    return (
        f"{metric_name(name)} is {percent(score.value)} on {counted(len(evaluation.clips), 'clip')} "
        f"(95 % interval {interval(score)}, from resampling {units(evaluation, score)})."
    )


def overlap(a: Estimate, b: Estimate) -> str:
    """Whether two intervals "overlap" or "do not overlap"."""
    return "do not overlap" if a.low > b.high or b.low > a.high else "overlap"


def verdict(report: Report) -> tuple[str, ...]:
    """What the score is worth, in plain sentences: against guessing, against every baseline, and how sure it is."""
    evaluation = report.evaluation
    name = headline_metric(evaluation)
    score, said = evaluation.metrics[name], []
    if not evaluation.multi_label:
        label, share = majority(evaluation)
        beats = "which this model beats" if score.low > share else "which this model does not clearly beat"
        said.append(f"Always answering “{label}” would be right on {percent(share)}, {beats}.")
    elif name == "map":
        said.append(f"Scores drawn at random would have {percent(prevalence(evaluation))}.")
    said += [_against(evaluation, name, other, baseline) for other, baseline in report.baselines.items()]
    if score.n < FEW_UNITS:
        said.append(f"The interval rests on only {units(evaluation, score)}: read it as rough.")
    return tuple(said)


def _against(evaluation: Evaluation, metric: str, name: str, baseline: Evaluation) -> str:
    gap = None if evaluation.multi_label else difference(evaluation, baseline)
    if gap is not None:
        reach = f"{points(gap.low)} to {points(gap.high)} points, paired over the same clips"
        if gap.low > 0:
            return f"It is {100 * gap.value:.1f} points better than {name}, more than chance explains ({reach})."
        if gap.high < 0:
            return f"It is {-100 * gap.value:.1f} points worse than {name}, more than chance explains ({reach})."
        return f"Against {name} these clips do not settle it: {points(gap.value)} points ({reach})."
    ours, theirs = evaluation.metrics[metric], baseline.metrics.get(metric)
    if theirs is None:
        return f"{name} has no {metric_name(metric).lower()} to compare with."
    return f"For {name} it is {estimate_text(theirs)}; the two intervals {overlap(ours, theirs)}."
