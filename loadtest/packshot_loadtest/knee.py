"""The knee: the highest rate that holds the objectives, by bisection and confirmation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from packshot_loadtest.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What one rate gave.

    Attributes:
        rate: Requests a second that were due.
        passed: Whether every objective held and every answer was right.
        valid: Whether the generator kept its schedule.
        throughput: Right answers a second.
        latency_ms: Percentiles by name, ``None`` where nothing was answered.
        error_share: Of everything planned, 0-1.
    """

    rate: float
    passed: bool
    valid: bool
    throughput: float
    latency_ms: dict[str, float | None]
    error_share: float


@dataclass(frozen=True, kw_only=True)
class KneeSearch:
    """How to search.

    Attributes:
        start: First rate.
        most: Highest rate to try.
        precision: The knee is known to this share of itself.
        confirmations: How often the rate found must hold again.
        max_probes: Give up refining after so many.
    """

    start: float = 10.0
    most: float = 10_000.0
    precision: float = 0.05
    confirmations: int = 2
    max_probes: int = 30

    def __post_init__(self) -> None:
        if not 0 < self.start <= self.most:
            raise SettingsError(
                f"the search must start above 0 and below its highest rate, got {self.start} and"
                f" {self.most}"
            )
        if not 0 < self.precision < 1 or self.confirmations < 0 or self.max_probes < 3:
            raise SettingsError("precision is 0 to 1, confirmations 0 or more, probes 3 or more")


@dataclass(frozen=True, kw_only=True)
class Knee:
    """What a search found.

    Attributes:
        rate: The highest rate that held, confirmed; ``None`` if none did.
        confirmed: Whether it held as often as wanted.
        bounded_by: ``server`` if a higher rate missed the objectives, ``generator`` if the
            generator could not send faster, ``search`` if the highest rate allowed held.
        probes: Every rate tried, in order.
    """

    rate: float | None
    confirmed: bool
    bounded_by: str
    probes: tuple[Probe, ...]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "probes": [asdict(probe) for probe in self.probes]}


def find_knee(probe: Callable[[float], Probe], search: KneeSearch) -> Knee:
    """Double or halve until the knee is between two rates, bisect, then confirm.

    A rate at which the generator was the bottleneck says nothing of the server: it bounds the
    search from above, and the result says so.

    Args:
        probe: Runs one rate.
        search: How to search.
    """
    return _Search(probe, search).run()


class _Search:
    def __init__(self, probe: Callable[[float], Probe], search: KneeSearch) -> None:
        self._probe = probe
        self._search = search
        self._probes: list[Probe] = []
        self._held = 0.0
        self._missed: float | None = None
        self._bounded_by = "search"

    def run(self) -> Knee:
        self._bracket()
        while self._open() and self._missed is not None and self._held:
            if self._missed / self._held - 1.0 <= self._search.precision:
                break
            self._try((self._held + self._missed) / 2.0)
        confirmed = self._confirm()
        return Knee(
            rate=self._held or None,
            confirmed=confirmed,
            bounded_by=self._bounded_by,
            probes=tuple(self._probes),
        )

    def _open(self) -> bool:
        return len(self._probes) < self._search.max_probes

    def _try(self, rate: float) -> bool:
        result = self._probe(rate)
        self._probes.append(result)
        if result.passed and result.valid:
            self._held = max(self._held, rate)
            return True
        self._missed = rate if self._missed is None else min(self._missed, rate)
        self._bounded_by = "server" if result.valid else "generator"
        return False

    def _bracket(self) -> None:
        rate = self._search.start
        while self._open() and self._try(rate) and rate < self._search.most:
            rate = min(2.0 * rate, self._search.most)
        while self._open() and not self._held and rate > self._search.start / 64.0:
            rate /= 2.0
            self._try(rate)

    def _confirm(self) -> bool:
        held = 0
        while self._held and held < self._search.confirmations:
            if not self._open():
                return False
            rate = self._held
            if self._try(rate):
                held += 1
                continue
            # It held by luck: the next lower rate has to prove itself from the beginning.
            self._held = rate / (1.0 + self._search.precision)
            held = 0
        return bool(self._held)
