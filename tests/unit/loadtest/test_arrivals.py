"""Arrivals: exact totals, the right rate at the right time, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from packshot_loadtest.arrivals import Pattern, arrival_times
from packshot_loadtest.errors import SettingsError


def test_constant_rate_is_even_and_exact() -> None:
    times = arrival_times(Pattern(shape="constant", rate=50), duration_s=4, seed=1, warmup_s=1)
    assert len(times) == 250
    np.testing.assert_allclose(np.diff(times), 0.02, atol=1e-6)
    assert 0 < times[0] < 0.02


def test_poisson_arrivals_are_random_with_the_right_mean_and_spread() -> None:
    times = arrival_times(Pattern(shape="poisson", rate=40), duration_s=1000, seed=2)
    counts = np.bincount(times.astype(int), minlength=1000)
    assert len(times) == pytest.approx(40_000, rel=0.02)
    # The variance of a Poisson count is its mean.
    assert counts.var() == pytest.approx(40, rel=0.15)
    assert (np.diff(times) >= 0).all()


def test_the_seed_decides() -> None:
    pattern = Pattern(rate=30)
    first, same, other = (arrival_times(pattern, duration_s=5, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, same)
    assert len(first) != len(other) or (first != other).any()


def counts_of(shape: str, seconds: int, **settings: float) -> np.ndarray:
    pattern = Pattern(shape=shape, rate=10, peak=50, even=True, **settings)  # type: ignore[arg-type]
    times = arrival_times(pattern, duration_s=seconds, seed=0)
    return np.bincount(times.astype(int), minlength=seconds)


def test_step_holds_each_level() -> None:
    counts = counts_of("step", 10, steps=5)
    np.testing.assert_array_equal(counts.reshape(5, 2).sum(axis=1), [20, 40, 60, 80, 100])


def test_ramp_rises_in_a_straight_line() -> None:
    counts = counts_of("ramp", 20)
    assert counts.sum() == 600
    np.testing.assert_allclose(counts, 11 + 2 * np.arange(20), atol=1.5)


def test_spike_is_the_middle_fifth() -> None:
    np.testing.assert_allclose(counts_of("spike", 10), [10] * 4 + [50] * 2 + [10] * 4, atol=1)


def test_diurnal_begins_and_ends_low_and_peaks_in_the_middle() -> None:
    counts = counts_of("diurnal", 24)
    assert counts.argmax() in (11, 12)
    assert counts.max() == pytest.approx(50, abs=2)
    assert counts[0] < 12
    assert counts[-1] < 12
    assert counts.sum() == 24 * 30


def test_a_varying_pattern_is_random_unless_even() -> None:
    pattern = Pattern(shape="ramp", rate=10, peak=50)
    first, second = (arrival_times(pattern, duration_s=20, seed=seed) for seed in (1, 2))
    assert len(first) != len(second) or (first != second).any()


def test_the_warm_up_has_the_first_rate() -> None:
    pattern = Pattern(shape="spike", rate=20, peak=100, even=True)
    times = arrival_times(pattern, duration_s=10, seed=0, warmup_s=5)
    assert (times < 5).sum() == 100


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"rate": 0}, "more than 0"),
        ({"rate": float("nan")}, "more than 0"),
        ({"rate": 5, "shape": "ramp"}, "needs a peak"),
        ({"rate": 5, "peak": 9}, "has no peak"),
        ({"rate": 5, "shape": "sawtooth"}, "one of constant, poisson"),
        ({"rate": 5, "shape": "step", "peak": 9, "steps": 1}, "2 or more"),
    ],
)
def test_wrong_patterns(settings: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        Pattern(**settings)  # type: ignore[arg-type]


def test_nothing_arrives() -> None:
    with pytest.raises(SettingsError, match="nothing arrives"):
        arrival_times(Pattern(shape="constant", rate=0.01), duration_s=1, seed=0)
