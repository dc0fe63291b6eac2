"""What a comparison found: figures of every candidate, what motion and labels are worth, and which one to take."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Manifest
from ..metrics import estimate_class_mean, estimate_mean, fit_label_curve, paired_difference, sign_flip_tests
from ..report import MOST_CLIPS, beats_guessing, duration_text, render_comparison, write_text
from ..results import Candidate, ClipScore, Comparison, Estimate, Guess, LabelCurve, OrderTest
from ..tasks import Recognition
from ..video import FRAME_ORDERS
from .advice import advice_on_motion, caution_on_chance, reason_for
from .contender import CHANGED, SHARES, Contender, Part, has_order, label_count, share_name
from .pictures import thumbnails
from .publish import data_notes
from .run import Run, write_json

FEWEST_FOLDS = 2  # that a model must have been trained in for a p: one training tells nothing of the recipe
ALIKE = 1e-4  # probabilities that differ by less are the same, computed in other batches


@dataclass(frozen=True)
class Answers:
    """What a candidate said of the clips whose groups it did not see: places in the manifest, and (n, classes)."""

    index: np.ndarray
    scores: np.ndarray

    def right(self, truth: np.ndarray) -> np.ndarray:
        """1 or 0 a clip."""
        return (self.scores.argmax(1) == truth[self.index]).astype(float)


class Pooled:
    """The clips of a comparison, what was answered about them in its folds, and figures of that."""

    def __init__(self, manifest: Manifest, parts: Sequence[Part], units: np.ndarray, seed: int) -> None:
        """units: int (clips,) of the manifest, as the folds keep them together."""
        self.manifest, self.parts, self.seed = manifest, parts, seed
        task = Recognition.of(manifest)
        ((_, self.labels),) = task.heads.items()
        self.truth = task.targets(manifest.samples).numpy().argmax(1)
        self.units = [str(unit) for unit in units.tolist()]
        self.grouped = len(set(self.units)) < len(self.units)

    def of(
        self, contender: Contender, folds: Sequence[int], what: str = "as filmed", *, known: bool = False
    ) -> Answers:
        """The pooled answers of some folds, about the clips of unseen groups or the `known` ones."""
        found = [contender.read(fold, what) for fold in folds]
        kept = [
            np.isin(one.index, self.parts[fold].known if known else self.parts[fold].test)
            for fold, one in zip(folds, found, strict=True)
        ]
        return Answers(
            np.concatenate([one.index[rows] for one, rows in zip(found, kept, strict=True)]),
            np.concatenate([one.scores[rows] for one, rows in zip(found, kept, strict=True)]),
        )

    def among(self, index: np.ndarray) -> list[str]:
        """What each of these clips is no independent evidence beside."""
        return [self.units[i] for i in index]

    def mean(self, answers: Answers) -> Estimate:
        return estimate_mean(answers.right(self.truth), groups=self.among(answers.index), seed=self.seed)

    def paired(self, answers: Mapping[str, Answers], name: str, other: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Whether one and the other are right, and the groups, of the clips that both answered."""
        both, mine, theirs = np.intersect1d(answers[name].index, answers[other].index, return_indices=True)
        right = (answers[name].right(self.truth)[mine], answers[other].right(self.truth)[theirs])
        return *right, self.among(both)

    def difference(self, answers: Mapping[str, Answers], name: str, other: str) -> Estimate:
        """Accuracy of one less that of the other on the clips that both answered."""
        mine, theirs, groups = self.paired(answers, name, other)
        return paired_difference(mine, theirs, groups=groups, seed=self.seed)

    def p_values(self, answers: Mapping[str, Answers], single: str) -> dict[frozenset[str], float]:
        """p of each two, corrected for their number: of all that are compared with the single frame, which was named
        before anything was tried, and of all pairs of others, as which is best is known from the same clips only."""
        pairs, found = list(combinations(answers, 2)), {}
        for family in ([pair for pair in pairs if single in pair], [pair for pair in pairs if single not in pair]):
            found |= sign_flip_tests({frozenset(pair): self.paired(answers, *pair) for pair in family})
        return found

    def guess(self, answers: Mapping[str, Answers], best: str) -> Guess:
        """Always answering the most frequent class of all clips, against `best` of these models."""
        usual = np.bincount(self.truth, minlength=len(self.labels)).argmax()
        p_values = sign_flip_tests(
            {
                name: (found.right(self.truth), self.truth[found.index] == usual, self.among(found.index))
                for name, found in answers.items()
            }
        )
        share = float((self.truth[answers[best].index] == usual).mean())
        return Guess(self.labels[usual], share, p_values[best])

    def won(self, best: Answers, single: Answers) -> tuple[ClipScore, ...]:
        """The clips that the best gets right and the single frame does not, the surest first."""
        _, mine, theirs = np.intersect1d(best.index, single.index, return_indices=True)
        won = mine[(best.right(self.truth)[mine] > 0) & (single.right(self.truth)[theirs] == 0)]
        won = won[np.argsort(-best.scores[won].max(1), kind="stable")]
        return tuple(self.clip_score(int(best.index[row]), best.scores[row]) for row in won)

    def clip_score(self, index: int, scores: np.ndarray) -> ClipScore:
        sample = self.manifest.samples[index]
        return ClipScore(
            path=sample.path,
            start_s=sample.start_s,
            end_s=sample.end_s,
            truth=(self.labels[self.truth[index]],),
            predicted=self.labels[scores.argmax()],
            scores=tuple(scores.tolist()),
            group=sample.group,
        )


