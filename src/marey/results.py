"""The vocabulary that every task answers in. No torch, no video, no files: values that check themselves.

Times are seconds from the start of the video, scores are probabilities in 0..1 unless a field says otherwise.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

TIMELINE_SCHEMA = "marey.timeline/1"


@dataclass(frozen=True)
class Segment:
    """An event: `label` from `start_s` to `end_s`, `score` in 0..1."""

    start_s: float
    end_s: float
    label: str
    score: float

    def __post_init__(self) -> None:
        if not (isfinite(self.start_s) and isfinite(self.end_s) and 0 <= self.start_s < self.end_s):
            raise ValueError(
                f"segment runs from {self.start_s} s to {self.end_s} s; it must start at or after 0 and end later"
            )
        if not 0 <= self.score <= 1:
            raise ValueError(f"segment score is {self.score}; it must lie in 0..1")


@dataclass(frozen=True)
class Timeline:
    """The answer about one video, the one JSON contract of every task.

    `protocol` is the stamp of how it was made, `video_scores` maps class to score over the whole video,
    `events` are sorted by start.
    """

    video: str
    duration_s: float
    protocol: Mapping[str, Any]
    video_scores: Mapping[str, float]
    events: tuple[Segment, ...] = ()

    def __post_init__(self) -> None:
        if not (isfinite(self.duration_s) and self.duration_s >= 0):
            raise ValueError(f"duration of {self.video} is {self.duration_s} s; it must be 0 or more")
        object.__setattr__(self, "events", tuple(sorted(self.events, key=lambda e: (e.start_s, e.end_s, e.label))))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, with the schema's name and version first."""
        return {"schema": TIMELINE_SCHEMA, **asdict(self), "events": [asdict(e) for e in self.events]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Timeline":
        """The inverse of `to_dict`; another schema is refused with a ValueError that names both."""
        if data.get("schema") != TIMELINE_SCHEMA:
            raise ValueError(f"timeline schema is {data.get('schema')!r}; this version reads {TIMELINE_SCHEMA!r}")
        events = tuple(Segment(**e) for e in data["events"])
        return cls(data["video"], data["duration_s"], data["protocol"], data["video_scores"], events)


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over `n` units (clips, or groups where clips share a source)."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class ClassScore:
    """How one class fares. A figure that its clips do not determine (no positive clip, say) is None."""

    label: str
    clips: int
    precision: float | None
    recall: float | None
    f1: float | None
    average_precision: float | None
    roc_auc: float | None


@dataclass(frozen=True)
class ClipScore:
    """What the model said of one clip: `scores` are the probabilities in the order of the evaluation's labels."""

    path: str
    start_s: float | None
    end_s: float | None
    truth: tuple[str, ...]
    predicted: str
    scores: tuple[float, ...]
    group: str | None = None

    @property
    def right(self) -> bool:
        return self.predicted in self.truth

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ClipScore":
        """The inverse of `asdict` after a trip through JSON."""
        return cls(**{**data, "truth": tuple(data["truth"]), "scores": tuple(data["scores"])})


@dataclass(frozen=True)
class Evaluation:
    """The scores of one model on one set of clips, with the protocol that makes them reproducible.

    metrics     name -> Estimate: top1, top5, mean_per_class (balanced accuracy), map, roc_auc, calibration_error
    confusion   clips with truth in the row and prediction in the column; empty for multi-label data
    curves      label -> {"fpr", "tpr", "precision", "recall"}: points of the ROC and precision-recall curves
    breakdowns  name of the breakdown -> part -> metric -> Estimate ("class group" -> "reversed" -> "top1")
    quarantined path -> why it could not be read
    """

    protocol: Mapping[str, Any]
    labels: tuple[str, ...]
    multi_label: bool
    metrics: Mapping[str, Estimate]
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    curves: Mapping[str, Mapping[str, tuple[float, ...]]]
    clips: tuple[ClipScore, ...]
    breakdowns: Mapping[str, Mapping[str, Mapping[str, Estimate]]] = field(default_factory=dict)
    quarantined: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Evaluation":
        """The inverse of `to_dict` after a trip through JSON."""

        def estimates(part: Mapping[str, Any]) -> dict[str, Estimate]:
            return {name: Estimate(**e) for name, e in part.items()}

        return cls(
            protocol=data["protocol"],
            labels=tuple(data["labels"]),
            multi_label=data["multi_label"],
            metrics=estimates(data["metrics"]),
            per_class=tuple(ClassScore(**c) for c in data["per_class"]),
            confusion=tuple(tuple(row) for row in data["confusion"]),
            curves={k: {n: tuple(p) for n, p in v.items()} for k, v in data["curves"].items()},
            clips=tuple(ClipScore.from_dict(c) for c in data["clips"]),
            breakdowns={k: {p: estimates(m) for p, m in v.items()} for k, v in data["breakdowns"].items()},
            quarantined=data["quarantined"],
        )


@dataclass(frozen=True)
class Report:
    """All that a run has to show, ready for a page or a card.

    evaluation  of the run's own model; `baselines` holds other models on the same clips, by name
    history     one row an epoch: epoch, loss, val_loss, val_top1, lr, seconds, data_wait (fraction of the time)
    efficiency  params, gmacs, ms_per_clip, peak_memory_mb (answering a clip), train_minutes; gmacs_in_part, whether
                features are computed by hand besides
    thumbnails  clip path -> JPEG bytes, for the worst clips
    run         arguments, data and versions, as in run.json
    notes       sentences that the reader must not miss (a leak, a class too small, clips left out)
    baseline_efficiency  name of a baseline -> the same keys as efficiency, as far as they were measured
    motion      clip path -> JPEG bytes of the motion that the network was fed, instead of a thumbnail
    """

    title: str
    evaluation: Evaluation
    baselines: Mapping[str, Evaluation]
    history: tuple[Mapping[str, float | int], ...]
    efficiency: Mapping[str, float | int]
    thumbnails: Mapping[str, bytes]
    run: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    baseline_efficiency: Mapping[str, Mapping[str, float | int]] = field(default_factory=dict)
    motion: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """One model of a comparison, and how it did on the three axes.

    folds       of the comparison in which it was trained and tested
    score       accuracy on clips of groups that it was not trained on; of any clips where the data name no groups
    balanced    mean over the classes of the same
    known       accuracy on clips that were held out of the groups that it was trained on; None where not measured
    behind      its accuracy less that of the recommended one on the clips that both answered; None for that one itself
    stopped     why it was not tried in all folds; empty where it was
    efficiency  params, gmacs, gmacs_in_part as in a Report; ms_per_clip (from file to probabilities) and
                peak_memory_mb of answering; train_memory_mb of a batch, train_minutes of all its folds
    epochs      that it was trained for, in the fold where they were fewest; `usual_epochs` are what training it takes
    history     rows of its training in the first fold, as in a Report
    p_value     of its being right as often as the recommended one on those clips, corrected for the number of pairs of
                candidates; None for that one itself, and for who was tried in one fold alone
    """

    preset: str
    folds: int
    score: Estimate
    balanced: Estimate
    known: Estimate | None
    behind: Estimate | None
    stopped: str
    efficiency: Mapping[str, float]
    epochs: int
    usual_epochs: int
    history: tuple[Mapping[str, float | int], ...] = ()
    p_value: float | None = None


@dataclass(frozen=True)
class OrderTest:
    """What a trained model answers when the frames of the clips come otherwise than they were filmed.

    overall    "as filmed", "frozen" (one frame stands still), "shuffled", "reversed" -> accuracy
    per_class  class -> the same names -> accuracy
    p_values   changed order -> p of being right as often as with frames as filmed, corrected for the number of orders;
               without "frozen" where a frame that stands still tells it nothing, as it looks at what moves alone
    """

    preset: str
    overall: Mapping[str, Estimate]
    per_class: Mapping[str, Mapping[str, float]]
    p_values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Guess:
    """Always answering the most frequent class.

    label    that class
    share    of the clips that the recommended model answered on which this is right
    p_value  of that model's being right as often, corrected for the number of models
    """

    label: str
    share: float
    p_value: float


@dataclass(frozen=True)
class LabelCurve:
    """Accuracy against the number of labelled clips that a model was trained on.

    points   (clips, accuracy), fewest first
    floor, scale, exponent  of the fitted error, floor + scale * clips ** -exponent
    doubled  accuracy to expect with twice the clips, with a 95 % interval; None where the points do not tell
    starting  with the most clips the model does better than any such curve leads to: it has just begun to learn
    """

    preset: str
    points: tuple[tuple[int, Estimate], ...]
    scale: float
    exponent: float
    doubled: Estimate | None
    floor: float = 0.0
    starting: bool = False


@dataclass(frozen=True)
class Comparison:
    """Several models under one budget on the same data, and which to take.

    protocol       what makes the figures reproducible: data, clips, groups, folds, seed, budget, versions
    labels         the classes
    candidates     the recommended first, then by score
    recommended    its preset; `reason` says why in a sentence, `command` trains it
    advice         whether the data need motion, in a sentence or two
    only_temporal  clips that the recommended model gets right and the single-frame model does not, as the first answers
    guess          what always answering the most frequent class is worth; None in comparisons of before
    """

    title: str
    protocol: Mapping[str, Any]
    labels: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    orders: tuple[OrderTest, ...]
    label_curves: tuple[LabelCurve, ...]
    only_temporal: tuple[ClipScore, ...]
    recommended: str
    reason: str
    command: str
    advice: str
    budget_minutes: float
    minutes: float
    notes: tuple[str, ...] = ()
    guess: Guess | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Comparison":
        """The inverse of `to_dict` after a trip through JSON."""

        def estimate(part: Mapping[str, Any] | None) -> Estimate | None:
            return None if part is None else Estimate(**part)

        return cls(
            title=data["title"],
            protocol=data["protocol"],
            labels=tuple(data["labels"]),
            candidates=tuple(
                Candidate(
                    **{
                        **c,
                        **{name: estimate(c[name]) for name in ("score", "balanced", "known", "behind")},
                        "history": tuple(c["history"]),
                    }
                )
                for c in data["candidates"]
            ),
            orders=tuple(
                OrderTest(**{**t, "overall": {k: Estimate(**e) for k, e in t["overall"].items()}})
                for t in data["orders"]
            ),
            label_curves=tuple(
                LabelCurve(
                    c["preset"],
                    tuple((clips, Estimate(**e)) for clips, e in c["points"]),
                    c["scale"],
                    c["exponent"],
                    estimate(c["doubled"]),
                    c.get("floor", 0.0),  # comparisons of before know none, nor the next
                    c.get("starting", False),
                )
                for c in data["label_curves"]
            ),
            only_temporal=tuple(ClipScore.from_dict(c) for c in data["only_temporal"]),
            recommended=data["recommended"],
            reason=data["reason"],
            command=data["command"],
            advice=data["advice"],
            budget_minutes=data["budget_minutes"],
            minutes=data["minutes"],
            notes=tuple(data["notes"]),
            guess=Guess(**data["guess"]) if data.get("guess") else None,
        )


@dataclass(frozen=True)
class TransferWay:
    """One way to learn from clips of your own, and how it did on those of them that were held out.

    way            "original" (from scratch), or what of another run goes on to learn: "fixed", "full" or "lora"
    score          accuracy
    balanced       mean over the classes of the same
    gain           its accuracy less that of the first way, paired on the clips that both read; None for the first way
    p_value        of its being right as often as the first way on those clips, corrected for the number of pairs
    params         parameters that learn
    train_minutes  of learning alone, decoding included
    history        rows of its training, as in a Report
    """

    way: str
    score: Estimate
    balanced: Estimate
    gain: Estimate | None
    p_value: float | None
    params: int
    train_minutes: float
    epochs: int
    history: tuple[Mapping[str, float | int], ...] = ()


@dataclass(frozen=True)
class TransferTable:
    """Ways to go on from what a network has learned elsewhere, and from scratch, on the same clips.

    protocol     what makes the figures reproducible
    tested       how many clips of which split the figures are of
    ways         the first is the one that the others are compared with
    recommended  one of them; `reason` says why in a sentence or two, `command` uses it
    """

    title: str
    protocol: Mapping[str, Any]
    tested: str
    ways: tuple[TransferWay, ...]
    recommended: str
    reason: str
    command: str
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> TransferWay:
        return next(way for way in self.ways if way.way == self.recommended)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TransferTable":
        """The inverse of `to_dict` after a trip through JSON."""
        ways = []
        for way in data["ways"]:
            figures = {name: way[name] and Estimate(**way[name]) for name in ("score", "balanced", "gain")}
            ways.append(TransferWay(**{**way, **figures, "history": tuple(way["history"])}))
        own = {name: data[name] for name in ("title", "protocol", "tested", "recommended", "reason", "command")}
        return cls(**own, ways=tuple(ways), notes=tuple(data["notes"]))
