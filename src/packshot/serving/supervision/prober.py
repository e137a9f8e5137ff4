"""One model, asked for a real inference again and again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from packshot.contracts import DECOUPLED
from packshot.errors import ContractError, ServingError, UnreachableError
from packshot.serving.endpoint import Endpoint
from packshot.serving.supervision.goldens import check_golden_answer, golden_inputs
from packshot.serving.supervision.metrics import SupervisorMetrics
from packshot.serving.supervision.options import SupervisorOptions

ProbeKind = Literal["ok", "busy", "unreachable", "error", "stub", "wrong", "absent"]

_DEAD_STUB: Final = "is not healthy"
_ABSENT: Final = ("no available versions", "unknown model", "is not found")
_OVERLOAD: Final = ("maximum queue size", "timeout expired")
_SLOW_TIMES: Final = 10.0
_SHARE_OF_TIME: Final = 20.0
_MEMORY: Final = 0.8
_WORKING_SHARE: Final = 0.02
"""Of a CPU core: a model that hangs uses none; one on a starved machine gets little."""
_UNKNOWN: Final = -1
_LONGEST_BATCH_S: Final = 10.0
"""How long a model that computes may finish nothing: one in an endless loop computes too."""


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What one probe found.

    Attributes:
        kind: ``ok``, or ``busy`` when callers are served meanwhile, or what is wrong:
            ``unreachable`` (no answer in time), ``stub`` (its process says it is not healthy),
            ``absent`` (not loaded), ``wrong`` (an answer that cannot be right), ``error``.
        reason: In words, empty when nothing is wrong.
    """

    kind: ProbeKind
    reason: str = ""

    @property
    def good(self) -> bool:
        """Whether callers are served."""
        return self.kind in ("ok", "busy")


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What a model has done so far: batches that it finished, and CPU time."""

    at_s: float
    executions: int
    cpu_s: float


class ModelProber:
    """Proves that one model answers.

    Args:
        model: Its name.
        connect: Opens a way to the server with a time limit in seconds.
        options: How patient to be.
        metrics: Where times and failures are counted.
        cpu_seconds: CPU time that the processes of the model, and of those it calls, have used.
        clock: Seconds that only ever grow.
    """

    def __init__(
        self,
        model: str,
        connect: Callable[[float], Endpoint],
        options: SupervisorOptions,
        metrics: SupervisorMetrics,
        cpu_seconds: Callable[[], float] = lambda: 0.0,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self._connect = connect
        self._options = options
        self._metrics = metrics
        self._cpu_seconds = cpu_seconds
        self._clock = clock
        self._last_work: _Work | None = None
        self._in_doubt_since: float | None = None
        self._turns = itertools.count(time.time_ns() // 1000)
        self._usual_s = 0.0

    @property
    def pause_s(self) -> float:
        """How long to wait between two probes."""
        return max(self._options.probe_interval_s, _SHARE_OF_TIME * self._usual_s)

    @property
    def timeout_s(self) -> float:
        """How long a probe may take."""
        return max(self._options.probe_timeout_s, _SLOW_TIMES * self._usual_s)

    def probe(self) -> ProbeResult:
        """Ask once."""
        endpoint = self._connect(self.timeout_s)
        before = self._work(endpoint)
        earlier, self._last_work = self._last_work or before, before
        result = self._ask(endpoint)
        took = self._clock() - before.at_s
        if result.kind == "ok":
            self._metrics.probe_seconds.labels(self.model).observe(took)
            self._usual_s = _MEMORY * self._usual_s + (1 - _MEMORY) * took
            self._in_doubt_since = None
            return result
        overloaded = any(words in result.reason for words in _OVERLOAD)
        if result.kind == "unreachable" or overloaded:
            # A full queue refuses within a millisecond, in which no model gets on.
            since = earlier if overloaded else before
            if self._gets_on(since, self._work(endpoint)):
                # Only the probe has to wait: a long queue is no fault, and mending would lose it.
                return ProbeResult(kind="busy")
        self._metrics.probe_failures.labels(self.model, result.kind).inc()
        return result

    def _gets_on(self, since: _Work, now: _Work) -> bool:
        if now.executions > since.executions >= 0:
            self._in_doubt_since = None
            return True
        if now.cpu_s - since.cpu_s <= _WORKING_SHARE * (now.at_s - since.at_s):
            return False
        self._in_doubt_since = self._in_doubt_since or since.at_s
        return now.at_s - self._in_doubt_since < _LONGEST_BATCH_S

    def _work(self, endpoint: Endpoint) -> _Work:
        try:
            executions = endpoint.executions(self.model)
        except ServingError:
            executions = _UNKNOWN
        return _Work(at_s=self._clock(), executions=executions, cpu_s=self._cpu_seconds())

    def _ask(self, endpoint: Endpoint) -> ProbeResult:
        inputs = golden_inputs(self.model, next(self._turns))
        try:
            if inputs is None:
                # Not of the contracts: nobody told what it takes.
                ready = endpoint.model_ready(self.model)
                return ProbeResult(kind="ok") if ready else _failed("error", "it is not ready")
            if self.model not in DECOUPLED:
                check_golden_answer(self.model, endpoint.infer(self.model, inputs))
            elif endpoint.streams:
                check_golden_answer(self.model, endpoint.stream(self.model, inputs)[0])
            elif not endpoint.model_ready(self.model):
                return _failed("error", "it is not ready")
        except UnreachableError as error:
            return _failed("unreachable", error)
        except ContractError as error:
            return _failed("wrong", error)
        except ServingError as error:
            text = str(error)
            if _DEAD_STUB in text:
                return _failed("stub", error)
            return _failed("absent" if any(w in text for w in _ABSENT) else "error", error)
        return ProbeResult(kind="ok")


def _failed(kind: ProbeKind, reason: object) -> ProbeResult:
    return ProbeResult(kind=kind, reason=" ".join(str(reason).split()))
