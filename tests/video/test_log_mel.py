import cmath
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.video import log_mel, log_mel_bytes


def slow_log_mel(samples: list[float], step: int) -> list[float]:
    """One step, written out by sums: window, Fourier sums, triangles, decibels."""
    hann = [math.sin(math.pi * i / 400) ** 2 for i in range(400)]
    power = []
    for k in range(257):
        tone = sum(samples[160 * step + i] * hann[i] * cmath.exp(-2j * math.pi * k * i / 512) for i in range(400))
        power.append(abs(tone) ** 2 / 19_200)  # by Parseval: 512 / 2 times half the sum of the squared window, 150
    mel = [1127.0104803 * math.log(1 + k * 31.25 / 700) for k in range(257)]
    low, high = (1127.0104803 * math.log(1 + f / 700) for f in (125, 7500))
    width, bands = (high - low) / 65, []
    for band in range(64):
        middle = low + (band + 1) * width
        energy = sum(p * max(0.0, 1 - abs(m - middle) / width) for p, m in zip(power, mel, strict=True))
        bands.append(10 * math.log10(max(energy, 1e-14)))
    return bands


def tone(hertz: float, seconds: float = 0.2, loud: float = 1.0) -> np.ndarray:
    return (loud * np.sin(2 * np.pi * hertz * np.arange(round(16_000 * seconds)) / 16_000)).astype(np.float32)


def test_it_is_what_the_sums_say() -> None:
    rng = np.random.default_rng(0)
    samples = (rng.normal(0, 0.1, 900) + tone(440.0, 900 / 16_000, 0.3)).astype(np.float32)
    found = log_mel(samples)
    assert found.shape == (64, 4) and found.dtype == np.float32
    for step in (0, 3):
        np.testing.assert_allclose(found[:, step], slow_log_mel(samples.tolist(), step), atol=1e-3)


@pytest.mark.parametrize("hertz, band", [(1000.0, 19), (4000.0, 48)])
def test_a_tone_is_loudest_in_its_band_and_near_0_db(hertz: float, band: int) -> None:
    found = log_mel(tone(hertz)).mean(1)
    assert found.argmax() == band and -5 < found.max() < 0
    quieter = log_mel(tone(hertz, loud=0.1)).mean(1)
    np.testing.assert_allclose(quieter[band], found[band] - 20, atol=1e-3)


@given(st.integers(0, 3000))
def test_steps_are_the_windows_that_fit_and_at_least_one(n: int) -> None:
    found = log_mel(np.zeros(n, np.float32))
    assert found.shape == (64, max(1, 1 + (n - 400) // 160))
    assert (found == -140).all()


def test_a_long_sound_is_the_same_in_blocks() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 160 * 4200).astype(np.float32)
    found = log_mel(samples)
    np.testing.assert_allclose(found[:, 4090:4100], log_mel(samples[160 * 4090 :])[:, :10], atol=1e-5)


def test_bytes_reach_80_db_down_from_the_loudest() -> None:
    loudness = np.array([[-10.0, -50.0], [-90.0, -120.0]], np.float32)
    frame = log_mel_bytes(loudness)
    assert frame.shape == (1, 2, 2, 1) and frame.dtype == np.uint8
    assert frame[0, :, :, 0].tolist() == [[255, 128], [0, 0]]
    assert log_mel_bytes(np.full((2, 2), -140, np.float32)).max() == 0
    assert log_mel_bytes(np.full((2, 2), -100, np.float32)).max() == 128
