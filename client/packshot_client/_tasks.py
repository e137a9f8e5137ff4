"""Sending for asyncio: channels, attempts, hedging and health checks on ``grpc.aio``."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import Any, TypeVar

import grpc
import grpc.aio

from packshot_client._addresses import resolve
from packshot_client._calls import Call
from packshot_client._channels import (
    Lane,
    channel_options,
    check_of,
    check_request,
    stream_metadata,
    worst,
)
from packshot_client._course import Course
from packshot_client._dispatcher import Attempt, Dispatcher
from packshot_client._exceptions import ClientClosedError, ForeignUseError
from packshot_client._observation import logger
from packshot_client._protocol import Method
from packshot_client._replicas import Check, Replica
from packshot_client._shared_memory import Region

_ResultT = TypeVar("_ResultT")


class TaskTransport:
    """Sends calls; the tasks of one event loop may share it. It connects on first use.

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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._resolve_at = 0.0

    async def close(self) -> None:
        """Close all connections; calls under way end as cancelled."""
        self.closed = True
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        lanes = [*self._lanes.values(), *(old for _, old in self._retired)]
        self._lanes.clear()
        self._retired.clear()
        for replica in lanes:
            for lane in replica:
                await lane.channel.close()

    async def send(self, call: Call[_ResultT], region: Region | None = None) -> _ResultT:
        """Send a call until it is answered or given up.

        Raises:
            ClientClosedError: The client is closed.
            ForeignUseError: This is another event loop than the one that used it first.
            RequestError: The call failed.
        """
        self.prepare()
        course = Course(self.shared, call)
        while True:
            attempt = course.attempt()
            started = time.perf_counter()
            try:
                if region is not None and course.needs_region(attempt):
                    await self._register(attempt, region)
                delay_s = course.hedge_delay_s() if self._hedges else None
                if delay_s is None:
                    response = await self.start(attempt, call.method, call.message)
                else:
                    attempt, response = await self._race(course, attempt, delay_s)
            except grpc.aio.AioRpcError as failure:
                pause_s = course.failed(attempt, failure, retry=not self.closed)
            except _RaceLostError as lost:
                attempt = lost.attempt
                pause_s = course.failed(attempt, lost.failure, retry=not self.closed)
            except asyncio.CancelledError:
                pause_s = self.cancelled(course, attempt)
            except grpc.aio.UsageError:
                # The channel was closed just before the call.
                pause_s = self.cancelled(course, attempt)
            else:
                return course.answered(attempt, response, time.perf_counter() - started)
            if pause_s:
                await asyncio.sleep(pause_s)

    async def connect(self, timeout_s: float) -> None:
        """Open every channel, and wait until each is connected or ``timeout_s`` is over."""
        self.prepare()
        await self._refresh_names()
        waiting = [
            asyncio.ensure_future(lane.channel.channel_ready())
            for replica in self.shared.replicas
            for lane in self._lanes_of(replica)
        ]
        _, late = await asyncio.wait(waiting, timeout=timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def prepare(self) -> None:
        """Begin to watch the replicas, on the first call.

        Raises:
            ClientClosedError: The client is closed.
            ForeignUseError: This is another event loop than the one that used it first.
        """
        if self.closed:
            raise ClientClosedError("this client is closed: make a new one")
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._loop is not None:
            raise ForeignUseError(
                "this client was used in another event loop: make one client per loop"
            )
        # Not in __init__: an asyncio channel belongs to the loop it is made in.
        self._loop = loop
        if len(self.shared.replicas) > 1 or self.shared.target.name:
            self.shared.replicas.on_change = self._wake.set
            self._watcher = loop.create_task(self._watch(), name="packshot-health")

    def cancelled(self, course: Course[Any], attempt: Attempt, *, retry: bool = True) -> float:
        """The call was cancelled: by its task, by ``close()``, or as its replica is silent."""
        task = asyncio.current_task()
        # Python 3.10 cannot tell whether the task itself is to end.
        wanted = getattr(task, "cancelling", lambda: 0)() > 0
        if not wanted and self.closed:
            words = "the client was closed"
            return course.refused(attempt, grpc.StatusCode.CANCELLED, words, None, retry=False)
        if not wanted and attempt.generation != attempt.replica.generation:
            return course.lost(attempt, retry=retry)
        course.abandoned(attempt)
        raise asyncio.CancelledError

    def start(self, attempt: Attempt, method: Method, message: Any) -> Any:
        """Send on the connection whose turn it is; what comes back is to be awaited."""
        lanes = self._lanes.get(attempt.replica) or self._lanes_of(attempt.replica)
        send = lanes[next(self._turn) % len(lanes)][method]
        if method.streams:
            return send([message], timeout=attempt.timeout_s, metadata=stream_metadata(attempt))
        return send(message, timeout=attempt.timeout_s, metadata=attempt.metadata)

    def _lanes_of(self, replica: Replica) -> list[Lane]:
        lanes = self._lanes.get(replica)
        if lanes is None:
            if self.closed:
                raise ClientClosedError("this client is closed: make a new one")
            indices = range(self.shared.config.connections.per_replica)
            lanes = [Lane(self._channel(replica.address, index)) for index in indices]
            self._lanes[replica] = lanes
        return lanes

    def _channel(self, address: str, index: int) -> Any:
        options = channel_options(self.shared.target, self.shared.config, index)
        if self._credentials is None:
            return grpc.aio.insecure_channel(address, options)
        return grpc.aio.secure_channel(address, self._credentials, options)

    async def _register(self, attempt: Attempt, region: Region) -> None:
        call = region.registration(attempt.timeout_s)
        await self.start(attempt, call.method, call.message)
        attempt.replica.regions.add(region.name)

    async def _race(
        self, course: Course[Any], first: Attempt, delay_s: float
    ) -> tuple[Attempt, Any]:
        running: dict[asyncio.Task[Any], Attempt] = {}

        async def answer(attempt: Attempt) -> Any:
            return await self.start(attempt, course.call.method, course.call.message)

        def start(attempt: Attempt) -> None:
            running[asyncio.create_task(answer(attempt))] = attempt

        start(first)
        try:
            ended, _ = await asyncio.wait(running, timeout=delay_s)
            second = None if ended else course.hedge()
            if second is not None:
                start(second)
            while True:
                ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    attempt = running.pop(task)
                    if not task.cancelled() and task.exception() is None:
                        return attempt, task.result()
                    if running:
                        continue
                    if task.cancelled():
                        raise asyncio.CancelledError
                    raise _RaceLostError(attempt, task.exception())
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _watch(self) -> None:
        connections = self.shared.config.connections
        while not self.closed:
            self._wake.clear()
            try:
                await self._refresh_names()
                await asyncio.gather(*map(self._check, self.shared.replicas.due()))
            except (grpc.aio.UsageError, ClientClosedError) as error:
                logger.debug("a health check was cut short: %s", error)
            while self._retired and self._retired[0][0] <= time.monotonic():
                for lane in self._retired.pop(0)[1]:
                    await lane.channel.close()
            pause_s = min(self.shared.replicas.next_due_s(), connections.dns_interval_s)
            try:
                await asyncio.wait_for(self._wake.wait(), pause_s)
            except asyncio.TimeoutError:
                continue

    async def _check(self, replica: Replica) -> None:
        lanes = self._lanes_of(replica)
        check = worst(await asyncio.gather(*(self._check_lane(replica, lane) for lane in lanes)))
        if self.shared.replicas.checked(replica, check):
            for lane in self._lanes.pop(replica, []):
                await lane.channel.close()

    async def _check_lane(self, replica: Replica, lane: Lane) -> Check:
        method, message = check_request(replica)
        call = lane[method](
            message,
            timeout=self.shared.config.connections.health_timeout_s,
            metadata=self.shared.config.security.metadata(),
        )
        try:
            return check_of(grpc.StatusCode.OK, "", await call)
        except grpc.aio.AioRpcError as failure:
            return check_of(failure.code(), failure.details(), None)

    async def _refresh_names(self) -> None:
        name = self.shared.target.name
        if not name or time.monotonic() < self._resolve_at:
            return
        self._resolve_at = time.monotonic() + self.shared.config.connections.dns_interval_s
        try:
            addresses = await asyncio.to_thread(resolve, name)
        except OSError as error:
            logger.warning("%s cannot be resolved: %s", name, error)
            return
        # Closed only when their last calls must have ended.
        close_at = time.monotonic() + self.shared.longest_timeout_s
        gone = self.shared.replicas.update(addresses)
        self._retired += [(close_at, self._lanes.pop(r)) for r in gone if r in self._lanes]


class _RaceLostError(Exception):
    """Both requests of a race failed; this is how the last one did."""

    def __init__(self, attempt: Attempt, failure: Any) -> None:
        super().__init__("lost")
        self.attempt = attempt
        self.failure = failure
