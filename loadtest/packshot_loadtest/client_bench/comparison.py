"""What timings of contenders say of packshot: ratios within a round, differences within a pair."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from packshot_loadtest.client_bench.contenders import BARE, PACKSHOT, READ, TRITON
from packshot_loadtest.client_bench.timing import Timing

_DRAWS: Final = 1000

Rounds = Mapping[str, Sequence[Timing]]
"""Timings by contender, a round an entry."""


def compared(rounds: Rounds) -> dict[str, Any]:
    """Every contender's figures, and packshot's over the others': the median of the rounds."""
    return {
        "rows": {name: _figures(runs) for name, runs in rounds.items()},
        "throughput_over_bare": _median(rounds, BARE, lambda own, o: _rate(own) / _rate(o)),
        "p50_over_bare_us": _median(rounds, BARE, lambda own, o: (_p50_ms(own) - _p50_ms(o)) * 1e3),
        "cpu_over_bare_us": _median(rounds, BARE, lambda own, o: _cpu_us(own) - _cpu_us(o)),
        "throughput_over_reading": _median(rounds, READ, lambda own, o: _rate(own) / _rate(o)),
        "p50_over_reading_us": _median(
            rounds, READ, lambda own, o: (_p50_ms(own) - _p50_ms(o)) * 1e3
        ),
        "cpu_over_reading_us": _median(rounds, READ, lambda own, o: _cpu_us(own) - _cpu_us(o)),
        "throughput_over_tritonclient": _median(
            rounds, TRITON, lambda own, o: _rate(own) / _rate(o)
        ),
        "cpu_over_tritonclient": _median(rounds, TRITON, lambda own, o: _cpu_us(own) / _cpu_us(o)),
    }


def compared_pairs(timings: Mapping[str, Timing]) -> dict[str, Any]:
    """As :func:`compared`, of calls that were made in turn.

    Medians over another are those of the differences within a turn, and come with their 95 %
    bootstrap intervals over resampled turns.
    """
    found = compared({name: [timing] for name, timing in timings.items()})
    for other, figure in ((BARE, "p50_over_bare"), (READ, "p50_over_reading")):
        own, others = (np.array(timings[name].latencies_ms) for name in (PACKSHOT, other))
        differences = (own - others) * 1000.0
        generator = np.random.default_rng(0)
        draws = [np.median(generator.choice(differences, len(differences))) for _ in range(_DRAWS)]
        found[f"{figure}_us"] = float(np.median(differences))
        found[f"{figure}_interval_us"] = [float(end) for end in np.percentile(draws, [2.5, 97.5])]
    return found


def _median(rounds: Rounds, other: str, figure: Callable[[Timing, Timing], float]) -> float:
    pairs = zip(rounds[PACKSHOT], rounds[other], strict=True)
    return statistics.median(figure(own, others) for own, others in pairs)


def _figures(runs: Sequence[Timing]) -> dict[str, float]:
    return {
        "calls_per_s": statistics.median(map(_rate, runs)),
        "p50_ms": statistics.median(map(_p50_ms, runs)),
        "p99_ms": statistics.median(float(np.percentile(r.latencies_ms, 99)) for r in runs),
        "cpu_us_per_call": statistics.median(map(_cpu_us, runs)),
    }


def _rate(run: Timing) -> float:
    return len(run.latencies_ms) / run.wall_s


def _cpu_us(run: Timing) -> float:
    return run.cpu_s / len(run.latencies_ms) * 1e6


def _p50_ms(run: Timing) -> float:
    return statistics.median(run.latencies_ms)
