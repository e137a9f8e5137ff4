"""What the client for asyncio does for every model, as ``_sync_base`` does for threads."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TypeVar

from packshot_client._addresses import Address
from packshot_client._calls import Call
from packshot_client._config import ClientConfig
from packshot_client._core import ClientCore
from packshot_client._exceptions import AccessDeniedError, ClientError, RequestError
from packshot_client._images import ImageSource, is_in_memory
from packshot_client._models import Inputs, Model
from packshot_client._operations import Operation
from packshot_client._packs import (
    Completed,
    ManyOptions,
    Pack,
    many_options,
    pack_calls,
    packs,
    packs_of_async,
    read_pack,
)
from packshot_client._server_facts import Health, ModelState, ModelStatistics
from packshot_client._tasks import TaskTransport

_ResultT = TypeVar("_ResultT")
_ClientT = TypeVar("_ClientT", bound="TaskClient")


class TaskClient:
    """Base of :class:`AsyncPackshotClient`, which says what the arguments are."""

    def __init__(self, address: Address, *, config: ClientConfig | None = None) -> None:
        self._core = ClientCore(address, config)
        self._calls = self._core.calls
        self._transport = TaskTransport(self._core.dispatcher)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._core.target)!r})"

    async def __aenter__(self: _ClientT) -> _ClientT:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; calls under way raise RequestCancelledError. Safe to repeat."""
        await self._tell(self._core.close_region())
        await self._transport.close()

    async def warm_up(self, *, timeout_s: float = 10.0) -> Health:
        """As :meth:`PackshotClient.warm_up`."""
        await self._transport.connect(timeout_s)
        return await self.health()

    async def apply(
        self,
        operation: Operation[_ResultT],
        image: ImageSource,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
        canary_key: str | None = None,
    ) -> _ResultT:
        """The result of an operation for one image, as :meth:`PackshotClient.apply`."""
        return await self.run(
            operation.model,
            operation.inputs(image),
            timeout_s=timeout_s,
            request_id=request_id,
            canary_key=canary_key,
        )

    async def run(
        self,
        model: Model[_ResultT],
        inputs: Inputs,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
        canary_key: str | None = None,
    ) -> _ResultT:
        """The result of any described model for one item, as :meth:`PackshotClient.run`."""

        build = partial(
            self._calls.run,
            model,
            inputs,
            timeout_s=timeout_s,
            request_id=request_id,
            canary_key=canary_key,
        )
        in_memory = model.reads_memory_only(inputs)
        call = build() if in_memory else await asyncio.to_thread(build)
        return (await self._transport.send(call))[0]

    def map(
        self,
        operation: Operation[_ResultT],
        images: Iterable[ImageSource] | AsyncIterable[ImageSource],
        *,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
        batch_size: int | None = None,
    ) -> AsyncIterator[_ResultT | ClientError]:
        """An operation for any number of images, as :meth:`PackshotClient.map`.

        ``images`` may be asynchronous as well.
        """
        options = many_options(
            self._calls,
            operation,
            timeout_s=timeout_s,
            batch_size=batch_size,
            max_in_flight=max_in_flight,
        )
        return self._outcomes(images, options)

    def map_as_completed(
        self,
        operation: Operation[_ResultT],
        images: Iterable[ImageSource] | AsyncIterable[ImageSource],
        *,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
        batch_size: int | None = None,
    ) -> AsyncIterator[Completed[_ResultT]]:
        """As :meth:`map`, but in the order of completion, each with its place."""
        options = many_options(
            self._calls,
            operation,
            timeout_s=timeout_s,
            batch_size=batch_size,
            max_in_flight=max_in_flight,
        )
        return self._mapped(images, options, _first_done)

    async def server_ready(self, *, timeout_s: float | None = None) -> bool:
        """Whether the server says that it is ready; ``False`` too if nobody answers."""
        try:
            return await self._transport.send(self._calls.server_ready(timeout_s))
        except RequestError:
            return False

    async def health(self) -> Health:
        """What the server says about itself, and whether it scores a small test image."""
        ready = await self._outcome(self._calls.server_ready())
        version = await self._outcome(self._calls.server_version())
        started = time.perf_counter()
        test = await self._outcome(self._calls.test_image())
        latency_s = time.perf_counter() - started
        address = str(self._core.target)
        return self._calls.health(
            address, ready=ready, version=version, test=test, latency_s=latency_s
        )

    async def models(self) -> tuple[ModelState, ...]:
        """The models in the server's repository, as :meth:`PackshotClient.models`."""
        try:
            return await self._transport.send(self._calls.models())
        except AccessDeniedError:
            return await self._transport.send(self._calls.served_models())

    async def stats(self, model: str = "") -> tuple[ModelStatistics, ...]:
        """What the server's models have done, as :meth:`PackshotClient.stats`."""
        return await self._transport.send(self._calls.stats(model))

    async def _outcome(self, call: Call[_ResultT]) -> _ResultT | RequestError:
        try:
            return await self._transport.send(call)
        except RequestError as error:
            return error

    async def _tell(self, calls: list[Call[object]]) -> None:
        for call in calls:
            with suppress(ClientError):
                await self._transport.send(call)

    async def _pack_outcomes(
        self, pack: Pack, options: ManyOptions[_ResultT]
    ) -> list[Completed[_ResultT]]:
        if all(map(is_in_memory, pack.images)):
            elements = read_pack(self._calls, pack, options.operation)
        else:
            elements = await asyncio.to_thread(read_pack, self._calls, pack, options.operation)
        steps = pack_calls(self._calls, elements, options)
        try:
            call = next(steps)
            while True:
                call = steps.send(await self._outcome(call))
        except StopIteration as end:
            return [
                Completed(index=pack.first + place, outcome=outcome)
                for place, outcome in enumerate(end.value)
            ]

    async def _outcomes(
        self,
        images: Iterable[ImageSource] | AsyncIterable[ImageSource],
        options: ManyOptions[_ResultT],
    ) -> AsyncIterator[_ResultT | ClientError]:
        mapped = self._mapped(images, options, _oldest)
        try:
            async for done in mapped:
                yield done.outcome
        finally:
            await mapped.aclose()

    async def _mapped(
        self,
        images: Iterable[ImageSource] | AsyncIterable[ImageSource],
        options: ManyOptions[_ResultT],
        take: Callable[
            [deque[asyncio.Task[list[Completed[_ResultT]]]]],
            Awaitable[asyncio.Task[list[Completed[_ResultT]]]],
        ],
    ) -> AsyncGenerator[Completed[_ResultT], None]:
        running: deque[asyncio.Task[list[Completed[_ResultT]]]] = deque()
        try:
            async for pack in _each(images, options.batch_size):
                if len(running) == options.max_in_flight:
                    for done in await (await take(running)):
                        yield done
                running.append(asyncio.create_task(self._pack_outcomes(pack, options)))
            while running:
                for done in await (await take(running)):
                    yield done
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def _each(
    images: Iterable[ImageSource] | AsyncIterable[ImageSource], size: int
) -> AsyncIterator[Pack]:
    if isinstance(images, AsyncIterable):
        async for pack in packs_of_async(images, size):
            yield pack
    else:
        for pack in packs(images, size):
            yield pack


async def _oldest(running: deque[asyncio.Task[_ResultT]]) -> asyncio.Task[_ResultT]:
    # Waited for in its place, so that a caller who is cancelled meanwhile cancels it too.
    await asyncio.wait([running[0]])
    return running.popleft()


async def _first_done(running: deque[asyncio.Task[_ResultT]]) -> asyncio.Task[_ResultT]:
    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    first = next(task for task in running if task in done)
    running.remove(first)
    return first
