"""The bench of rare classes: the profile of the set, and a table that says what the cells say."""

from collections import Counter

import cells
import long_tail
import pytest

from marey.data import Manifest, Sample
from marey.data.stage import CLASS_GROUPS

LABELS = list(long_tail.ACTIONS)


def stage(clips: int = 38) -> Manifest:
    samples = [
        Sample(f"{label}/{side}{i}.mp4", {"label": (label,)}, split=side, group=f"{side}{i % 5}")
        for label in LABELS
        for side, count in (("train", clips), ("val", 10), ("test", 16))
        for i in range(count)
    ]
    return Manifest(
        samples=tuple(samples), heads={"label": tuple(LABELS)}, multi_label=False, source="stage", kind="CSV"
    )


def cell(right: dict[str, float]) -> cells.Cell:
    """Of each class so many of ten clips right."""
    paths = {f"{label}/{i}": label for label in LABELS for i in range(10)}
    return {
        "right": {path: int(path.rpartition("/")[2]) < 10 * right[label] for path, label in paths.items()},
        "truth": paths,
        "group": {path: path.rpartition("/")[2] for path in paths},
        "counts": {label: 30 if n < 4 else 10 if n < 8 else 2 for n, label in enumerate(LABELS)},
        "core_minutes": 1.0,
    }


def test_the_actions_are_pairs_of_the_stages_classes() -> None:
    pairs = [label for pair in long_tail.ACTIONS.values() for label in pair]
    assert len(pairs) == len(set(pairs)) == 28 and set(pairs) < set(CLASS_GROUPS)


def test_the_tail_falls_exponentially_and_spares_val_and_test() -> None:
    tail = long_tail.long_tailed(stage(), most=38, ratio=25.0, seed=1)
    counts = Counter(sample.labels["label"][0] for sample in tail.part("train"))
    sizes = sorted(counts.values(), reverse=True)
    assert sizes[0] == 38 and sizes[-1] == 2 and sizes[6] == pytest.approx(38 * 25 ** (-6 / 13), abs=0.5)
    assert len(tail.part("val")) == 140 and len(tail.part("test")) == 224
    assert tail == long_tail.long_tailed(stage(), most=38, ratio=25.0, seed=1)
    other = long_tail.long_tailed(stage(), most=38, ratio=25.0, seed=2)
    assert counts != Counter(sample.labels["label"][0] for sample in other.part("train"))


def test_the_table_says_who_gains_and_who_pays() -> None:
    plain = {label: 0.9 if n < 4 else 0.5 if n < 8 else 0.1 for n, label in enumerate(LABELS)}
    fair = {label: 0.8 if n < 4 else 0.5 if n < 8 else 0.4 for n, label in enumerate(LABELS)}
    found = {name: [cell(fair if name == "cRT" else plain)] * 2 for name in long_tail.ROWS}
    lines = long_tail.table(found).splitlines()
    assert lines[0] == "| | many (over 20) | medium (5 to 20) | few (under 5) | all |"
    assert lines[2] == f"| as they come | 90.0% | 50.0% | 10.0% | {(4 * 0.9 + 4 * 0.5 + 6 * 0.1) / 14:.1%} |"
    (row,) = (line for line in lines if line.startswith("| cRT |"))
    assert "| 80.0%, -10.0 (" in row and "| 50.0%, +0.0 (" in row and "| 40.0%, +30.0 (" in row
    assert len(lines) == 2 + 12
