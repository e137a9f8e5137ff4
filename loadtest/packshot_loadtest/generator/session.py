"""One process's part of a run: it starts each request at its time, whatever the server does.

Pacing is apart from the requests: one greenlet walks the schedule and starts a greenlet per
arrival, so a slow answer delays no other request. Latency counts from the intended start, and the
difference to the actual one is kept as lag: what the generator itself added.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable
from typing import Any, Final

import gevent
from gevent.event import Event

from packshot_loadtest.answers import Answer
from packshot_loadtest.generator.calls import Caller, CallFailedError
from packshot_loadtest.generator.grpc_calls import GrpcCaller
from packshot_loadtest.generator.http_calls import HttpCaller
from packshot_loadtest.generator.job import Job
from packshot_loadtest.generator.recorder import Recorder
from packshot_loadtest.mix import RequestKind
from packshot_loadtest.results.outcomes import Outcome

_DRAIN_MARGIN_S: Final = 2.0
_WRONG_LIMIT: Final = 160

Observer = Callable[[RequestKind, float, "CallFailedError | None"], None]
"""Told of each request: its kind, its latency in seconds, how it failed."""


def open_callers(job: Job) -> dict[str, Caller]:
    """A caller for each protocol of the job. Opens channels, which do not survive a fork."""
    return {
        protocol: (GrpcCaller if protocol == "grpc" else HttpCaller)(job.target, job.payloads)
        for protocol in sorted({kind.protocol for kind in job.kinds})
    }


def expected_answers(job: Job, kind: RequestKind, item: int) -> list[Answer]:
    """The known answers to one request."""
    if kind.action == "page":
        return [job.answers["score"][number] for number in job.payloads.page(item)]
    return [job.answers[kind.action][item]]


class Session:
    """Plays one share of a job.

    Args:
        job: The whole job.
        index: Which share.
        count: Of how many.
        callers: By protocol.
        observer: Told of each request.
    """

    def __init__(
        self, job: Job, *, index: int, count: int, callers: dict[str, Caller], observer: Observer
    ) -> None:
        self.job = job
        self.recorder = Recorder(job.kinds, warmup_s=job.warmup_s, worker=index)
        self.arrivals = job.share(index, count)
        self.ended = Event()
        self._callers = callers
        self._observer = observer
        self._stopping = Event()
        self._in_flight: dict[int, tuple[float, int]] = {}
        self._numbers = itertools.count()
        self._origin_s = 0.0
        self._cpu_s = 0.0
        self._began_s = 0.0

    def warm(self) -> None:
        """Connect, and ask once of each protocol; what comes of it is not recorded."""
        for kind in {kind.protocol: kind for kind in self.job.kinds}.values():
            with contextlib.suppress(CallFailedError):
                self._callers[kind.protocol].call(kind, 0)

    def begin(self, origin_s: float) -> None:
        """Fix the time, on ``time.perf_counter``, that arrivals count from."""
        self._origin_s = origin_s
        self._began_s = time.perf_counter()
        self._cpu_s = time.process_time()

    def stop(self) -> None:
        """Start no more requests."""
        self._stopping.set()

    def play(self) -> None:
        """Open loop: start each arrival at its time, then wait for the last answers."""
        for due_s, kind, item in self.arrivals.tolist():
            wait_s = self._origin_s + due_s - time.perf_counter()
            # Behind schedule it still gives way, or no answer would ever be read.
            if self._stopping.wait(wait_s) if wait_s > 0 else self._gave_way():
                break
            if len(self._in_flight) >= self.job.max_in_flight:
                self.recorder.record(
                    kind=kind,
                    outcome=Outcome.DROPPED,
                    due_s=due_s,
                    message=f"more than {self.job.max_in_flight} in flight",
                )
            else:
                number = next(self._numbers)
                self._in_flight[number] = (due_s, kind)
                gevent.spawn(self._ask, number, due_s, kind, item)
        self.drain()

    def ask_in_turn(self) -> None:
        """Closed loop, one user: ask, wait for the answer, pause, ask again."""
        arrivals = self.arrivals.tolist()
        end_s = self.job.warmup_s + self.job.duration_s
        self._stopping.wait(max(0.0, self._origin_s - time.perf_counter()))
        while not self._stopping.is_set():
            due_s = time.perf_counter() - self._origin_s
            if due_s >= end_s:
                break
            number = next(self._numbers)
            _, kind, item = arrivals[number % len(arrivals)]
            self._in_flight[number] = (due_s, kind)
            self._ask(number, due_s, kind, item)
            self._stopping.wait(self.job.think_s)

    def wait_for_users(self) -> None:
        """Closed loop: wait for the end, then for the last answers."""
        end_s = self._origin_s + self.job.warmup_s + self.job.duration_s
        self._stopping.wait(max(0.0, end_s - time.perf_counter()))
        self.drain()

    def drain(self) -> None:
        """Wait for the answers under way; what is not there then counts as unfinished."""
        self._stopping.set()
        deadline_s = time.perf_counter() + self.job.target.timeout_s + _DRAIN_MARGIN_S
        while self._in_flight and time.perf_counter() < deadline_s:
            gevent.sleep(0.01)
        for due_s, kind in self._in_flight.values():
            self.recorder.record(
                kind=kind, outcome=Outcome.UNFINISHED, due_s=due_s, message="given up at the end"
            )
        self._in_flight.clear()
        self.ended.set()

    def summary(self) -> dict[str, Any]:
        """What is sent once, at the end."""
        wall_s = max(1e-9, time.perf_counter() - self._began_s)
        return {
            **self.recorder.summary(),
            "planned": len(self.arrivals) if not self.job.users else self.recorder.recorded,
            "cpu_share": (time.process_time() - self._cpu_s) / wall_s,
        }

    def close(self) -> None:
        """Give back connections."""
        for caller in self._callers.values():
            caller.close()

    def _gave_way(self) -> bool:
        gevent.sleep(0)
        return bool(self._stopping.is_set())

    def _ask(self, number: int, due_s: float, kind_index: int, item: int) -> None:
        kind = self.job.kinds[kind_index]
        lag_s = time.perf_counter() - self._origin_s - due_s
        failure: CallFailedError | None = None
        try:
            answers = self._callers[kind.protocol].call(kind, item)
        except CallFailedError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - a fault of ours must be counted, not lost
            failure = CallFailedError(Outcome.FAILED, f"{type(error).__name__}: {error}")
        latency_s = time.perf_counter() - self._origin_s - due_s
        if failure is None:
            failure = self._wrong(kind, item, answers)
        if self._in_flight.pop(number, None) is None:
            return  # Given up by drain, and counted there.
        self.recorder.record(
            kind=kind_index,
            outcome=failure.outcome if failure else Outcome.OK,
            due_s=due_s,
            lag_s=lag_s,
            latency_s=latency_s,
            message=str(failure)[:300] if failure else "",
        )
        self._observer(kind, latency_s, failure)

    def _wrong(self, kind: RequestKind, item: int, answers: list[Answer]) -> CallFailedError | None:
        expected = expected_answers(self.job, kind, item)
        if len(answers) != len(expected):
            words = f"{len(answers)} answers to {len(expected)} photos"
            return CallFailedError(Outcome.WRONG, f"{kind.label}: {words}")
        for known, answer in zip(expected, answers, strict=True):
            if not answer.matches(known):
                words = f"{kind.label} of photo {item}: got {answer}, expected {known}"
                return CallFailedError(Outcome.WRONG, words[:_WRONG_LIMIT])
        return None
