"""The client for threads."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

import grpc
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
from packshot_client._requests import ImageSource
from packshot_client._results import Health, QualityResult

_ResultT = TypeVar("_ResultT")


class PackshotClient:
    """Scores product photos on a packshot server.

        with PackshotClient("localhost:8001") as client:
            result = client.score("photo.jpg")
            print(result.score, result.decision, result.attributes.sharpness)

    Threads may share one client. Processes may not: make it after the fork.

    Args:
        address: ``host:port`` of the server's gRPC port.
        config: Deadlines and limits.

    Raises:
        ConfigError: ``address`` is not one.
    """

    def __init__(self, address: str, *, config: ClientConfig | None = None) -> None:
        self._calls = CallFactory(address, config)
        self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._calls.address!r})"

    def __enter__(self) -> PackshotClient:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls under way are cancelled. Safe to repeat."""
        self._closed = True
        self._channel.close()

    def score(
        self, image: ImageSource, *, policy: str = DEFAULT_POLICY, timeout_s: float | None = None
    ) -> QualityResult:
        """The verdict on one image.

        Args:
            image: A path, an encoded file as bytes, or an open binary file.
            policy: Name of the marketplace policy that decides.
            timeout_s: Deadline, also told to the server; ``None`` for the configured one.

        Raises:
            ConfigError: ``policy`` or ``timeout_s`` cannot be used.
            ImageSourceError: The image cannot be read.
            InvalidInputError: The server cannot take the image, or does not know the policy.
            RequestError: The call failed in another way.
        """
        return self._send(self._calls.score(image, policy=policy, timeout_s=timeout_s))

    def score_many(
        self,
        images: Iterable[ImageSource],
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
    ) -> Iterator[ScoreOutcome]:
        """The verdicts on any number of images, in order, as they become known.

        An image that fails gives its error as a value, and the others their results. ``images``
        is read no further ahead than ``max_in_flight``.

        Args:
            images: As for :meth:`score`.
            policy: As for :meth:`score`, for all of them.
            timeout_s: As for :meth:`score`, for each of them.
            max_in_flight: Calls under way at a time; ``None`` for the configured number.

        Raises:
            ConfigError: An argument cannot be used; raised here, before the first image.
        """
        self._calls.check(policy=policy, timeout_s=timeout_s)
        limit = self._calls.in_flight(max_in_flight)
        return self._outcomes(images, policy, timeout_s, limit)

    def server_ready(self, *, timeout_s: float | None = None) -> bool:
        """Whether the server says that it is ready; ``False`` too if nobody answers."""
        try:
            return self._send(self._calls.server_ready(timeout_s))
        except RequestError:
            return False

    def health(self) -> Health:
        """What the server says about itself, and whether it scores a small test image."""
        ready = self._outcome(self._calls.server_ready())
        version = self._outcome(self._calls.server_version())
        started = time.perf_counter()
        test = self._outcome(self._calls.test_image())
        latency_s = time.perf_counter() - started
        return self._calls.health(ready=ready, version=version, test=test, latency_s=latency_s)

    def _outcome(self, call: Call[_ResultT]) -> _ResultT | RequestError:
        try:
            return self._send(call)
        except RequestError as error:
            return error

    def _send(self, call: Call[_ResultT]) -> _ResultT:
        if self._closed:
            raise ClientClosedError("this client is closed: make a new one")
        method: Any = getattr(self._stub, call.method)
        started = time.perf_counter()
        try:
            response = method(call.message, timeout=call.timeout_s)
        except grpc.RpcError as error:
            raise call.error(error, time.perf_counter() - started) from error
        except ValueError as error:
            # What gRPC raises when another thread closes the channel just before the call.
            if self._closed:
                raise ClientClosedError("this client was closed by another thread") from error
            raise
        return call.result(response, time.perf_counter() - started)

    def _outcomes(
        self, images: Iterable[ImageSource], policy: str, timeout_s: float | None, limit: int
    ) -> Iterator[ScoreOutcome]:
        def outcome(image: ImageSource) -> ScoreOutcome:
            try:
                return self.score(image, policy=policy, timeout_s=timeout_s)
            except (ConfigError, ImageSourceError, RequestError) as error:
                return error

        pool = ThreadPoolExecutor(limit, thread_name_prefix="packshot-score")
        window: deque[Future[ScoreOutcome]] = deque()
        try:
            for image in images:
                if len(window) == limit:
                    yield window.popleft().result()
                window.append(pool.submit(outcome, image))
            while window:
                yield window.popleft().result()
        finally:
            # Not waited for: whoever stops early wants to go on, and each call has a deadline.
            pool.shutdown(wait=False, cancel_futures=True)
