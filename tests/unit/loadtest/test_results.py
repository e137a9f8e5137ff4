"""Results: exact tails, honest shares, and whether the generator is to blame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from packshot_loadtest.answers import Answer, answers_from_json, answers_to_json, indistinct_pairs
from packshot_loadtest.results.histograms import Histograms, tail_ms
from packshot_loadtest.results.outcomes import Outcome
from packshot_loadtest.results.samples import measured, packed, unpacked
from packshot_loadtest.results.summary import generator_health, per_second, summarise


def test_merged_histograms_are_within_a_thousandth_of_the_exact_percentiles(
    samples_with: Any, histograms_of: Any
) -> None:
    latencies_ms = np.random.default_rng(0).lognormal(3, 1, size=20_000)
    whole = Histograms()
    for share in np.array_split(latencies_ms, 3):
        whole.add(histograms_of(samples_with(share)).encoded())
    tail = tail_ms(whole.merged(kind="score"))
    for name, percent in (("p50", 50), ("p99", 99), ("p99.9", 99.9)):
        exact = np.percentile(latencies_ms, percent, method="inverted_cdf")
        assert tail[name] == pytest.approx(exact, rel=1.5e-3), name
    assert tail["max"] == pytest.approx(latencies_ms.max(), rel=1.5e-3)


def test_refusals_do_not_flatter_percentiles_and_timeouts_count(
    samples_with: Any, histograms_of: Any
) -> None:
    samples = np.concatenate(
        [
            samples_with([100.0] * 50),
            samples_with([1.0] * 40, Outcome.REJECTED),
            samples_with([5000.0] * 10, Outcome.TIMEOUT),
        ]
    )
    totals = summarise(
        samples,
        histograms_of(samples),
        kinds=("score",),
        planned={"score": 110},
        duration_s=10,
    )["all"]
    assert totals["latency_ms"]["p50"] == pytest.approx(100, rel=0.01)
    assert totals["latency_ms"]["p99"] == pytest.approx(5000, rel=0.01)
    assert totals["by_outcome_ms"]["rejected"]["p99"] == pytest.approx(1, rel=0.01)
    assert totals["throughput"] == 5.0
    assert totals["outcomes"]["lost"] == 10
    assert totals["error_share"] == pytest.approx(60 / 110)


def test_seconds_count_by_intended_start(samples_with: Any) -> None:
    samples = samples_with([5.0] * 250)
    series = per_second(samples, kinds=("score",), duration_s=3)["score"]
    assert series["planned"] == [100, 100, 50]
    assert series["p99_ms"] == [5.0] * 3


@pytest.fixture
def health(histograms_of: Any) -> Any:
    def judge(samples: Any, **changes: Any) -> dict[str, Any]:
        settings = {
            "planned": len(samples),
            "lost_workers": 0,
            "cpu_shares": (0.5,),
            "max_lag_ms": 20.0,
            "max_late_share": 0.01,
            "interrupted": False,
        }
        return generator_health(samples, histograms_of(samples), **{**settings, **changes})

    return judge


def test_a_generator_on_time_is_valid(health: Any, samples_with: Any) -> None:
    assert health(samples_with([1.0] * 100, lag_ms=2))["valid"]


@pytest.mark.parametrize(
    ("outcome", "lag_ms", "changes", "says"),
    [
        (Outcome.OK, 30, {}, "5 of 5 requests were sent more than 20"),
        (Outcome.DROPPED, 0, {}, "5 requests were never sent"),
        (Outcome.OK, 0, {"lost_workers": 1}, "1 worker did not report"),
        (Outcome.OK, 0, {"planned": 9}, "4 planned requests were never started"),
    ],
)
def test_a_generator_to_blame_is_not(
    health: Any, samples_with: Any, outcome: Outcome, lag_ms: float, changes: Any, says: str
) -> None:
    found = health(samples_with([1.0] * 5, outcome, lag_ms), **changes)
    assert not found["valid"]
    assert says in found["reasons"][0]


def test_samples_survive_the_result_file_and_lose_their_warm_up(samples_with: Any) -> None:
    samples = samples_with([1.0, 2.0, 3.0])
    samples["due_s"] = [0.5, -1.0, 0.1]
    copy = unpacked(packed(samples))
    np.testing.assert_array_equal(copy, samples)
    assert measured(copy)["due_s"].tolist() == [0.1, 0.5]


def test_answers_are_compared_value_by_value() -> None:
    known = Answer(values=(50.0, 80.0))
    assert known.matches(Answer(values=(50.04, 79.97)))
    assert not known.matches(Answer(values=(50.0, 81.0)))
    assert not known.matches(Answer(values=(50.0,)))
    assert not known.matches(Answer(digest="abc"))
    assert not known.matches(Answer(values=(float("nan"), 80.0)))


def test_photos_that_cannot_be_told_apart_are_counted() -> None:
    answers = [Answer(values=(value,)) for value in (1.0, 1.1, 9.0)]
    assert indistinct_pairs(answers) == 1


def test_answers_survive_a_file() -> None:
    answers = {"score": [Answer(values=(1.0, 2.5))], "enhance": [Answer(digest="ff")]}
    assert answers_from_json(answers_to_json(answers)) == answers
