"""What balancing brought to classes with many, medium and few training clips, and what it cost them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..metrics import paired_difference
from ..results import Estimate, Evaluation
from .evaluate import evaluation_dict


@dataclass(frozen=True)
class ShotRow:
    """Classes with so many training clips: how many they are, mean per class accuracy before and after, and the
    difference, paired clip by clip."""

    part: str
    classes: int
    before: Estimate
    after: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Rebalanced:
    """A new run, and what became of each part of the classes; `chosen` is what the method settled on."""

    folder: Path
    method: str
    chosen: Mapping[str, Any]
    before: Evaluation
    after: Evaluation
    shots: tuple[ShotRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON with the new run's own figures at the top, as `evaluate` has them."""
        return {
            **evaluation_dict({"label": self.after}),
            "folder": str(self.folder),
            "method": self.method,
            "chosen": dict(self.chosen),
            "shots": [asdict(row) for row in self.shots],
            "before": self.before.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], folder: Path) -> "Rebalanced":
        """The inverse of `to_dict` after a trip through JSON, wherever the folder is now."""
        rows = []
        for row in data["shots"]:
            figures = {name: Estimate(**row[name]) for name in ("before", "after", "difference")}
            rows.append(ShotRow(row["part"], row["classes"], **figures))
        before, after = Evaluation.from_dict(data["before"]), Evaluation.from_dict(data)
        return cls(folder, data["method"], data["chosen"], before, after, tuple(rows))


def shot_rows(before: Evaluation, after: Evaluation, parts: Mapping[str, str]) -> tuple[ShotRow, ...]:
    """One row a part of the classes that has clips in both evaluations, which are of the same clips, and one of all.

    parts  class -> its part, as `shot_classes` has them
    """
    truth = np.array([before.labels.index(clip.truth[0]) for clip in before.clips])
    right = [np.array([clip.right for clip in evaluation.clips], np.float64) for evaluation in (after, before)]
    groups = [clip.group for clip in before.clips]
    sizes, rows = Counter(parts.values()), []
    for part, figures in after.breakdowns["shots"].items():
        mine = np.array([part in ("all", parts[clip.truth[0]]) for clip in before.clips])
        rows.append(
            ShotRow(
                part,
                sizes.get(part, len(parts)),
                before.breakdowns["shots"][part]["mean_per_class"],
                figures["mean_per_class"],
                paired_difference(
                    right[0][mine],
                    right[1][mine],
                    classes=truth[mine],
                    groups=[groups[i] for i in np.flatnonzero(mine)] if any(groups) else None,
                ),
            )
        )
    return tuple(rows)
