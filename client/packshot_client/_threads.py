"""Sending for threads: channels, attempts, hedging and health checks on blocking gRPC."""

from __future__ import annotations

import os
import queue
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

import grpc

from packshot_client._addresses import resolve
from packshot_client._calls import Call
from packshot_client._channels import Lane, channel_options, check_of, check_request, worst
from packshot_client._course import Course
from packshot_client._dispatcher import Attempt, Dispatcher
from packshot_client._exceptions import ClientClosedError, ForeignUseError
from packshot_client._observation import logger
from packshot_client._protocol import Method
from packshot_client._replicas import Check, Replica
from packshot_client._shared_memory import Region

_ResultT = TypeVar("_ResultT")


class ThreadTransport:
    """Sends calls; threads may share it. It connects on first use, in the process that it is of.

    Args:
        dispatcher: Of the client.

    Raises:
        ConfigError: A certificate cannot be read.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.shared = dispatcher
        self.closed = False
        self._hedges = dispatcher.config.hedging is not None
        self._credentials = dispatcher.config.security.channel_credentials()
        self._lanes: dict[Replica, list[Lane]] = {}
        self._retired: list[tuple[float, list[Lane]]] = []
        self._turn = count()
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._wake = threading.Event()
        self._resolve_at = 0.0

    def close(self) -> None:
        """Close all connections; calls under way end as cancelled."""
        self.closed = True
        self._wake.set()
        if self._pid not in (None, os.getpid()):
            return
        with self._lock:
            lanes = [*self._lanes.values(), *(old for _, old in self._retired)]
            self._lanes.clear()
            self._retired.clear()
        for replica in lanes:
            for lane in replica:
                lane.channel.close()

    def send(self, call: Call[_ResultT], region: Region | None = None) -> _ResultT:
        """Send a call until it is answered or given up.

        Raises:
            ClientClosedError: The client is closed.
            ForeignUseError: This is another process than the one that used it first.
            RequestError: The call failed.
        """
        self.prepare()
        course = Course(self.shared, call)
        while True:
            attempt = course.attempt()
            started = time.perf_counter()
            try:
                if region is not None and course.needs_region(attempt):
                    self._register(attempt, region)
                delay_s = course.hedge_delay_s() if self._hedges else None
                if delay_s is None:
                    response = self.method(attempt.replica, call.method)(
                        call.message, timeout=attempt.timeout_s, metadata=attempt.metadata
                    )
                else:
                    attempt, response = self._race(course, attempt, delay_s)
            except grpc.RpcError as failure:
                pause_s = course.failed(attempt, failure, retry=not self.closed)
            except _RaceLostError as lost:
                attempt = lost.attempt
                pause_s = course.failed(attempt, lost.failure, retry=not self.closed)
            except ValueError:
                # What gRPC raises when another thread closes the channel just before the call.
                if self.closed:
                    raise ClientClosedError("this client was closed by another thread") from None
                pause_s = course.lost(attempt)
            else:
                return course.answered(attempt, response, time.perf_counter() - started)
            if pause_s:
                time.sleep(pause_s)

    def connect(self, timeout_s: float) -> None:
        """Open every channel, and wait until each is connected or ``timeout_s`` is over."""
        self.prepare()
        deadline = time.perf_counter() + timeout_s
        self._refresh_names()
        waiting = [
            grpc.channel_ready_future(lane.channel)
            for replica in self.shared.replicas
            for lane in self._lanes_of(replica)
        ]
        for future in waiting:
            with suppress(grpc.FutureTimeoutError):
                future.result(timeout=max(0.0, deadline - time.perf_counter()))
            future.cancel()

    def prepare(self) -> None:
        """Begin to watch the replicas, on the first call.

        Raises:
            ClientClosedError: The client is closed.
            ForeignUseError: This is another process than the one that used it first.
        """
        if self.closed:
            raise ClientClosedError("this client is closed: make a new one")
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid is None:
                self._pid = os.getpid()
                if len(self.shared.replicas) > 1 or self.shared.target.name:
                    self.shared.replicas.on_change = self._wake.set
                    self._start_watch()
        if self._pid != os.getpid():
            raise ForeignUseError(
                f"this client was used in process {self._pid} and cannot be used in its fork "
                f"{os.getpid()}: make a client after the fork"
            )

    def method(self, replica: Replica, method: Method) -> Any:
        """A method on the connection whose turn it is."""
        lanes = self._lanes.get(replica) or self._lanes_of(replica)
        return lanes[next(self._turn) % len(lanes)][method]

    def _lanes_of(self, replica: Replica) -> list[Lane]:
        with self._lock:
            if self.closed:
                raise ClientClosedError("this client was closed by another thread")
            lanes = self._lanes.get(replica)
            if lanes is None:
                config = self.shared.config
                lanes = [
                    Lane(self._channel(replica.address, index))
                    for index in range(config.connections.per_replica)
                ]
                self._lanes[replica] = lanes
            return lanes

    def _channel(self, address: str, index: int) -> grpc.Channel:
        options = channel_options(self.shared.target, self.shared.config, index)
        if self._credentials is None:
            return grpc.insecure_channel(address, options)
        return grpc.secure_channel(address, self._credentials, options)

    def _register(self, attempt: Attempt, region: Region) -> None:
        call = region.registration(attempt.timeout_s)
        method = self.method(attempt.replica, call.method)
        method(call.message, timeout=attempt.timeout_s, metadata=attempt.metadata)
        attempt.replica.regions.add(region.name)

    def _race(self, course: Course[Any], first: Attempt, delay_s: float) -> tuple[Attempt, Any]:
        ended: queue.SimpleQueue[Attempt] = queue.SimpleQueue()
        running: dict[Attempt, Any] = {}

        def start(attempt: Attempt) -> None:
            future = self.method(attempt.replica, course.call.method).future(
                course.call.message, timeout=attempt.timeout_s, metadata=attempt.metadata
            )
            running[attempt] = future
            future.add_done_callback(lambda _: ended.put(attempt))

        start(first)
        try:
            try:
                attempt = ended.get(timeout=delay_s)
            except queue.Empty:
                second = course.hedge()
                if second is not None:
                    start(second)
                attempt = ended.get()
            while True:
                future = running.pop(attempt)
                if future.code() is grpc.StatusCode.OK:
                    return attempt, future.result()
                if not running:
                    raise _RaceLostError(attempt, future)
                attempt = ended.get()
        finally:
            for loser in running.values():
                loser.cancel()

    def _start_watch(self) -> None:
        # The thread holds no client, so that one that is forgotten can go.
        arguments = (weakref.WeakMethod(self._watch_once), self._wake)
        threading.Thread(target=_watch, args=arguments, name="packshot-health", daemon=True).start()

    def _watch_once(self) -> float | None:
        if self.closed:
            return None
        try:
            self._refresh_names()
            self._check_replicas()
        except (grpc.RpcError, ValueError, ClientClosedError) as error:
            logger.debug("a health check was cut short: %s", error)
        now = time.monotonic()
        while self._retired and self._retired[0][0] <= now:
            for lane in self._retired.pop(0)[1]:
                lane.channel.close()
        return min(self.shared.replicas.next_due_s(), self.shared.config.connections.dns_interval_s)

    def _check_replicas(self) -> None:
        timeout_s = self.shared.config.connections.health_timeout_s
        metadata = self.shared.config.security.metadata()
        asked: list[tuple[Replica, list[Any]]] = []
        for replica in self.shared.replicas.due():
            method, message = check_request(replica)
            futures = [
                lane[method].future(message, timeout=timeout_s, metadata=metadata)
                for lane in self._lanes_of(replica)
            ]
            asked.append((replica, futures))
        for replica, futures in asked:
            check = worst([_check_of_future(future) for future in futures])
            if self.shared.replicas.checked(replica, check):
                with self._lock:
                    lanes = self._lanes.pop(replica, [])
                for lane in lanes:
                    lane.channel.close()

    def _refresh_names(self) -> None:
        name = self.shared.target.name
        if not name or time.monotonic() < self._resolve_at:
            return
        self._resolve_at = time.monotonic() + self.shared.config.connections.dns_interval_s
        try:
            addresses = resolve(name)
        except OSError as error:
            logger.warning("%s cannot be resolved: %s", name, error)
            return
        # Closed only when their last calls must have ended.
        close_at = time.monotonic() + self.shared.longest_timeout_s
        gone = self.shared.replicas.update(addresses)
        with self._lock:
            self._retired += [(close_at, self._lanes.pop(r)) for r in gone if r in self._lanes]


def _check_of_future(future: Any) -> Check:
    ended_well = future.code() is grpc.StatusCode.OK
    return check_of(future.code(), future.details(), future.result() if ended_well else None)


class _RaceLostError(Exception):
    """Both requests of a race failed; this is how the last one did."""

    def __init__(self, attempt: Attempt, failure: Any) -> None:
        super().__init__("lost")
        self.attempt = attempt
        self.failure = failure


def _watch(once: Callable[[], Callable[[], float | None] | None], wake: threading.Event) -> None:
    while True:
        check = once()
        pause_s = check() if check is not None else None
        del check
        if pause_s is None:
            return
        wake.wait(pause_s)
        wake.clear()
