"""Summaries: every number of a report, from samples and histograms.

Definitions, which ``docs/load-testing.md`` repeats for readers:

- *planned*: requests due in the measured part; *sent*: those of them that were sent.
- *latency*: from a request's intended start to its answer, over right and wrong answers and
  timeouts; refusals and other failures answer fast and are in the error share instead.
- *throughput*: right answers a second of the measured part.
- *error share*: everything planned that is not a right answer, over everything planned.
- *lag*: actual minus intended start. *late*: more lag than allowed.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from packshot_loadtest.results.histograms import Histograms, tail_ms
from packshot_loadtest.results.outcomes import WAITED, Outcome
from packshot_loadtest.results.samples import Samples

ALL: Final = "all"


def summarise(
    samples: Samples,
    histograms: Histograms,
    *,
    kinds: tuple[str, ...],
    planned: dict[str, int],
    duration_s: float,
) -> dict[str, Any]:
    """Totals by kind, with ``all`` first.

    Args:
        samples: Of the measured part.
        histograms: Of the same.
        kinds: Labels, as ``samples["kind"]`` counts them.
        planned: Requests due, by label.
        duration_s: Length of the measured part.
    """
    summary = {ALL: _totals(samples, histograms, None, sum(planned.values()), duration_s)}
    for number, label in enumerate(kinds):
        own = samples[samples["kind"] == number]
        summary[label] = _totals(own, histograms, label, planned.get(label, 0), duration_s)
    return summary


def _totals(
    samples: Samples, histograms: Histograms, kind: str | None, planned: int, duration_s: float
) -> dict[str, Any]:
    counts = np.bincount(samples["outcome"], minlength=len(Outcome))
    right = int(counts[Outcome.OK])
    lost = max(0, planned - len(samples))
    return {
        "planned": planned,
        "sent": int(len(samples) - counts[Outcome.DROPPED]),
        "outcomes": {outcome.label: int(counts[outcome]) for outcome in Outcome} | {"lost": lost},
        "throughput": right / duration_s,
        "error_share": (planned - right) / planned if planned else 0.0,
        "latency_ms": tail_ms(histograms.merged(kind=kind)),
        "by_outcome_ms": {
            outcome.label: tail_ms(histograms.merged(kind=kind, outcomes=[outcome]))
            for outcome in Outcome
            if counts[outcome] and outcome not in (Outcome.DROPPED, Outcome.UNFINISHED)
        },
    }


def per_second(
    samples: Samples, *, kinds: tuple[str, ...], duration_s: float
) -> dict[str, dict[str, list[Any]]]:
    """Series by kind, with ``all`` first: one value per second of the intended start.

    Keys: ``second``, ``planned``, ``throughput`` (right answers), ``errors``, ``p50_ms``,
    ``p90_ms``, ``p95_ms``, ``p99_ms``, ``p99.9_ms``, ``max_ms``, ``lag_max_ms``.
    """
    whole = {ALL: _series(samples, duration_s)}
    for number, label in enumerate(kinds):
        whole[label] = _series(samples[samples["kind"] == number], duration_s)
    return whole


_QUANTILES: Final = {"p50_ms": 50, "p90_ms": 90, "p95_ms": 95, "p99_ms": 99, "p99.9_ms": 99.9}


def _series(samples: Samples, duration_s: float) -> dict[str, list[Any]]:
    keys = ("second", "planned", "throughput", "errors", *_QUANTILES, "max_ms", "lag_max_ms")
    series: dict[str, list[Any]] = {key: [] for key in keys}
    seconds = samples["due_s"].astype(np.int64)
    for second in range(max(1, int(np.ceil(duration_s)))):
        own = samples[seconds == second]
        waited = own[np.isin(own["outcome"], WAITED)]["latency_us"] / 1000.0
        right = int((own["outcome"] == Outcome.OK).sum())
        series["second"].append(second)
        series["planned"].append(len(own))
        series["throughput"].append(right)
        series["errors"].append(len(own) - right)
        for key, percent in _QUANTILES.items():
            series[key].append(float(np.percentile(waited, percent)) if len(waited) else None)
        series["max_ms"].append(float(waited.max()) if len(waited) else None)
        series["lag_max_ms"].append(float(own["lag_us"].max()) / 1000.0 if len(own) else None)
    return series


def generator_health(
    samples: Samples,
    histograms: Histograms,
    *,
    planned: int,
    lost_workers: int,
    cpu_shares: tuple[float, ...],
    max_lag_ms: float,
    max_late_share: float,
    interrupted: bool,
) -> dict[str, Any]:
    """Whether the generator kept its schedule, and if not, why not.

    Returns:
        ``valid``, ``reasons``, ``late``, ``late_share``, ``dropped``, ``lag_ms``, ``cpu_shares``.
    """
    sent = samples[samples["outcome"] != Outcome.DROPPED]
    late = int((sent["lag_us"] > max_lag_ms * 1000.0).sum())
    share = late / len(sent) if len(sent) else 0.0
    dropped = len(samples) - len(sent)
    reasons = []
    if share > max_late_share:
        reasons.append(
            f"{late} of {len(sent)} requests were sent more than {max_lag_ms:g} ms late"
            f" ({share:.1%}, allowed {max_late_share:.1%}): the generator, not the server, was the"
            " bottleneck"
        )
    if dropped:
        reasons.append(f"{dropped} requests were never sent: too many were in flight")
    if lost_workers:
        reasons.append(f"{lost_workers} worker{'s' * (lost_workers > 1)} did not report back")
    elif planned > len(samples) and not interrupted:
        reasons.append(f"{planned - len(samples)} planned requests were never started")
    return {
        "valid": not reasons,
        "reasons": reasons,
        "late": late,
        "late_share": share,
        "dropped": dropped,
        "lag_ms": tail_ms(histograms.lag),
        "cpu_shares": list(cpu_shares),
    }
