"""Agreement statistics against cases worked by hand."""

import numpy as np
import pytest

from packshot.training.metrics import bootstrap, krcc, plcc, rmse, srcc

A = np.array([1.0, 2.0, 3.0, 4.0])
B = np.array([1.0, 3.0, 2.0, 4.0])


def test_values_worked_by_hand() -> None:
    assert srcc(A, B) == pytest.approx(0.8)
    assert krcc(A, B) == pytest.approx(2 / 3)
    assert plcc(A, B) == pytest.approx(0.8)
    assert rmse(A, B) == pytest.approx(np.sqrt(0.5))
    assert srcc(A, -A) == pytest.approx(-1.0)


def test_bootstrap_interval_holds_the_value_and_narrows_with_more_photos() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(800)
    noisy = truth + rng.normal(0, 0.3, 800)
    few = bootstrap(srcc, noisy[:60], truth[:60], resamples=200)
    many = bootstrap(srcc, noisy, truth, resamples=200)
    for estimate in (few, many):
        assert estimate.low <= estimate.value <= estimate.high
    assert many.high - many.low < few.high - few.low
    assert many == bootstrap(srcc, noisy, truth, resamples=200)
