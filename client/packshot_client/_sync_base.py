"""What the client for threads does for every model: connecting, calling, asking about servers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

from packshot_client._addresses import Address
from packshot_client._calls import Call
from packshot_client._config import ClientConfig
from packshot_client._core import ClientCore
from packshot_client._exceptions import AccessDeniedError, ClientError, RequestError
from packshot_client._images import ImageSource
from packshot_client._models import Inputs, Model
from packshot_client._operations import Operation
from packshot_client._packs import (
    Completed,
    ManyOptions,
    Pack,
    many_options,
    pack_calls,
    packs,
    read_pack,
)
from packshot_client._server_facts import Health, ModelState, ModelStatistics
from packshot_client._threads import ThreadTransport

_ResultT = TypeVar("_ResultT")
_ClientT = TypeVar("_ClientT", bound="ThreadClient")


class ThreadClient:
    """Base of :class:`PackshotClient`, which says what the arguments are."""

    def __init__(self, address: Address, *, config: ClientConfig | None = None) -> None:
        self._core = ClientCore(address, config)
        self._calls = self._core.calls
        self._transport = ThreadTransport(self._core.dispatcher)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._core.target)!r})"

    def __enter__(self: _ClientT) -> _ClientT:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; calls under way are cancelled. Safe to repeat."""
        self._tell(self._core.close_region())
        self._transport.close()

    def warm_up(self, *, timeout_s: float = 10.0) -> Health:
        """Connect to every replica and score a small test image, so that no caller waits for it.

        Args:
            timeout_s: How long to wait for connections.
        """
        self._transport.connect(timeout_s)
        return self.health()

    def apply(
        self,
        operation: Operation[_ResultT],
        image: ImageSource,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
        canary_key: str | None = None,
    ) -> _ResultT:
        """The result of an operation for one image; ``score``, ``enhance`` and others are this.

        Args:
            operation: Such as ``Enhance(format="webp")``.
            image: A path, an encoded file as bytes, an open binary file, a Pillow image, or an
                array of uint8 (see :data:`ImageSource`).
            timeout_s: Deadline, also told to the server; ``None`` for that of the model.
            request_id: Comes back in the result and in the server's log; ``None`` makes one.
            canary_key: With a canary: calls with the same key go to the same version.

        Raises:
            ConfigError: An argument cannot be used.
            ImageSourceError: The image cannot be read.
            InvalidInputError: The server cannot take the image or the options.
            RequestError: The call failed in another way.
        """
        call = self._calls.run(
            operation.model,
            operation.inputs(image),
            timeout_s=timeout_s,
            request_id=request_id,
            canary_key=canary_key,
        )
        return self._transport.send(call)[0]

    def run(
        self,
        model: Model[_ResultT],
        inputs: Inputs,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
        canary_key: str | None = None,
    ) -> _ResultT:
        """The result of any described model for one item.

        Args:
            model: Its description.
            inputs: By tensor name: image sources, texts, numbers.
            timeout_s: As for :meth:`apply`.
            request_id: As for :meth:`apply`.
            canary_key: As for :meth:`apply`.

        Raises:
            ClientError: As for :meth:`apply`.
        """
        call = self._calls.run(
            model, inputs, timeout_s=timeout_s, request_id=request_id, canary_key=canary_key
        )
        return self._transport.send(call)[0]

    def map(
        self,
        operation: Operation[_ResultT],
        images: Iterable[ImageSource],
        *,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
        batch_size: int | None = None,
    ) -> Iterator[_ResultT | ClientError]:
        """The results of an operation for any number of images, in order, as they become known.

        An image that fails gives its error as a value, and the others their results. Images
        travel ``batch_size`` to a call, where the model takes more than one: a call that the
        server refuses for one bad image is taken apart and sent again image by image. ``images``
        is read no further ahead than ``max_in_flight`` calls.

        Args:
            operation: Such as ``Enhance(format="webp")``.
            images: As for :meth:`apply`.
            timeout_s: As for :meth:`apply`, for each call.
            max_in_flight: Calls under way at a time; ``None`` for what suits the model.
            batch_size: Images of a call; ``None`` for the configured number.

        Raises:
            ConfigError: An argument cannot be used; raised here, before the first image.
        """
        options = many_options(
            self._calls,
            operation,
            timeout_s=timeout_s,
            batch_size=batch_size,
            max_in_flight=max_in_flight,
        )
        return (done.outcome for done in self._mapped(images, options, _oldest))

    def map_as_completed(
        self,
        operation: Operation[_ResultT],
        images: Iterable[ImageSource],
        *,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
        batch_size: int | None = None,
    ) -> Iterator[Completed[_ResultT]]:
        """As :meth:`map`, but in the order of completion, each with its place."""
        options = many_options(
            self._calls,
            operation,
            timeout_s=timeout_s,
            batch_size=batch_size,
            max_in_flight=max_in_flight,
        )
        return self._mapped(images, options, _first_done)

    def server_ready(self, *, timeout_s: float | None = None) -> bool:
        """Whether the server says that it is ready; ``False`` too if nobody answers."""
        try:
            return self._transport.send(self._calls.server_ready(timeout_s))
        except RequestError:
            return False

    def health(self) -> Health:
        """What the server says about itself, and whether it scores a small test image."""
        ready = self._outcome(self._calls.server_ready())
        version = self._outcome(self._calls.server_version())
        started = time.perf_counter()
        test = self._outcome(self._calls.test_image())
        latency_s = time.perf_counter() - started
        address = str(self._core.target)
        return self._calls.health(
            address, ready=ready, version=version, test=test, latency_s=latency_s
        )

    def models(self) -> tuple[ModelState, ...]:
        """The models in the server's repository, and which of them are ready.

        A server that keeps its repository to itself, as packshot-serve does by default, tells
        of the served ones alone.

        Raises:
            RequestError: The call failed.
        """
        try:
            return self._transport.send(self._calls.models())
        except AccessDeniedError:
            return self._transport.send(self._calls.served_models())

    def stats(self, model: str = "") -> tuple[ModelStatistics, ...]:
        """What the server's models have done since it started.

        Args:
            model: Name of one; empty for all.

        Raises:
            RequestError: The call failed.
        """
        return self._transport.send(self._calls.stats(model))

    def _outcome(self, call: Call[_ResultT]) -> _ResultT | RequestError:
        try:
            return self._transport.send(call)
        except RequestError as error:
            return error

    def _tell(self, calls: list[Call[object]]) -> None:
        for call in calls:
            with suppress(ClientError):
                self._transport.send(call)

    def _pack_outcomes(
        self, pack: Pack, options: ManyOptions[_ResultT]
    ) -> list[Completed[_ResultT]]:
        elements = read_pack(self._calls, pack, options.operation)
        steps = pack_calls(self._calls, elements, options)
        try:
            call = next(steps)
            while True:
                call = steps.send(self._outcome(call))
        except StopIteration as end:
            return [
                Completed(index=pack.first + place, outcome=outcome)
                for place, outcome in enumerate(end.value)
            ]

    def _mapped(
        self,
        images: Iterable[ImageSource],
        options: ManyOptions[_ResultT],
        take: Callable[
            [deque[Future[list[Completed[_ResultT]]]]], Future[list[Completed[_ResultT]]]
        ],
    ) -> Iterator[Completed[_ResultT]]:
        pool = ThreadPoolExecutor(options.max_in_flight, thread_name_prefix="packshot-map")
        running: deque[Future[list[Completed[_ResultT]]]] = deque()
        try:
            for pack in packs(images, options.batch_size):
                if len(running) == options.max_in_flight:
                    yield from take(running).result()
                running.append(pool.submit(self._pack_outcomes, pack, options))
            while running:
                yield from take(running).result()
        finally:
            # Not waited for: whoever stops early wants to go on, and each call has a deadline.
            pool.shutdown(wait=False, cancel_futures=True)


def _oldest(running: deque[Future[_ResultT]]) -> Future[_ResultT]:
    return running.popleft()


def _first_done(running: deque[Future[_ResultT]]) -> Future[_ResultT]:
    done = next(iter(wait(running, return_when=FIRST_COMPLETED).done))
    running.remove(done)
    return done
