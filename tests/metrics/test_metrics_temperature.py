"""Temperatures: found where they are known, deterministic, and short of certainty where every clip is right."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.metrics import expected_calibration_error, fit_temperature, negative_log_likelihood
from marey.metrics.temperature import LEAST, MOST, probabilities


def clips(temperature: float, *, n: int = 4000, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `temperature` times those that the truth was drawn from."""
    draw = np.random.default_rng(0)
    honest = draw.normal(0, 2, (n, classes))
    chances = probabilities(honest, 1.0, multi_label=False)
    truth = (draw.random((n, 1)) > chances.cumsum(1)).sum(1).clip(0, classes - 1)
    return honest * temperature, truth


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    logits, truth = clips(temperature)
    found = fit_temperature(logits, truth)
    assert found == pytest.approx(temperature, rel=0.05)
    scores = probabilities(logits, found, multi_label=False)
    assert expected_calibration_error(scores.max(1), scores.argmax(1) == truth) < 0.03


def test_of_many_clips_it_is_the_papers_minimum() -> None:
    logits, truth = clips(2.5)
    found = fit_temperature(logits, truth)
    losses = {t: negative_log_likelihood(probabilities(logits, t, multi_label=False), truth) for t in (found, 1.0, 9.0)}
    assert losses[found] < losses[1.0] and losses[found] < losses[9.0]
    cross_entropy = torch.nn.functional.cross_entropy(torch.from_numpy(logits) / found, torch.from_numpy(truth))
    assert losses[found] == pytest.approx(float(cross_entropy))
    assert losses[found] == pytest.approx(
        min(
            negative_log_likelihood(probabilities(logits, t, multi_label=False), truth) for t in np.linspace(2, 3, 101)
        ),
        abs=1e-4,
    )


def test_one_temperature_for_a_sigmoid_a_class() -> None:
    draw = np.random.default_rng(1)
    honest = draw.normal(0, 2, (4000, 3))
    truth = draw.random(honest.shape) < 1 / (1 + np.exp(-honest))
    assert fit_temperature(2 * honest, truth) == pytest.approx(2, rel=0.05)
    scores = probabilities(2 * honest, 2.0, multi_label=True)
    np.testing.assert_allclose(scores, torch.from_numpy(honest).sigmoid().numpy())
    expected = torch.nn.functional.binary_cross_entropy(torch.from_numpy(scores), torch.from_numpy(truth).double())
    assert negative_log_likelihood(scores, truth) == pytest.approx(3 * float(expected))


@pytest.mark.parametrize("n", [3, 20, 500])
def test_where_every_clip_is_right_it_claims_what_so_many_clips_show(n: int) -> None:
    logits, truth = np.tile([[5.0, 0.0]], (n, 1)), np.zeros(n, np.int64)
    confidence = probabilities(logits, fit_temperature(logits, truth), multi_label=False).max(1)
    np.testing.assert_allclose(confidence, (n + 1) / (n + 2), rtol=1e-6)


def test_scores_that_say_nothing_are_cooled_to_the_end() -> None:
    logits, truth = np.tile([[5.0, 0.0]], (10, 1)), np.arange(10) % 2
    assert fit_temperature(logits, truth) == pytest.approx(MOST)
    assert fit_temperature(1e-3 * logits, np.zeros(10, np.int64)) == pytest.approx(LEAST)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(0.2, 5.0))
def test_it_scales_with_the_logits_and_changes_no_order(seed: int, factor: float) -> None:
    draw = np.random.default_rng(seed)
    logits, truth = draw.normal(0, 2, (12, 3)), draw.integers(0, 3, 12)
    first, second = fit_temperature(logits, truth), fit_temperature(factor * logits, truth)
    assert fit_temperature(logits, truth) == first
    if LEAST < first * factor < MOST * 0.99 and LEAST < first < MOST * 0.99:
        assert second == pytest.approx(factor * first, rel=1e-6)
    scores = probabilities(logits, first, multi_label=False)
    assert (scores.argmax(1) == logits.argmax(1)).all() and np.allclose(scores.sum(1), 1)


def test_shapes_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"logits are of shape \(0, 3\); they must be \(clips, classes\)"):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, np.int64))
    with pytest.raises(ValueError, match=r"truth is of shape \(2,\) and logits of \(3, 2\)"):
        fit_temperature(np.zeros((3, 2)), np.zeros(2, np.int64))
