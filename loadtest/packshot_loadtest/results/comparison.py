"""Comparing two runs: better, worse or no different, with bootstrap confidence intervals.

Latencies of neighbouring requests depend on each other (they share queues and batches), so whole
blocks of seconds are drawn again, not single requests (moving-block bootstrap: Künsch, Annals of
Statistics 17, 1989). The interval is of the ratio b / a.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from packshot_loadtest.errors import ResultFileError
from packshot_loadtest.results.outcomes import WAITED, Outcome
from packshot_loadtest.results.result import RunResult
from packshot_loadtest.results.samples import Samples
from packshot_loadtest.results.summary import ALL

Verdict = Literal["better", "worse", "no different", "unknown"]

_CONFIDENCE: Final = 0.95
_LEAST_BLOCKS: Final = 5
_BLOCK_S: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One number of two runs.

    Attributes:
        kind: Label of the request kind, or ``all``.
        metric: Which number.
        before: Of the first run.
        after: Of the second.
        ratio: ``after`` over ``before``; for error shares the difference.
        low: Lower end of its 95 % interval.
        high: Upper end.
        verdict: What follows from it.
    """

    kind: str
    metric: str
    before: float
    after: float
    ratio: float
    low: float
    high: float
    verdict: Verdict


Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number that is read from blocks of samples.

    Attributes:
        name: For tables.
        of_block: What of a block counts, worked out once for all draws.
        of_blocks: The number, from that of any blocks.
        less_is_better: Which way is worse.
    """

    name: str
    of_block: Callable[[Samples], Values]
    of_blocks: Callable[[list[Values]], float]
    less_is_better: bool


def compare(
    first: RunResult,
    second: RunResult,
    *,
    tolerance: float = 0.05,
    draws: int = 1000,
    seed: int = 0,
) -> list[Difference]:
    """Every kind that both runs have: p50, p99, throughput and error share.

    Args:
        first: The run before.
        second: The run after.
        tolerance: Ratios this close to 1 do not matter; an error share may grow by a tenth of it.
        draws: How often blocks are drawn again.
        seed: Of the draws.

    Raises:
        ResultFileError: The runs have no request kind in common, or one was invalid.
    """
    for result in (first, second):
        if not result.valid:
            raise ResultFileError(
                f"{result.name} of {result.date} is no valid run, it proves nothing:"
                f" {'; '.join(result.generator['reasons'])}"
            )
    common = [kind for kind in first.kinds if kind in second.kinds]
    if not common:
        raise ResultFileError(
            f"the runs share no request kind: {', '.join(first.kinds)} and"
            f" {', '.join(second.kinds)}"
        )
    kinds = [ALL, *common] if len(common) > 1 and first.kinds == second.kinds else common
    generator = np.random.default_rng(seed)
    differences = []
    for kind in kinds:
        blocks = [_blocks(result, kind) for result in (first, second)]
        differences += [
            _difference(kind, metric, blocks, tolerance, draws, generator) for metric in _METRICS
        ]
    return differences


def _blocks(result: RunResult, kind: str) -> list[Samples]:
    samples = result.samples
    if kind != ALL:
        samples = samples[samples["kind"] == result.kinds.index(kind)]
    # Blocks that straddle the end would be shorter than the others.
    count = max(1, int(result.duration_s // _BLOCK_S))
    edges = np.searchsorted(samples["due_s"], np.arange(count + 1) * _BLOCK_S)
    return [samples[start:end] for start, end in itertools.pairwise(edges)]


def _difference(
    kind: str,
    metric: Metric,
    blocks: list[list[Samples]],
    tolerance: float,
    count: int,
    generator: np.random.Generator,
) -> Difference:
    is_share = metric.name == "error share"
    values = [[metric.of_block(block) for block in own] for own in blocks]
    before, after = (metric.of_blocks(own) for own in values)
    draws = [_draws(own, metric, count, generator) for own in values]

    def change(old: Any, new: Any) -> Any:
        return new - old if is_share else new / np.maximum(old, 1e-9)

    changes = change(draws[0], draws[1])
    changes = changes[np.isfinite(changes)]
    enough = min(map(len, blocks)) >= _LEAST_BLOCKS and len(changes) > count // 2
    low, high = np.quantile(changes, _TAILS) if enough else (np.nan, np.nan)
    neutral, margin = (0.0, tolerance / 10.0) if is_share else (1.0, tolerance)
    verdict: Verdict = "no different"
    if not enough:
        verdict = "unknown"
    elif low > neutral + margin:
        verdict = "worse" if metric.less_is_better else "better"
    elif high < neutral - margin:
        verdict = "better" if metric.less_is_better else "worse"
    return Difference(
        kind=kind,
        metric=metric.name,
        before=before,
        after=after,
        ratio=float(change(before, after)),
        low=float(low),
        high=float(high),
        verdict=verdict,
    )


_TAILS: Final = ((1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2)


def _draws(
    values: list[Values], metric: Metric, count: int, generator: np.random.Generator
) -> Values:
    # Runs of about the cube root of the length: long enough to carry a queue's memory along.
    span = max(1, round(len(values) ** (1 / 3)))
    starts = max(1, len(values) - span + 1)
    needed = -(-len(values) // span)
    drawn = np.empty(count)
    for number in range(count):
        chosen = generator.integers(starts, size=needed)
        picked = [values[start + step] for start in chosen for step in range(span)]
        drawn[number] = metric.of_blocks(picked[: len(values)])
    return drawn


def _waited_ms(block: Samples) -> Values:
    waited = np.isin(block["outcome"], WAITED)
    return np.asarray(block["latency_us"][waited] / 1000.0, dtype=np.float64)


def _is_right(block: Samples) -> Values:
    return np.asarray(block["outcome"] == Outcome.OK, dtype=np.float64)


def _percentile(percent: float) -> Callable[[list[Values]], float]:
    def of_blocks(blocks: list[Values]) -> float:
        whole = np.concatenate(blocks)
        return float(np.percentile(whole, percent)) if len(whole) else float("nan")

    return of_blocks


def _rate(blocks: list[Values]) -> float:
    return float(np.concatenate(blocks).sum()) / (_BLOCK_S * len(blocks))


def _missing_share(blocks: list[Values]) -> float:
    whole = np.concatenate(blocks)
    return 1.0 - float(whole.mean()) if len(whole) else float("nan")


_METRICS: Final = (
    Metric(name="p50 ms", of_block=_waited_ms, of_blocks=_percentile(50), less_is_better=True),
    Metric(name="p99 ms", of_block=_waited_ms, of_blocks=_percentile(99), less_is_better=True),
    Metric(name="throughput /s", of_block=_is_right, of_blocks=_rate, less_is_better=False),
    Metric(name="error share", of_block=_is_right, of_blocks=_missing_share, less_is_better=True),
)
