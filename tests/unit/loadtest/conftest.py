"""Samples made by hand, and the histograms that a generator would have sent with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from packshot_loadtest.results.histograms import Histograms
from packshot_loadtest.results.outcomes import Outcome
from packshot_loadtest.results.samples import SAMPLE


@pytest.fixture
def samples_with() -> Callable[..., Any]:
    """A hundred requests a second with these latencies."""

    def make(latencies_ms: Any, outcome: Outcome = Outcome.OK, lag_ms: float = 0.0) -> Any:
        samples = np.zeros(len(latencies_ms), dtype=SAMPLE)
        samples["due_s"] = np.arange(len(latencies_ms)) / 100
        samples["latency_us"] = np.array(latencies_ms) * 1000
        samples["outcome"] = outcome
        samples["lag_us"] = lag_ms * 1000
        return samples

    return make


@pytest.fixture
def histograms_of() -> Callable[[Any], Histograms]:
    """As the recorder counts them."""

    def count(samples: Any) -> Histograms:
        histograms = Histograms()
        for row in samples:
            histograms.record(
                "score",
                Outcome(int(row["outcome"])),
                lag_us=int(row["lag_us"]),
                latency_us=int(row["latency_us"]),
            )
        return histograms

    return count
