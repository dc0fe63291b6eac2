"""What to label next: worked by hand, held to plain greedy search, and ties that do not depend on chance."""

import numpy as np
import pytest

from marey.metrics import label_next, uncertainty


def plain(features: np.ndarray, weights: np.ndarray, labelled: np.ndarray) -> list[int]:
    """Greedy search that computes every gain anew."""
    both = np.concatenate([features, labelled])
    both = both - both.mean(0)
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    alike = np.maximum(both[: len(features)] @ both.T, 0)
    covered, order = alike[:, len(features) :].max(1), []
    for _ in features:
        gains = [
            -1.0 if clip in order else weights[clip] ** 3 * (weights**3 @ np.maximum(alike[:, clip] - covered, 0))
            for clip in range(len(weights))
        ]
        order.append(int(np.argmax(gains)))
        covered = np.maximum(covered, alike[:, order[-1]])
    return order


def test_the_order_is_that_of_plain_greedy_search(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    features, labelled, weights = rng.normal(size=(30, 40)), rng.normal(size=(4, 40)), rng.random(30)
    order, gains, _ = label_next(features, weights, labelled)
    wanted = plain(features, weights, labelled)
    assert order.tolist() == wanted and (np.diff(gains) <= 0).all()
    assert label_next(features, weights, labelled, count=7)[0].tolist() == wanted[:7]
    monkeypatch.setattr("marey.metrics.labelling.HELD", 0)  # similarities that do not fit are computed as needed
    assert label_next(features, weights, labelled)[0].tolist() == wanted


def test_a_clip_that_stands_for_many_comes_before_an_odd_one_and_its_doubles_last() -> None:
    crowd, odd, known = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    features = np.array([odd, crowd, crowd, crowd, known])
    order, gains, alike = label_next(features, np.ones(5), np.array([known]))
    assert order[:2].tolist() == [1, 0] and sorted(order[2:].tolist()) == [2, 3, 4]
    assert alike[:2].tolist() == [3, 1] and gains[0] > gains[1] > 0 and not gains[2:].any()


def test_ties_go_to_the_more_uncertain_and_then_to_the_earlier_clip() -> None:
    same = np.ones((4, 3))
    order, gains, alike = label_next(same, np.array([0.1, 0.5, 0.5, 0.2]), np.zeros((0, 3)))
    assert order.tolist() == [1, 2, 3, 0] and not gains.any() and not alike.any()
    assert label_next(np.zeros((0, 3)), np.zeros(0), np.ones((2, 3)))[0].tolist() == []


def test_uncertainty_is_what_the_margin_lacks_head_by_head() -> None:
    rows = np.array([[0.7, 0.3, 1.0, 0.0, 0.0], [0.5, 0.5, 0.4, 0.4, 0.2]])
    parts = [slice(0, 2), slice(2, 5)]
    np.testing.assert_allclose(uncertainty(rows, parts[:1], multi_label=False), [0.6, 1.0])
    np.testing.assert_allclose(uncertainty(rows, parts, multi_label=False), [0.3, 1.0])
    np.testing.assert_allclose(uncertainty(rows, [slice(0, 1)], multi_label=False), [0.0, 0.0])
    np.testing.assert_allclose(uncertainty(np.array([[0.9, 0.4], [0.99, 0.01]]), parts, multi_label=True), [0.8, 0.02])
