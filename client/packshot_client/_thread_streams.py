"""Streams for threads: calls with several responses, and the pictures in them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Any, TypeVar

import grpc

from packshot_client._calls import Call
from packshot_client._channels import stream_metadata
from packshot_client._exceptions import ClientClosedError
from packshot_client._pictures import GeneratedPicture, GeneratedPictures, GenerationSummary
from packshot_client._stream_course import StreamCourse
from packshot_client._threads import ThreadTransport

_ResultT = TypeVar("_ResultT")


def stream(
    transport: ThreadTransport, call: Call[tuple[_ResultT, ...]]
) -> Generator[_ResultT, None, None]:
    """Send a call, and read its responses as they come; closing the generator cancels it.

    It is sent again only while nothing has come: what was given out cannot be taken back.

    Raises:
        ClientClosedError: The client is closed.
        ForeignUseError: This is another process than the one that used it first.
        RequestError: The call failed.
    """
    transport.prepare()
    course = StreamCourse(transport.shared, call)
    begun = False
    while True:
        attempt = course.attempt()
        responses: Any = None
        try:
            responses = transport.method(attempt.replica, call.method)(
                iter((call.message,)),
                timeout=attempt.timeout_s,
                metadata=stream_metadata(attempt),
            )
            for response in responses:
                results = course.received(attempt, response)
                begun = True
                yield from results
            course.ended(attempt)
        except GeneratorExit:
            course.abandoned(attempt)
            raise
        except grpc.RpcError as failure:
            pause_s = course.failed(attempt, failure, retry=not (begun or transport.closed))
        except ValueError:
            # What gRPC raises when another thread closes the channel just before the call.
            if transport.closed:
                raise ClientClosedError("this client was closed by another thread") from None
            pause_s = course.lost(attempt, retry=not begun)
        else:
            return
        finally:
            if responses is not None:
                responses.cancel()
        time.sleep(pause_s)


class PictureStream(Iterator[GeneratedPicture]):
    """Pictures as the server makes them. Closing it, or leaving its ``with``, stops the server.

    Attributes:
        summary: What became of the request so far; final after the last picture. ``None`` before
            the first.
    """

    def __init__(self, parts: Generator[GeneratedPictures, None, None]) -> None:
        self.summary: GenerationSummary | None = None
        self._parts = parts
        self._waiting: deque[GeneratedPicture] = deque()

    def __next__(self) -> GeneratedPicture:
        while not self._waiting:
            part = next(self._parts)
            self.summary = part.summary
            self._waiting.extend(part.pictures)
        return self._waiting.popleft()

    def __enter__(self) -> PictureStream:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancel the call, if it has not ended. Safe to repeat."""
        self._parts.close()
