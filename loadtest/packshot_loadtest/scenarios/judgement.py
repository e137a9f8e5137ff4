"""Judging a scenario: what must hold in which part of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from packshot_loadtest.results.outcomes import WAITED, Outcome
from packshot_loadtest.results.result import RunResult
from packshot_loadtest.results.samples import Samples


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that must be true.

    Attributes:
        what: In words.
        measured: What was seen, in words.
        holds: Whether it is true.
    """

    what: str
    measured: str
    holds: bool


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a scenario showed.

    Attributes:
        scenario: Name of it.
        findings: Everything that must be true.
        result: The run.
    """

    scenario: str
    findings: tuple[Finding, ...]
    result: RunResult

    @property
    def passed(self) -> bool:
        """Whether all of it is true."""
        return all(finding.holds for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "scenario": self.scenario,
            "passed": self.passed,
            "findings": [vars(finding) for finding in self.findings],
        }


def no_wrong_answer(result: RunResult) -> Finding:
    """Every answer is the known one for its photo."""
    answered = int(np.isin(result.samples["outcome"], (Outcome.OK, Outcome.WRONG)).sum())
    return Finding(
        what="every answer is the right one for its photo",
        measured=f"{result.wrong_answers} wrong of {answered}",
        holds=result.wrong_answers == 0 and answered > 0,
    )


def schedule_kept(result: RunResult) -> Finding:
    """The generator was not the bottleneck."""
    return Finding(
        what="the generator kept its schedule",
        measured="; ".join(result.generator["reasons"]) or "it did",
        holds=result.valid,
    )


def no_failure(result: RunResult) -> Finding:
    """Not one request failed."""
    failed = int((result.samples["outcome"] != Outcome.OK).sum())
    return Finding(
        what="no request failed",
        measured=f"{failed} of {len(result.samples)}",
        holds=failed == 0 and len(result.samples) > 0,
    )


def failures_within(result: RunResult, begin_s: float, end_s: float) -> Finding:
    """Requests fail only while something is broken."""
    samples = result.samples
    failed = samples[samples["outcome"] != Outcome.OK]
    # A request that was under way when it broke was due before.
    ended_s = failed["due_s"] + failed["latency_us"] / 1e6
    outside = int(((ended_s < begin_s) | (failed["due_s"] > end_s)).sum())
    return Finding(
        what=f"failures only between {begin_s:.1f} s and {end_s:.1f} s",
        measured=f"{len(failed)} failures, {outside} of them outside",
        holds=outside == 0,
    )


def recovers(result: RunResult, since_s: float, *, within_s: float, p99_ms: float) -> Finding:
    """From some moment on, and soon, all is well: no failure and p99 in bounds."""
    samples = result.samples[result.samples["due_s"] >= since_s]
    bad = samples[(samples["outcome"] != Outcome.OK) | (samples["latency_us"] > p99_ms * 1000.0)]
    # Well from the first moment on after which no more than one in a hundred is bad: what p99 says.
    moments = np.append(since_s, bad["due_s"])
    bad_after = np.arange(len(bad), -1, -1)
    all_after = len(samples) - np.searchsorted(samples["due_s"], moments, side="right")
    well = moments[bad_after <= all_after / 100.0]
    last_s = float(well[0])
    after = int((samples["due_s"] > last_s).sum())
    return Finding(
        what=f"all well (no failure, p99 ≤ {p99_ms:g} ms) within {within_s:g} s of {since_s:.1f} s",
        measured=f"after {last_s - since_s:.1f} s, {after} requests since",
        holds=last_s - since_s <= within_s and after > 0,
    )


def refuses_fast(samples: Samples, *, within_ms: float) -> Finding:
    """Requests that are refused are refused at once, not after a wait."""
    refused = samples[samples["outcome"] == Outcome.REJECTED]
    p99_ms = float(np.percentile(refused["latency_us"], 99)) / 1000.0 if len(refused) else 0.0
    return Finding(
        what=f"refusals come within {within_ms:g} ms (p99)",
        measured=f"{len(refused)} refusals, p99 {p99_ms:.0f} ms",
        holds=p99_ms <= within_ms,
    )


def none_hangs(result: RunResult) -> Finding:
    """No request waits for its deadline."""
    hung = int(np.isin(result.samples["outcome"], (Outcome.TIMEOUT, Outcome.UNFINISHED)).sum())
    return Finding(
        what="failed requests fail at once, none runs into its deadline",
        measured=f"{hung} timeouts",
        holds=hung == 0,
    )


def memory_flat(result: RunResult, *, growth: float) -> Finding:
    """The server's memory at the end against that after the first tenth of the run."""
    series = result.server_series["process"]["memory_bytes"]
    known = [value for value in series if value is not None]
    what = f"server memory grows by at most {growth:.0%} after the first tenth of the run"
    if len(known) < 10:
        return Finding(what=what, measured="too few readings of the server's process", holds=False)
    tenth = max(1, len(known) // 10)
    early, late = np.median(known[tenth : 2 * tenth]), np.median(known[-tenth:])
    return Finding(
        what=what,
        measured=f"{early / 2**20:.0f} to {late / 2**20:.0f} MiB ({late / early - 1.0:+.1%})",
        holds=bool(late <= early * (1.0 + growth)),
    )


def tail_flat(result: RunResult, *, growth: float) -> Finding:
    """The p99 of the last third against that of the first."""
    third = result.duration_s / 3.0
    samples = result.samples[np.isin(result.samples["outcome"], WAITED)]
    ends: Sequence[Samples] = (
        samples[samples["due_s"] < third],
        samples[samples["due_s"] >= 2.0 * third],
    )
    what = f"p99 of the last third is at most {growth:.0%} above that of the first"
    if min(map(len, ends)) < 100:
        return Finding(what=what, measured="fewer than 100 requests in a third", holds=False)
    early, late = (float(np.percentile(own["latency_us"], 99)) / 1000.0 for own in ends)
    return Finding(
        what=what,
        measured=f"{early:.0f} to {late:.0f} ms ({late / early - 1.0:+.1%})",
        holds=late <= early * (1.0 + growth),
    )
