"""Exact tails: HDR histograms of latencies, per request kind and outcome, that add up.

Three significant digits from 1 µs to 1 h: any percentile is within 0.1 % of the true one, however
many requests there were and however many workers counted them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from hdrh.histogram import HdrHistogram

from packshot_loadtest.results.outcomes import WAITED, Outcome

_LOWEST_US: Final = 1
_HIGHEST_US: Final = 3_600_000_000
_DIGITS: Final = 3

PERCENTILES: Final[Mapping[str, float]] = {
    "p50": 50.0,
    "p90": 90.0,
    "p95": 95.0,
    "p99": 99.0,
    "p99.9": 99.9,
}


def new_histogram() -> Any:
    """An empty histogram of microseconds."""
    return HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS)


class Histograms:
    """One histogram per (kind, outcome), and one of the generator's lag."""

    def __init__(self) -> None:
        self._latencies: dict[tuple[str, Outcome], Any] = {}
        self.lag = new_histogram()

    def record(self, kind: str, outcome: Outcome, *, lag_us: int, latency_us: int) -> None:
        """Count one request that was sent."""
        histogram = self._latencies.get((kind, outcome))
        if histogram is None:
            histogram = self._latencies[kind, outcome] = new_histogram()
        histogram.record_value(_bounded(latency_us))
        self.lag.record_value(_bounded(lag_us))

    def add(self, encoded: Mapping[str, Any]) -> None:
        """Add another worker's, as :meth:`encoded` gave them."""
        self.lag.decode_and_add(encoded["lag"])
        for name, text in encoded["latencies"].items():
            kind, _, outcome = name.rpartition("|")
            key = (kind, Outcome[outcome.upper()])
            self._latencies.setdefault(key, new_histogram()).decode_and_add(text)

    def encoded(self) -> dict[str, Any]:
        """Texts in the HdrHistogram V2 compressed form, which other tools read as well."""
        return {
            "lag": _text(self.lag),
            "latencies": {
                f"{kind}|{outcome.label}": _text(histogram)
                for (kind, outcome), histogram in self._latencies.items()
            },
        }

    def merged(self, *, kind: str | None = None, outcomes: Iterable[Outcome] = WAITED) -> Any:
        """The histogram over the given outcomes of one kind, or of all kinds."""
        whole = new_histogram()
        wanted = set(outcomes)
        for (name, outcome), histogram in self._latencies.items():
            if outcome in wanted and kind in (None, name):
                whole.add(histogram)
        return whole


def tail_ms(histogram: Any) -> dict[str, float | None]:
    """Percentiles, mean and maximum in milliseconds; ``None`` where nothing was counted."""
    if not histogram.get_total_count():
        return dict.fromkeys((*PERCENTILES, "mean", "max"))
    tail: dict[str, float | None] = {
        name: histogram.get_value_at_percentile(percent) / 1000.0
        for name, percent in PERCENTILES.items()
    }
    tail["mean"] = histogram.get_mean_value() / 1000.0
    tail["max"] = histogram.get_max_value() / 1000.0
    return tail


def _bounded(value_us: int) -> int:
    return min(max(value_us, _LOWEST_US), _HIGHEST_US)


def _text(histogram: Any) -> str:
    encoded = histogram.encode()
    return encoded.decode("ascii") if isinstance(encoded, bytes) else str(encoded)
