"""Streams for asyncio: calls with several responses, and the pictures in them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Any, TypeVar

import grpc.aio

from packshot_client._calls import Call
from packshot_client._pictures import GeneratedPicture, GeneratedPictures, GenerationSummary
from packshot_client._stream_course import StreamCourse
from packshot_client._tasks import TaskTransport

_ResultT = TypeVar("_ResultT")


async def stream(
    transport: TaskTransport, call: Call[tuple[_ResultT, ...]]
) -> AsyncGenerator[_ResultT, None]:
    """As ``_thread_streams.stream``; cancelling the task that reads cancels the call too.

    Raises:
        ClientClosedError: The client is closed.
        ForeignUseError: This is another event loop than the one that used it first.
        RequestError: The call failed.
    """
    transport.prepare()
    course = StreamCourse(transport.shared, call)
    begun = False
    while True:
        attempt = course.attempt()
        responses: Any = None
        try:
            responses = transport.start(attempt, call.method, call.message)
            async for response in responses:
                results = course.received(attempt, response)
                begun = True
                for result in results:
                    yield result
            course.ended(attempt)
        except GeneratorExit:
            course.abandoned(attempt)
            raise
        except grpc.aio.AioRpcError as failure:
            pause_s = course.failed(attempt, failure, retry=not (begun or transport.closed))
        except (asyncio.CancelledError, grpc.aio.UsageError):
            pause_s = transport.cancelled(course, attempt, retry=not begun)
        else:
            return
        finally:
            if responses is not None:
                responses.cancel()
        await asyncio.sleep(pause_s)


class AsyncPictureStream(AsyncIterator[GeneratedPicture]):
    """As :class:`PictureStream`, with ``async for``, ``async with`` and ``aclose``."""

    def __init__(self, parts: AsyncGenerator[GeneratedPictures, None]) -> None:
        self.summary: GenerationSummary | None = None
        self._parts = parts
        self._waiting: deque[GeneratedPicture] = deque()

    async def __anext__(self) -> GeneratedPicture:
        while not self._waiting:
            part = await self._parts.__anext__()
            self.summary = part.summary
            self._waiting.extend(part.pictures)
        return self._waiting.popleft()

    async def __aenter__(self) -> AsyncPictureStream:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel the call, if it has not ended. Safe to repeat."""
        await self._parts.aclose()