def summarize(
    contenders: Sequence[Contender],
    stopped: Mapping[str, str],
    data: Pooled,
    *,
    title: str,
    budget: float,
    spent: float,
    notes: Sequence[str],
    left_out: Mapping[str, str],
    command: Callable[[str], str],
) -> Comparison:
    """The comparison; the first of the contenders is the single-frame model. `budget` and `spent` are in minutes."""
    manifest, parts = data.manifest, data.parts
    answers = {c.preset.name: data.of(c, c.done(len(parts))) for c in contenders if c.done(len(parts))}
    right = {name: float(found.right(data.truth).mean()) for name, found in answers.items()}
    tried = {c.preset.name: c for c in contenders if c.preset.name in answers}
    single, finalists = contenders[0].preset.name, [name for name in tried if name not in stopped]
    best = max(finalists, key=lambda name: (right[name], -tried[name].answering.get("ms_per_clip", 0.0)))
    behind = {name: data.difference(answers, name, best) for name in tried if name != best}
    trained = {name: found for name, found in answers.items() if len(tried[name].done(len(parts))) >= FEWEST_FOLDS}
    p_values, guess = data.p_values(trained, single), data.guess(trained, best)
    candidates = [
        _candidate(
            data,
            tried[name],
            answers[name],
            behind=behind.get(name),
            p_value=p_values.get(frozenset((name, best))),
            stopped=stopped.get(name, ""),
        )
        for name in tried
    ]
    candidates.sort(key=lambda c: (c.preset != best, -c.score.value))
    orders = [test for name in dict.fromkeys((best, *finalists)) if (test := _order_test(data, tried[name]))]
    curves = [curve for name in dict.fromkeys((best, single)) if (curve := _label_curve(data, tried[name]))]
    moving = {name for name, contender in tried.items() if has_order(contender)}
    beaten = beats_guessing(candidates[0].score, guess)
    advice = advice_on_motion(candidates, single, moving, next((t for t in orders if t.preset == best), None))
    groups = {sample.group for sample in manifest.samples} - {None}
    return Comparison(
        title=title,
        protocol={
            "data": manifest.source,
            "clips": len(manifest),
            **({"groups": len(groups), "grouped by": manifest.grouped_by or "group"} if groups else {}),
            "folds": len(parts),
            "views": "1x1",
            "seed": data.seed,
            "budget": duration_text(60 * budget),
            "missing_videos": len(left_out),
        },
        labels=data.labels,
        candidates=tuple(candidates),
        orders=tuple(orders),
        label_curves=tuple(curves),
        only_temporal=data.won(answers[best], answers[single]) if beaten and best in moving else (),
        recommended=best,
        reason=reason_for(candidates, guess),
        command=command(best),
        advice=advice if beaten else "",
        budget_minutes=budget,
        minutes=spent,
        notes=(*notes, *caution_on_chance(candidates, grouped=data.grouped), *data_notes(manifest)),
        guess=guess,
    )


