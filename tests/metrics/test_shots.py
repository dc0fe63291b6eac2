"""The table of many, medium and few."""

import numpy as np
import pytest

from marey.metrics import evaluate_scores, paired_difference


def test_parts_are_means_over_their_classes() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1, 2])
    said = np.array([0, 0, 0, 1, 1, 0, 2])
    evaluation = evaluate_scores(
        np.eye(4)[said],
        truth,
        ["a", "b", "c", "d"],
        paths=[f"{i}.mp4" for i in range(7)],
        protocol={},
        shots={"c": "many", "a": "medium", "b": "medium", "d": "few"},
    )
    shots = evaluation.breakdowns["shots"]
    assert list(shots) == ["many", "medium", "all"]  # no clip shows a few-shot class
    values = {part: figures["mean_per_class"].value for part, figures in shots.items()}
    assert values == pytest.approx({"many": 1.0, "medium": (0.75 + 0.5) / 2, "all": (0.75 + 0.5 + 1) / 3})
    assert shots["all"]["mean_per_class"] == evaluation.metrics["mean_per_class"]


def test_a_difference_of_means_over_classes() -> None:
    a, b = np.array([1, 1, 1, 1, 0.0]), np.array([1, 1, 1, 1, 1.0])
    classes = np.array([0, 0, 0, 0, 1])
    assert paired_difference(a, b).value == pytest.approx(-0.2)
    found = paired_difference(a, b, classes=classes)
    assert found.value == pytest.approx(-0.5) and -1 <= found.low <= found.value <= found.high <= 0
