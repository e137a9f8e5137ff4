"""The knee search against servers whose knee is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from packshot_loadtest.errors import SettingsError
from packshot_loadtest.knee import KneeSearch, Probe, find_knee


def server(holds: Callable[[float], bool], *, sendable: float = 1e9) -> Callable[[float], Probe]:
    def probe(rate: float) -> Probe:
        return Probe(
            rate=rate,
            passed=holds(rate),
            valid=rate <= sendable,
            throughput=rate,
            latency_ms={"p50": 1.0, "p99": 2.0},
            error_share=0.0,
        )

    return probe


@pytest.mark.parametrize("true_knee", [1.3, 9.9, 10.0, 47.0, 811.0])
def test_the_knee_is_found_from_below_and_above(true_knee: float) -> None:
    knee = find_knee(server(lambda rate: rate <= true_knee), KneeSearch(start=10))
    assert knee.rate is not None
    assert true_knee / 1.06 <= knee.rate <= true_knee
    assert knee.confirmed
    assert knee.bounded_by == "server"


def test_a_rate_that_held_by_luck_does_not_stand() -> None:
    seen: dict[float, int] = {}

    def holds(rate: float) -> bool:
        seen[rate] = seen.get(rate, 0) + 1
        return rate <= 40 or (rate <= 60 and seen[rate] == 1)

    knee = find_knee(server(holds), KneeSearch(start=10, confirmations=2))
    assert knee.rate is not None
    assert 35 < knee.rate <= 40
    assert knee.confirmed


def test_the_generator_as_the_limit_is_said() -> None:
    knee = find_knee(server(lambda _: True, sendable=100), KneeSearch(start=10))
    assert knee.bounded_by == "generator"
    assert knee.rate is not None
    assert knee.rate <= 100


def test_the_highest_rate_allowed_is_said() -> None:
    knee = find_knee(server(lambda _: True), KneeSearch(start=10, most=35))
    assert (knee.rate, knee.bounded_by) == (35, "search")


def test_a_server_that_never_holds_has_no_knee() -> None:
    knee = find_knee(server(lambda _: False), KneeSearch(start=10))
    assert knee.rate is None
    assert not knee.confirmed


def test_the_search_ends_where_nothing_is_steady() -> None:
    flips = iter(range(10_000))
    knee = find_knee(server(lambda _: next(flips) % 2 == 0), KneeSearch(start=10, max_probes=15))
    assert len(knee.probes) <= 15


@pytest.mark.parametrize("wrong", [{"start": 0}, {"start": 9, "most": 5}, {"precision": 0}])
def test_searches_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        KneeSearch(**wrong)  # type: ignore[arg-type]
