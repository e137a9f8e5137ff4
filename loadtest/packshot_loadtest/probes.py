"""Probes of a knee, from runs."""

from __future__ import annotations

from packshot_loadtest.knee import Probe
from packshot_loadtest.results.result import RunResult


def probe_of(result: RunResult, rate: float) -> Probe:
    """What a run says about its rate."""
    totals = result.summary["all"]
    return Probe(
        rate=rate,
        passed=result.met,
        valid=result.valid,
        throughput=totals["throughput"],
        latency_ms=totals["latency_ms"],
        error_share=totals["error_share"],
    )


def unsendable(rate: float) -> Probe:
    """A rate that the generator cannot produce: it bounds the search, and proves nothing."""
    return Probe(
        rate=rate,
        passed=False,
        valid=False,
        throughput=0.0,
        latency_ms={"p50": None, "p99": None},
        error_share=1.0,
    )
