"""The course of a call: which attempts it takes, until it is answered or given up.

Nothing here sends or waits. A client asks for the next :class:`Attempt`, sends it, and reports how
it ended; the course says what then: the result, a pause before the next attempt, or the error.
"""

from __future__ import annotations

import time
from typing import Any, Final, Generic, NoReturn, TypeVar

import grpc

from packshot_client._calls import Call
from packshot_client._dispatcher import Attempt, Dispatcher, takes_canary
from packshot_client._exceptions import (
    CallRecord,
    DeadlineExceededError,
    InvalidResponseError,
    RequestError,
    ServerOverloadedError,
    ServerUnavailableError,
)
from packshot_client._observation import CallEvent, logger, notify
from packshot_client._outputs import UnreadableError
from packshot_client._replicas import Replica
from packshot_client._statuses import (
    model_is_gone,
    region_is_gone,
    status_error,
    version_is_gone,
)

_ResultT = TypeVar("_ResultT")

_LEAST_S: Final = 0.001
"""An attempt with less time than this would only fail."""


class Course(Generic[_ResultT]):
    """The attempts of one call.

    Args:
        dispatcher: Of the client.
        call: What is asked.
    """

    # What most calls never change.
    _attempts = 0
    _canary = False
    _hedged = False
    _region_renewed = False
    _responses = 0
    _span: Any = None

    def __init__(self, dispatcher: Dispatcher, call: Call[_ResultT]) -> None:
        self.call = call
        self._shared = dispatcher
        self._started = time.perf_counter()
        self._deadline = self._started + call.timeout_s
        if call.timeout_s > dispatcher.longest_timeout_s:
            dispatcher.longest_timeout_s = call.timeout_s
        self._tried: list[Replica] = []
        canary = dispatcher.config.canary
        if canary is not None and call.infers and call.model == canary.model:
            self._canary = takes_canary(canary, call.canary_key)
            if self._canary:
                call.message.ask(canary.served_as, canary.version)
        if dispatcher.tracer is not None:
            self._span = dispatcher.tracer.start(call.method.name, call.model, call.request_id)
        dispatcher.retry_budget.earn()
        if dispatcher.hedge_budget is not None:
            dispatcher.hedge_budget.earn()

    def attempt(self, *, hedge: bool = False) -> Attempt:
        """The next sending."""
        shared = self._shared
        call = self.call
        # The first begins with the call; the time that all calls have is encoded once.
        timeout_s = self.remaining_s() if self._attempts else max(_LEAST_S, call.timeout_s)
        bound = shared.config.retries.attempt_timeout_s
        if bound is not None and bound < timeout_s and not call.patient:
            timeout_s = bound
        replica = shared.replicas.pick(self._tried)
        self._attempts += 1
        self._tried.append(replica)
        if call.batch:
            call.message.set_timeout(timeout_s)
        metadata = shared.config.security.metadata()
        if shared.tracer is not None:
            metadata += shared.tracer.headers(self._span)
        return Attempt(
            replica=replica,
            generation=replica.generation,
            timeout_s=timeout_s,
            metadata=metadata,
            hedge=hedge,
        )

    def remaining_s(self) -> float:
        """Time until the deadline, never less than a moment."""
        return max(_LEAST_S, self._deadline - time.perf_counter())

    def hedge_delay_s(self) -> float | None:
        """After how long a second request may be sent; ``None`` if never."""
        hedging = self._shared.config.hedging
        if hedging is None or not self.call.infers or self.call.region or self.call.patient:
            return None
        delay_s = hedging.delay_s
        if delay_s is None:
            delay_s = self._shared.latencies[self.call.model].p95_s
        return None if delay_s is None or delay_s >= self.remaining_s() else delay_s

    def hedge(self) -> Attempt | None:
        """A second request, now that the first is late; ``None`` if there is nobody to ask."""
        shared = self._shared
        budget = shared.hedge_budget
        if budget is None or not shared.replicas.other_than(self._tried) or not budget.spend():
            return None
        self._hedged = True
        return self.attempt(hedge=True)

    def needs_region(self, attempt: Attempt) -> bool:
        """Whether the replica has to register the call's shared-memory region first."""
        return bool(self.call.region) and self.call.region not in attempt.replica.regions

    def answered(self, attempt: Attempt, response: Any, latency_s: float) -> _ResultT:
        """What an answer means.

        Raises:
            InvalidResponseError: It cannot be read.
        """
        if self._shared.config.hedging is not None and self.call.infers:
            self._shared.latencies[self.call.model].add(latency_s)
        result = self._read(attempt, response)
        if self._shared.watched:
            self._finish(attempt, version=getattr(response, "model_version", ""))
        return result

    def failed(self, attempt: Attempt, failure: Any, *, retry: bool = True) -> float:
        """What a ``grpc.RpcError`` means: the pause in seconds before the next attempt.

        Args:
            attempt: Which attempt failed.
            failure: How.
            retry: Whether there may be another attempt.

        Raises:
            RequestError: There is to be no other attempt.
        """
        return self.refused(attempt, failure.code(), failure.details(), failure, retry=retry)

    def lost(self, attempt: Attempt, *, retry: bool = True) -> float:
        """As :meth:`failed`, for an attempt whose connection the client itself has given up."""
        words = "the server went silent, its connections were given up"
        return self.refused(attempt, grpc.StatusCode.UNAVAILABLE, words, None, retry=retry)

    def refused(
        self,
        attempt: Attempt,
        code: Any,
        details: str | None,
        cause: BaseException | None,
        *,
        retry: bool = True,
    ) -> float:
        """As :meth:`failed`, by status and words."""
        if code is grpc.StatusCode.CANCELLED and attempt.generation != attempt.replica.generation:
            code = grpc.StatusCode.UNAVAILABLE
        error = status_error(code, details, self._record(attempt))
        self._note(attempt, error)
        pause_s = self._pause_s(error) if retry else None
        if pause_s is None:
            self._finish(attempt, error)
            raise error from cause
        logger.debug("%s, attempt %d: %s", self.call.request_id, self._attempts, error)
        return pause_s

    def abandoned(self, attempt: Attempt) -> None:
        """The caller no longer wants the answer."""
        self._finish(attempt, status="Cancelled")

    def _asked(self) -> tuple[str, str]:
        """The model and the version that were asked for."""
        if not self.call.infers:
            return self.call.model, ""
        message = self.call.message
        return message.model_name or self.call.model, message.model_version

    def _read(self, attempt: Attempt, response: Any) -> _ResultT:
        call = self.call
        try:
            results: Any = call.read(response)
        except UnreadableError as cause:
            self._unreadable(attempt, cause)
        if call.batch and len(results) != call.batch:
            self._unreadable(attempt, f"{len(results)} results for {call.batch} items")
        read: _ResultT = results
        return read

    def _unreadable(self, attempt: Attempt, cause: object) -> NoReturn:
        error = InvalidResponseError(
            f"The server's answer cannot be read: {cause}. Use a client and a server of the "
            f"same packshot release.",
            self._record(attempt),
        )
        self._finish(attempt, error)
        raise error from (cause if isinstance(cause, UnreadableError) else None)

    def _note(self, attempt: Attempt, error: RequestError) -> None:
        replicas = self._shared.replicas
        if isinstance(error, ServerUnavailableError):
            if self._canary and version_is_gone(error):
                return
            model = self.call.model if model_is_gone(error) else ""
            replicas.unavailable(attempt.replica, model=model, reason=error.server_message)
        elif isinstance(error, DeadlineExceededError) and error.status == "DEADLINE_EXCEEDED":
            reason = f"no answer within {attempt.timeout_s:g} s"
            replicas.unavailable(attempt.replica, reason=reason)

    def _pause_s(self, error: RequestError) -> float | None:
        if self._canary and version_is_gone(error):
            logger.warning("the canary is not served: %s", error)
            self._canary = False
            usual = self._shared.config.model_versions.get(self.call.model, "")
            self.call.message.ask("", usual)
            return 0.0
        if self.call.region and region_is_gone(error) and not self._region_renewed:
            self._region_renewed = True
            for replica in self._tried:
                replica.regions.discard(self.call.region)
            return 0.0
        retries = self._shared.config.retries
        retriable = isinstance(
            error, ServerUnavailableError | ServerOverloadedError | DeadlineExceededError
        )
        if not retriable or self._attempts >= retries.max_attempts:
            return None
        remaining_s = self._deadline - time.perf_counter()
        pause_s = 0.0
        full = isinstance(error, ServerOverloadedError)
        if full or not self._shared.replicas.other_than(self._tried):
            pause_s = retries.pause_s(self._attempts, full_queue=full)
        if pause_s + _LEAST_S >= remaining_s or not self._shared.retry_budget.spend():
            return None
        return pause_s

    def _record(self, attempt: Attempt) -> CallRecord:
        model, version = self._asked()
        return CallRecord(
            address=attempt.replica.address,
            model=model,
            request_id=self.call.request_id,
            timeout_s=self.call.timeout_s,
            elapsed_s=time.perf_counter() - self._started,
            attempts=self._attempts,
            model_version=version,
            responses=self._responses,
        )

    def _finish(
        self,
        attempt: Attempt,
        error: RequestError | None = None,
        *,
        status: str = "OK",
        version: str = "",
    ) -> None:
        if not self._shared.watched:
            return
        on_call = self._shared.config.on_call
        model, asked_version = self._asked()
        event = CallEvent(
            model=model,
            model_version=version or asked_version,
            request_id=self.call.request_id,
            address=attempt.replica.address,
            status=status if error is None else type(error).__name__,
            elapsed_s=time.perf_counter() - self._started,
            attempts=self._attempts,
            hedged=self._hedged,
            canary=self._canary,
        )
        if self._shared.tracer is not None:
            self._shared.tracer.finish(self._span, event, error)
        if on_call is not None:
            notify(on_call, event)
