"""Comparisons: changes are found, noise is not, and invalid runs prove nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from packshot_loadtest.errors import ResultFileError
from packshot_loadtest.results.comparison import compare
from packshot_loadtest.results.outcomes import Outcome
from packshot_loadtest.results.report import write_report
from packshot_loadtest.results.result import RunResult, read_result
from packshot_loadtest.results.samples import SAMPLE
from packshot_loadtest.results.summary import generator_health, per_second, summarise


@pytest.fixture
def run_with(histograms_of: Any) -> Any:
    """A run of 40 s at 50 requests a second whose latencies depend on a slow tide."""

    def make(*, median_ms: float = 20.0, seed: int = 0, failing: float = 0.0) -> RunResult:
        generator = np.random.default_rng(seed)
        samples = np.zeros(2000, dtype=SAMPLE)
        samples["due_s"] = np.arange(2000) / 50
        tide = 1.0 + 0.2 * np.sin(samples["due_s"] + seed)
        samples["latency_us"] = 1000 * median_ms * tide * generator.lognormal(0, 0.3, 2000)
        samples["outcome"] = np.where(generator.random(2000) < failing, Outcome.FAILED, Outcome.OK)
        histograms = histograms_of(samples)
        planned = {"score": len(samples)}
        return RunResult(
            name=f"seed {seed}",
            date="2026-11-21T00:00:00+00:00",
            settings={"max_lag_ms": 20.0, "warmup_s": 5, "target": {"grpc": "x:1", "http": ""}},
            machine={"cpu": "a <fast> one"},
            versions={},
            server={},
            kinds=("score",),
            duration_s=40.0,
            summary=summarise(
                samples, histograms, kinds=("score",), planned=planned, duration_s=40.0
            ),
            series=per_second(samples, kinds=("score",), duration_s=40.0),
            generator=generator_health(
                samples,
                histograms,
                planned=len(samples),
                lost_workers=0,
                cpu_shares=(0.1,),
                max_lag_ms=20,
                max_late_share=0.01,
                interrupted=False,
            ),
            checks=[],
            messages={},
            notes=(),
            server_series={},
            histograms=histograms.encoded(),
            interrupted=False,
            samples=samples,
        )

    return make


def verdicts(before: RunResult, after: RunResult) -> dict[str, str]:
    return {d.metric: d.verdict for d in compare(before, after, draws=200)}


def test_noise_is_no_difference(run_with: Any) -> None:
    for seed in (1, 2):
        assert set(verdicts(run_with(), run_with(seed=seed)).values()) == {"no different"}


def test_a_slower_run_is_worse_and_the_other_way_round_better(run_with: Any) -> None:
    slow, fast = run_with(median_ms=26.0, seed=1), run_with(seed=2)
    assert verdicts(fast, slow)["p50 ms"] == "worse"
    assert verdicts(fast, slow)["p99 ms"] == "worse"
    assert verdicts(slow, fast)["p50 ms"] == "better"
    assert verdicts(fast, slow)["throughput /s"] == "no different"


def test_the_interval_holds_the_true_ratio(run_with: Any) -> None:
    held = 0
    for seed in range(4):
        first, second = run_with(seed=seed), run_with(median_ms=24.0, seed=seed + 100)
        p50 = next(d for d in compare(first, second, draws=200) if d.metric == "p50 ms")
        held += p50.low <= 1.2 <= p50.high
    assert held >= 3


def test_failures_are_worse(run_with: Any) -> None:
    found = verdicts(run_with(), run_with(seed=1, failing=0.1))
    assert found["error share"] == "worse"
    assert found["throughput /s"] == "worse"


def test_runs_that_prove_nothing_are_refused(run_with: Any) -> None:
    good = run_with()
    generator = {**good.generator, "valid": False, "reasons": ["too slow"]}
    with pytest.raises(ResultFileError, match="too slow"):
        compare(good, dataclasses.replace(good, generator=generator))


def test_runs_with_nothing_in_common_are_refused(run_with: Any) -> None:
    with pytest.raises(ResultFileError, match="share no request kind: score and page"):
        compare(run_with(), dataclasses.replace(run_with(), kinds=("page",)))


def test_short_runs_leave_it_open(run_with: Any) -> None:
    short = dataclasses.replace(run_with(), duration_s=3.0)
    assert set(verdicts(short, short).values()) == {"unknown"}


def test_a_report_needs_nothing_else_and_its_json_can_be_compared(
    run_with: Any, tmp_path: Path
) -> None:
    result = run_with()
    page = write_report(result, tmp_path).read_text()
    assert "<svg" in page
    assert "a &lt;fast&gt; one" in page
    for outside in ('src="http', "href=", "<script"):
        assert outside not in page.replace('xlink:href="#', "").replace('href="#', "")
    copy = read_result(tmp_path / "result.json")
    np.testing.assert_array_equal(copy.samples, result.samples)
    assert set(verdicts(result, copy).values()) == {"no different"}
    assert len((tmp_path / "requests.csv").read_text().splitlines()) == 2001
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 99}', '{"schema": 1}'])
def test_files_that_are_no_results(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(ResultFileError):
        read_result(path)
