"""The client for asyncio."""

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
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import TypeAlias, TypeVar

from packshot.contracts import DEFAULT_POLICY
from packshot_client._addresses import Address
from packshot_client._calls import Call
from packshot_client._config import ClientConfig
from packshot_client._core import ClientCore
from packshot_client._exceptions import ClientError, RequestError
from packshot_client._images import ImageSource, is_in_memory
from packshot_client._models import QUALITY_MODEL, Inputs, Model
from packshot_client._packs import (
    ManyOptions,
    Pack,
    ScoredImage,
    ScoreOutcome,
    many_options,
    pack_calls,
    packs,
    packs_of_async,
    read_pack,
)
from packshot_client._pixels import PixelSource, PixelViews, view_bytes
from packshot_client._results import (
    Health,
    ModelState,
    ModelStatistics,
    PixelScore,
    QualityResult,
)
from packshot_client._tasks import TaskTransport

_ResultT = TypeVar("_ResultT")
_PackTask: TypeAlias = "asyncio.Task[list[ScoredImage]]"


class AsyncPackshotClient:
    """Scores product photos on packshot servers, in asyncio.

        async with AsyncPackshotClient("localhost:8001") as client:
            result = await client.score("photo.jpg")

    The same methods as :class:`PackshotClient`. The tasks of one event loop may share one
    client; it connects in the loop that first uses it, and belongs to that loop. Cancelling a
    task cancels its call.

    Args:
        address: As for :class:`PackshotClient`.
        config: As for :class:`PackshotClient`.

    Raises:
        ConfigError: ``address`` is not one, or ``config`` names files that cannot be read.
    """

    def __init__(self, address: Address, *, config: ClientConfig | None = None) -> None:
        self._core = ClientCore(address, config)
        self._calls = self._core.calls
        self._transport = TaskTransport(self._core.dispatcher)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._core.target)!r})"

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
        """Close the connections; calls under way raise RequestCancelledError. Safe to repeat."""
        await self._tell(self._core.close_region())
        await self._transport.close()

    async def warm_up(self, *, timeout_s: float = 10.0) -> Health:
        """As :meth:`PackshotClient.warm_up`."""
        await self._transport.connect(timeout_s)
        return await self.health()

    async def score(
        self,
        image: ImageSource,
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        request_id: str | None = None,
        canary_key: str | None = None,
    ) -> QualityResult:
        """The verdict on one image, as :meth:`PackshotClient.score`."""
        return await self.run(
            QUALITY_MODEL,
            self._calls.quality_inputs(image, policy),
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

        def built() -> Call[tuple[_ResultT, ...]]:
            return self._calls.run(
                model, inputs, timeout_s=timeout_s, request_id=request_id, canary_key=canary_key
            )

        in_memory = model.reads_memory_only(inputs)
        call = built() if in_memory else await asyncio.to_thread(built)
        return (await self._transport.send(call))[0]

    async def score_pixels(
        self,
        pixels: PixelSource,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> PixelScore:
        """What the network alone says, as :meth:`PackshotClient.score_pixels`."""
        ready_made = isinstance(pixels, PixelViews)
        views = view_bytes(pixels) if ready_made else await asyncio.to_thread(view_bytes, pixels)
        await self._tell(self._core.open_region())
        region = self._core.region
        with region.slot() if region is not None else nullcontext() as offset:
            call = self._core.score_pixels(
                views, offset, timeout_s=timeout_s, request_id=request_id
            )
            return (await self._transport.send(call, region))[0]

    def score_many(
        self,
        images: Iterable[ImageSource] | AsyncIterable[ImageSource],
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
        batch_size: int | None = None,
    ) -> AsyncIterator[ScoreOutcome]:
        """The verdicts on any number of images, as :meth:`PackshotClient.score_many`.

        ``images`` may be asynchronous as well.
        """
        options = many_options(
            self._calls,
            policy=policy,
            timeout_s=timeout_s,
            batch_size=batch_size,
            max_in_flight=max_in_flight,
        )
        return self._outcomes(images, options)

    def score_as_completed(
        self,
        images: Iterable[ImageSource] | AsyncIterable[ImageSource],
        *,
        policy: str = DEFAULT_POLICY,
        timeout_s: float | None = None,
        max_in_flight: int | None = None,
        batch_size: int | None = None,
    ) -> AsyncIterator[ScoredImage]:
        """As :meth:`score_many`, but in the order of completion, each with its place."""
        options = many_options(
            self._calls,
            policy=policy,
            timeout_s=timeout_s,
            batch_size=batch_size,
            max_in_flight=max_in_flight,
        )
        return self._scored(images, options, _first_done)

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
        return await self._transport.send(self._calls.models())

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

    async def _pack_outcomes(self, pack: Pack, options: ManyOptions) -> list[ScoredImage]:
        if all(map(is_in_memory, pack.images)):
            elements = read_pack(self._calls, pack, options.policy)
        else:
            elements = await asyncio.to_thread(read_pack, self._calls, pack, options.policy)
        steps = pack_calls(self._calls, elements, options)
        try:
            call = next(steps)
            while True:
                call = steps.send(await self._outcome(call))
        except StopIteration as end:
            return [
                ScoredImage(index=pack.first + place, outcome=outcome)
                for place, outcome in enumerate(end.value)
            ]

    async def _outcomes(
        self, images: Iterable[ImageSource] | AsyncIterable[ImageSource], options: ManyOptions
    ) -> AsyncIterator[ScoreOutcome]:
        scored = self._scored(images, options, _oldest)
        try:
            async for image in scored:
                yield image.outcome
        finally:
            await scored.aclose()

    async def _scored(
        self,
        images: Iterable[ImageSource] | AsyncIterable[ImageSource],
        options: ManyOptions,
        take: Callable[[deque[_PackTask]], Awaitable[_PackTask]],
    ) -> AsyncGenerator[ScoredImage, None]:
        running: deque[_PackTask] = deque()
        try:
            async for pack in _each(images, options.batch_size):
                if len(running) == options.max_in_flight:
                    for image in await (await take(running)):
                        yield image
                running.append(asyncio.create_task(self._pack_outcomes(pack, options)))
            while running:
                for image in await (await take(running)):
                    yield image
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


async def _oldest(running: deque[_PackTask]) -> _PackTask:
    # Waited for in its place, so that a caller who is cancelled meanwhile cancels it too.
    await asyncio.wait([running[0]])
    return running.popleft()


async def _first_done(running: deque[_PackTask]) -> _PackTask:
    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    first = next(task for task in running if task in done)
    running.remove(first)
    return first