def _candidate(
    data: Pooled,
    contender: Contender,
    answers: Answers,
    *,
    behind: Estimate | None,
    p_value: float | None,
    stopped: str,
) -> Candidate:
    folds = contender.done(len(data.parts))
    known = data.of(contender, folds, known=True)
    facts = [contender.facts(fold) for fold in folds]
    efficiency = {
        **contender.answering,
        "train_memory_mb": contender.cost.memory_mb,
        "train_minutes": sum(fact["seconds"] for fact in facts) / 60,
    }
    return Candidate(
        preset=contender.preset.name,
        folds=len(folds),
        score=data.mean(answers),
        balanced=estimate_class_mean(
            answers.right(data.truth), data.truth[answers.index], groups=data.among(answers.index), seed=data.seed
        ),
        known=data.mean(known) if len(known.index) else None,
        behind=behind,
        stopped=stopped,
        efficiency=efficiency,
        epochs=min(len(fact["history"]) for fact in facts),
        usual_epochs=contender.cost.epochs,
        history=tuple(facts[0]["history"]),
        p_value=p_value,
    )


def _order_test(data: Pooled, contender: Contender) -> OrderTest | None:
    """None where it was not asked about all orders in all folds."""
    folds = range(len(data.parts))
    if not all(contender.file(fold, order).exists() for fold in folds for order in FRAME_ORDERS):
        return None
    found = {order: data.of(contender, folds, order) for order in FRAME_ORDERS}
    per_class: dict[str, dict[str, float]] = {label: {} for label in data.labels}
    for order, answers in found.items():
        right, truth = answers.right(data.truth), data.truth[answers.index]
        for number, label in enumerate(data.labels):
            if (truth == number).any():
                per_class[label][order] = float(right[truth == number].mean())
    overall = {order: data.mean(answers) for order, answers in found.items()}
    asked = [order for order in CHANGED if order != "frozen" or _sees_frames(contender, folds)]
    p_values = sign_flip_tests({order: data.paired(found, "as filmed", order) for order in asked})
    return OrderTest(contender.preset.name, overall, per_class, p_values)


def _sees_frames(contender: Contender, folds: Sequence[int]) -> bool:
    """Whether it tells clips apart with one frame standing still; what looks at motion alone answers all alike."""
    frozen = [contender.read(fold, "frozen").scores for fold in folds]
    return any(len(scores) and np.ptp(scores, axis=0).max() > ALIKE for scores in frozen)


def _label_curve(data: Pooled, contender: Contender) -> LabelCurve | None:
    """None where it was not taught with fewer labels; of the folds in which it was with all shares of them."""
    folds = [
        fold
        for fold in contender.done(len(data.parts))
        if all(contender.file(fold, share_name(share)).exists() for share in SHARES)
    ]
    if not folds:
        return None
    sizes = [len(data.parts[fold].train) for fold in folds]
    clips = [round(float(np.mean([label_count(share, size) for size in sizes]))) for share in SHARES]
    clips.append(round(float(np.mean(sizes))))
    found = [data.of(contender, folds, share_name(share)) for share in SHARES] + [data.of(contender, folds)]
    kept = sorted(set.intersection(*(set(answers.index.tolist()) for answers in found)))
    right = [dict(zip(a.index.tolist(), a.right(data.truth).tolist(), strict=True)) for a in found]
    table = np.array([[row[i] for i in kept] for row in right])
    rising = [place for place in range(len(clips)) if place == 0 or clips[place] > clips[place - 1]]
    clips, table = [clips[place] for place in rising], table[rising]  # few clips: two shares may be the same number
    groups = data.among(np.array(kept))
    fit = fit_label_curve(clips, table, groups=groups, seed=data.seed)
    points = [estimate_mean(row, groups=groups, seed=data.seed) for row in table]
    return LabelCurve(
        contender.preset.name,
        tuple(zip(clips, points, strict=True)),
        scale=fit.scale,
        exponent=fit.exponent,
        doubled=fit.doubled,
        floor=fit.floor,
        starting=fit.starting,
    )


def publish_comparison(run: Run, comparison: Comparison) -> None:
    """Write report.html and, last, comparison.json, which marks the comparison as finished."""
    shown = dict(thumbnails(comparison.only_temporal[:MOST_CLIPS]))
    write_text(render_comparison(comparison, thumbnails=shown), run.folder / "report.html")
    write_json(run.answers, comparison_dict(comparison))


def comparison_dict(comparison: Comparison) -> dict[str, Any]:
    """JSON with `top1` of the recommended model at the top."""
    return {"top1": comparison.candidates[0].score.value, **comparison.to_dict()}


def read_comparison(folder: Path) -> Comparison:
    """What a finished comparison's file holds."""
    return Comparison.from_dict(json.loads((folder / "comparison.json").read_text(encoding="utf-8")))
