from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.video import ClipSpec, clip_seconds, view_seconds, window_starts

RATES = st.fractions(min_value=1, max_value=240, max_denominator=1001)


def spec_of(frames: int = 8, stride: int = 2, fps: float | None = None, sampling: str = "dense") -> ClipSpec:
    half = (0.5, 0.5, 0.5)
    return ClipSpec(frames, stride, side_px=112, short_px=128, mean=half, std=half, fps=fps, sampling=sampling)


# Drawn as plain values: building a ClipSpec inside a strategy runs the type checker, which rolls dice of its own.
SPECS = st.tuples(
    st.integers(1, 64), st.integers(1, 16), st.none() | st.floats(1, 120), st.sampled_from(["dense", "uniform"])
)
SPANS = st.tuples(st.floats(0, 1e4), st.floats(1e-3, 1e4)).map(lambda span: (span[0], span[0] + span[1]))


@given(SPECS, RATES, SPANS, st.floats(0, 1))
def test_times_are_sorted_inside_the_span_and_as_many_as_asked(values, fps, span, offset) -> None:
    spec = spec_of(*values)
    times = clip_seconds(spec, fps, *span, offset)
    assert times.shape == (spec.frames,) and times.dtype == np.float64
    assert (np.diff(times) >= 0).all()
    assert span[0] <= times[0] and times[-1] < span[1]


@given(SPECS, RATES, SPANS, st.integers(1, 12))
def test_views_are_evenly_placed(values, fps, span, views) -> None:
    spec = spec_of(*values)
    times = view_seconds(spec, fps, *span, views)
    assert times.shape == (views, spec.frames)
    np.testing.assert_allclose(np.diff(times[:, 0], 2), 0, atol=1e-6)
    first, last = clip_seconds(spec, fps, *span, 0.0), clip_seconds(spec, fps, *span, 1.0)
    if views > 1:
        np.testing.assert_allclose(times[[0, -1]], [first, last])
    elif spec.sampling == "dense":
        np.testing.assert_allclose(times[0], clip_seconds(spec, fps, *span, 0.5))


@given(st.floats(1e-2, 1e3), st.floats(1e-2, 1e2), st.floats(1e-1, 1e2))
def test_windows_cover_the_video(duration_s, window_s, hop_s) -> None:
    starts = window_starts(duration_s, window_s, hop_s)
    assert starts[0] == 0 and (np.diff(starts) > 0).all()
    assert (np.diff(starts) <= hop_s * (1 + 1e-6)).all()
    assert starts[-1] + window_s >= duration_s * (1 - 1e-9)
    assert len(starts) == 1 or starts[-1] + window_s <= duration_s * (1 + 1e-9)


def test_a_dense_clip() -> None:
    spec, fps = spec_of(frames=4, stride=2), Fraction(10)
    np.testing.assert_allclose(clip_seconds(spec, fps, 0.0, 2.0, 0.0), [0.0, 0.2, 0.4, 0.6])
    np.testing.assert_allclose(clip_seconds(spec, fps, 0.0, 2.0, 1.0), [1.3, 1.5, 1.7, 1.9])
    np.testing.assert_allclose(clip_seconds(spec, fps, 1.0, 2.0, 0.5), [1.15, 1.35, 1.55, 1.75])


def test_a_span_shorter_than_the_window_repeats_its_last_frame() -> None:
    np.testing.assert_allclose(clip_seconds(spec_of(frames=4), Fraction(10), 0.0, 0.5, 0.7), [0.0, 0.2, 0.4, 0.4])


def test_the_stride_may_count_at_another_rate() -> None:
    np.testing.assert_allclose(clip_seconds(spec_of(frames=3, fps=5.0), Fraction(30), 0, 9, 0), [0.0, 0.4, 0.8])


def test_uniform_times_are_the_middles_of_equal_parts() -> None:
    spec = spec_of(frames=4, sampling="uniform")
    np.testing.assert_allclose(clip_seconds(spec, Fraction(30), 1.0, 3.0, 0.9), [1.25, 1.75, 2.25, 2.75])
    assert (view_seconds(spec, Fraction(30), 1.0, 3.0, 3) == clip_seconds(spec, Fraction(30), 1.0, 3.0, 0)).all()


def test_windows() -> None:
    np.testing.assert_allclose(window_starts(10.0, 4.0, 2.0), [0, 2, 4, 6])
    np.testing.assert_allclose(window_starts(9.0, 4.0, 2.0), [0, 2, 4, 5])
    np.testing.assert_allclose(window_starts(3.0, 4.0, 2.0), [0])


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"offset is 1.5; it must lie in 0..1"):
        clip_seconds(spec_of(), Fraction(30), 0.0, 1.0, 1.5)
    with pytest.raises(ValueError, match=r"span runs from 2.0 s to 1.0 s; it must end after it starts"):
        clip_seconds(spec_of(), Fraction(30), 2.0, 1.0, 0.5)
    with pytest.raises(ValueError, match=r"views is 0; it must be 1 or more"):
        view_seconds(spec_of(), Fraction(30), 0.0, 1.0, 0)
    with pytest.raises(ValueError, match=r"duration 5.0, window 0.0 and hop 1.0 must be positive seconds"):
        window_starts(5.0, 0.0, 1.0)
