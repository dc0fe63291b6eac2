"""Novelty: strangers are stranger than the known, and the wanted share of the known is accepted."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from marey.metrics import ClassMeans, accepted, clips_to_accept, energy

HEADS = [slice(0, 2), slice(2, 5)]


def test_energy_is_that_of_the_papers() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (6, 5))
    each = torch.from_numpy(logits)
    np.testing.assert_allclose(energy(logits, [slice(0, 5)], multi_label=False), -each.logsumexp(1).numpy())
    np.testing.assert_allclose(
        energy(logits, HEADS, multi_label=True), -torch.nn.functional.softplus(each).sum(1).numpy()
    )


def test_the_energy_of_two_heads_is_that_of_their_pairs() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (6, 5))
    pairs = (logits[:, :2, None] + logits[:, None, 2:]).reshape(6, 6)
    np.testing.assert_allclose(
        energy(logits, HEADS, multi_label=False), energy(pairs, [slice(0, 6)], multi_label=False)
    )


def test_distance_is_none_at_a_class_mean_and_does_not_depend_on_the_scales_of_features() -> None:
    draw = np.random.default_rng(0)
    middles = np.array([[4.0, 0, 0, 0], [0, 4.0, 0, 0]])
    truth = np.repeat(np.eye(2, dtype=bool), 50, axis=0)
    features = np.repeat(middles, 50, axis=0) + draw.normal(0, 0.3, (100, 4))
    means = ClassMeans.of(features, truth)
    at_means = np.stack([features[column].mean(0) for column in truth.T])
    np.testing.assert_allclose(means.distance(at_means), 0, atol=1e-6)
    strange = np.array([[-9.0, -9.0, 9.0, 0.0]])
    assert means.distance(strange) > np.quantile(means.distance(features), 0.95)
    scales = np.array([1000.0, 1.0, 0.01, 1.0])
    np.testing.assert_allclose(
        ClassMeans.of(features * scales, truth).distance(strange * scales), means.distance(strange), rtol=1e-3
    )


def test_features_that_never_change_and_classes_without_clips_say_nothing() -> None:
    means = ClassMeans.of(np.array([[1.0, 3.0], [2.0, 3.0]]), np.array([[1, 0, 0], [0, 1, 0]], bool))
    assert means.means.shape == (2, 2) and np.isfinite(means.distance(np.array([[1.0, 3.0], [1.5, 3.0]]))).all()
    with pytest.raises(ValueError, match="no clip has a class"):
        ClassMeans.of(np.zeros((2, 2)), np.zeros((2, 3), bool))


@given(st.floats(0.05, 0.99), st.integers(1, 300))
def test_a_share_can_be_accepted_from_just_so_many_clips_on(accept: float, clips: int) -> None:
    count = accepted(clips, accept)
    assert (count is not None) == (clips >= clips_to_accept(accept))
    assert count is None or accept * clips <= count <= clips


def test_the_next_known_clip_is_accepted_as_often_as_was_asked() -> None:
    draw = np.random.default_rng(0)
    novelty = np.sort(draw.random((4000, 21))[:, :-1], axis=1)
    count = accepted(20, 0.9)
    assert clips_to_accept(0.95) == 19 and count == 19
    assert (draw.random(4000) <= novelty[:, count - 1]).mean() == pytest.approx(19 / 21, abs=0.015)
