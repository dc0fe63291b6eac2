"""Calibration: bins by hand, and a calibrated forecaster."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.metrics import expected_calibration_error, reliability
from marey.metrics.calibration import bin_index, calibration_statistic


def test_bins_hold_their_upper_edge() -> None:
    assert bin_index(np.array([0.0, 0.1, 0.2, 0.21, 1.0]), bins=5).tolist() == [0, 0, 0, 1, 4]


def test_error_by_hand() -> None:
    confidence, right = np.array([0.9, 0.95, 0.55, 0.6]), np.array([True, True, False, True])
    bins = reliability(confidence, right, bins=2)
    assert bins.clips.tolist() == [0, 4] and bins.accuracy[1] == 0.75 and np.isnan(bins.confidence[0])
    assert expected_calibration_error(confidence, right, bins=2) == pytest.approx(0.0)
    expected = (2 * (1 - 0.925) + abs(0 - 0.55) + abs(1 - 0.6)) / 4
    assert expected_calibration_error(confidence, right, bins=20) == pytest.approx(expected)


def test_a_calibrated_forecaster_errs_little_and_a_boaster_much() -> None:
    draw = np.random.default_rng(0)
    confidence = draw.random(20_000)
    right = draw.random(20_000) < confidence
    assert expected_calibration_error(confidence, right) < 0.02
    assert expected_calibration_error(np.ones(20_000), right) == pytest.approx(0.5, abs=0.02)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_error_lies_between_zero_and_one_and_repeats_change_nothing(clips: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([c for c, _ in clips]), np.array([r for _, r in clips])
    error = expected_calibration_error(confidence, right)
    assert 0 <= error <= 1
    assert expected_calibration_error(np.tile(confidence, 2), np.tile(right, 2)) == pytest.approx(error)
    twice = calibration_statistic(confidence[:, None], right[:, None])(np.full((len(clips), 1), 2.0))
    assert twice == pytest.approx([error])
