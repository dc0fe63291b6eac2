"""Recognition: which classes a clip shows. Targets, loss, probabilities, and windows turned into events.

A model gives one row of logits; a task of several heads (verb and noun) owns consecutive parts of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..data import Manifest, Sample
from ..errors import UsageError
from ..results import Segment
from ..training import binary_cross_entropy, soft_cross_entropy

THRESHOLD = 0.5  # of scores, where nothing else is said


@dataclass(frozen=True)
class Recognition:
    """What the outputs of a model mean: head -> class names in the order of the logits."""

    heads: Mapping[str, tuple[str, ...]]
    multi_label: bool = False

    @classmethod
    def of(cls, manifest: Manifest) -> "Recognition":
        return cls(heads=manifest.heads, multi_label=manifest.multi_label)

    @property
    def classes(self) -> int:
        """How many logits a model needs."""
        return sum(map(len, self.heads.values()))

    def parts(self) -> dict[str, slice]:
        """Which logits belong to which head."""
        parts, start = {}, 0
        for head, labels in self.heads.items():
            parts[head] = slice(start, start + len(labels))
            start += len(labels)
        return parts

    def targets(self, samples: Sequence[Sample]) -> Float[Tensor, "n classes"]:
        """One row a sample, 1 at each of its classes; UsageError names a label that the model does not know."""
        rows = torch.zeros(len(samples), self.classes)
        for head, part in self.parts().items():
            column = {label: part.start + i for i, label in enumerate(self.heads[head])}
            for row, sample in enumerate(samples):
                for label in sample.labels.get(head, ()):
                    if label not in column:
                        known = ", ".join(self.heads[head][:5]) + (", ..." if len(self.heads[head]) > 5 else "")
                        raise UsageError(
                            f"{sample.path} has the {head} {label!r}, which the model does not know ({known}); "
                            "rename it or leave it out (--rename and --leave-out, or in the annotations), or train a "
                            "model on this data"
                        )
                    rows[row, column[label]] = 1
        return rows

    def loss(
        self,
        logits: Float[Tensor, "b classes"],
        targets: Float[Tensor, "b classes"],
        *,
        smoothing: float = 0.0,
        class_weights: Float[Tensor, " classes"] | None = None,
        gamma: float = 0.0,
    ) -> Float[Tensor, ""]:
        """Sum over the heads of cross-entropy, or of binary cross-entropy where clips may have several classes.

        `gamma` above 0 makes either the focal loss.
        """
        total = logits.new_zeros(())
        for part in self.parts().values():
            weights = None if class_weights is None else class_weights[part]
            if self.multi_label:
                total = total + binary_cross_entropy(
                    logits[:, part], targets[:, part], class_weights=weights, gamma=gamma
                )
            else:
                soft = targets[:, part] * (1 - smoothing) + smoothing / (part.stop - part.start)
                total = total + soft_cross_entropy(logits[:, part], soft, class_weights=weights, gamma=gamma)
        return total

    def probabilities(self, logits: Float[Tensor, "b classes"]) -> Float[Tensor, "b classes"]:
        """Softmax within each head, or a sigmoid a class where clips may have several."""
        if self.multi_label:
            return logits.sigmoid()
        return torch.cat([logits[:, part].softmax(1) for part in self.parts().values()], dim=1)


@dataclass(frozen=True)
class EventRule:
    """How scores over time become events.

    A class is on where its score reaches `threshold` (and, in single-label tasks, leads); stretches closer than
    `merge_gap_s` become one; what is shorter than `min_duration_s` is dropped; an event's score is its mean.
    A threshold of None is what the model was calibrated for, class by class, and 0.5 where it was not.
    """

    threshold: float | None = None
    merge_gap_s: float = 0.5
    min_duration_s: float = 0.0

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UsageError(f"--threshold is {self.threshold}; it is a score and must lie in 0..1")
        for name in ("merge_gap_s", "min_duration_s"):
            if not 0 <= getattr(self, name) < float("inf"):
                flag = "--" + name.removesuffix("_s").replace("_", "-")
                raise UsageError(f"{flag} is {getattr(self, name)} s; it must be 0 or more")


def events(
    edges_s: np.ndarray,
    scores: np.ndarray,
    labels: Sequence[str],
    rule: EventRule,
    *,
    leading_only: bool,
    thresholds: np.ndarray | None = None,
    known: np.ndarray | None = None,
) -> tuple[Segment, ...]:
    """The events of a video by `rule`.

    edges_s     (n + 1,) borders of n consecutive cells, in seconds
    scores      (n, classes) score of every class in every cell
    thresholds  (classes,) where each class has its own
    known       bool (n,): nothing is on in the other cells
    """
    on = scores >= ((THRESHOLD if rule.threshold is None else rule.threshold) if thresholds is None else thresholds)
    if known is not None:
        on &= known[:, None]
    if leading_only:
        on &= np.arange(scores.shape[1]) == scores.argmax(1)[:, None]
    found = []
    for column, label in enumerate(labels):
        steps = np.diff(np.concatenate(([0], on[:, column].astype(np.int8), [0])))
        runs = zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True)
        for first, last in _merged(runs, lambda a, b: edges_s[b] - edges_s[a] <= rule.merge_gap_s):
            start_s, end_s = float(edges_s[first]), float(edges_s[last])
            if end_s - start_s >= rule.min_duration_s:
                found.append(Segment(start_s, end_s, label, float(np.clip(scores[first:last, column].mean(), 0, 1))))
    return tuple(sorted(found, key=lambda e: (e.start_s, e.end_s, e.label)))


def _merged(runs: Iterable[tuple[int, int]], close: Callable[[int, int], bool]) -> list[tuple[int, int]]:
    """Runs (first, last) with those whose gap is `close` joined."""
    joined: list[tuple[int, int]] = []
    for first, last in runs:
        if joined and close(joined[-1][1], first):
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def cell_scores(
    starts_s: np.ndarray, window_s: float, scores: np.ndarray, duration_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping windows to cells between consecutive window borders: (edges (n + 1,), mean scores (n, classes))."""
    ends_s = np.minimum(starts_s + window_s, duration_s)
    edges = np.unique(np.concatenate((starts_s, ends_s, [0.0, duration_s])).round(6))
    edges = edges[(edges >= 0) & (edges <= duration_s + 1e-6)]
    first = np.searchsorted(edges, starts_s.round(6))
    last = np.searchsorted(edges, ends_s.round(6))
    sums, counts = np.zeros((len(edges), scores.shape[1])), np.zeros(len(edges))
    np.add.at(sums, first, scores)
    np.add.at(sums, last, -scores)
    np.add.at(counts, first, 1)
    np.add.at(counts, last, -1)
    covered = counts.cumsum()[:-1, None]
    return edges, np.divide(
        sums.cumsum(0)[:-1], covered, out=np.zeros((len(edges) - 1, scores.shape[1])), where=covered > 0
    )
