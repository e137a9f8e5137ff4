"""The client for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, TypeVar

import grpc
import grpc.aio
from tritonclient.grpc import service_pb2_grpc

from packshot.contracts import DEFAULT_POLICY
from packshot_client._calls import CHANNEL_OPTIONS, Call, CallFactory, ScoreOutcome
from packshot_client._config import ClientConfig
from packshot_client._exceptions import (
    ClientClosedError,
    ConfigError,
    ImageSourceError,
    RequestError,
)
from packshot_client._requests import ImageSource, is_in_memory
from packshot_client._results import Health, QualityResult

_ResultT = TypeVar("_ResultT")


class AsyncPackshotClient:
    """Scores product photos on a packshot server, in asyncio.

        async with AsyncPackshotClient("localhost:8001") as client:
            result = await client.score("photo.jpg")

    The same methods as :class:`PackshotClient`. The tasks of one event loop may share one
    client; it connects in the loop that first uses it. Cancelling a task cancels its call.

    Args:
        address: ``host:port`` of the server's gRPC port.
        config: Deadlines and limits.

    Raises:
        ConfigError: ``address`` is not one.
    """

    def __init__(self, address: str, *, config: ClientConfig | None = None) -> None:
        self._calls = CallFactory(address, config)
        self._channel: Any = None
        self._stub: Any = None
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._calls.address!r})"

    async def __aenter__(self) -> AsyncPackshotClient:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls under way are cancelled. Safe to repeat."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def score(
        self, image: ImageSource, *, policy: str = DEFAULT_POLICY, timeout_s: float | None = None
    ) -> QualityResult:
        """The verdict on one image, as :meth:`PackshotClient.score`."""
        if is_in_memory(image):
            call = self._calls.score(image, policy=policy, timeout_s=timeout_s)
        else:
            call = await asyncio.to_thread(
                self._calls.score, image, policy=policy, timeout_s=timeout_s
            )
        return await self._send(call)

    def score_many(
        self,
        images: Iterable[ImageSource],
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
    ) -> AsyncIterator[ScoreOutcome]:
        """The verdicts on any number of images, as :meth:`PackshotClient.score_many`."""
        self._calls.check(policy=policy, timeout_s=timeout_s)
        limit = self._calls.in_flight(max_in_flight)
        return self._outcomes(images, policy, timeout_s, limit)

    async def server_ready(self, *, timeout_s: float | None = None) -> bool:
        """Whether the server says that it is ready; ``False`` too if nobody answers."""
        try:
            return await self._send(self._calls.server_ready(timeout_s))
        except RequestError:
            return False

    async def health(self) -> Health:
        """What the server says about itself, and whether it scores a small test image."""
        ready = await self._outcome(self._calls.server_ready())
        version = await self._outcome(self._calls.server_version())
        started = time.perf_counter()
        test = await self._outcome(self._calls.test_image())
        latency_s = time.perf_counter() - started
        return self._calls.health(ready=ready, version=version, test=test, latency_s=latency_s)

    async def _outcome(self, call: Call[_ResultT]) -> _ResultT | RequestError:
        try:
            return await self._send(call)
        except RequestError as error:
            return error

    async def _send(self, call: Call[_ResultT]) -> _ResultT:
        if self._closed:
            raise ClientClosedError("this client is closed: make a new one")
        if self._stub is None:
            # Not in __init__: an asyncio channel belongs to the loop it is made in.
            self._channel = grpc.aio.insecure_channel(self._calls.address, options=CHANNEL_OPTIONS)
            self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        method: Any = getattr(self._stub, call.method)
        started = time.perf_counter()
        try:
            response = await method(call.message, timeout=call.timeout_s)
        except grpc.RpcError as error:
            raise call.error(error, time.perf_counter() - started) from error
        return call.result(response, time.perf_counter() - started)

    async def _outcomes(
        self, images: Iterable[ImageSource], policy: str, timeout_s: float | None, limit: int
    ) -> AsyncIterator[ScoreOutcome]:
        async def outcome(image: ImageSource) -> ScoreOutcome:
            try:
                return await self.score(image, policy=policy, timeout_s=timeout_s)
            except (ConfigError, ImageSourceError, RequestError) as error:
                return error

        window: deque[asyncio.Task[ScoreOutcome]] = deque()
        try:
            for image in images:
                if len(window) == limit:
                    yield await window.popleft()
                window.append(asyncio.create_task(outcome(image)))
            while window:
                yield await window.popleft()
        finally:
            for task in window:
                task.cancel()
            await asyncio.gather(*window, return_exceptions=True)
