"""Generated pictures, all at once and one by one, against a real gRPC server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from packshot_client import (
    AsyncPackshotClient,
    ClientConfig,
    ConfigError,
    DeadlineExceededError,
    Generate,
    InvalidInputError,
    InvalidResponseError,
    ModelNotFoundError,
    PackshotClient,
    Retries,
    ServerUnavailableError,
)

Stream = Callable[[Any, Any], Iterator[Any]]


@pytest.fixture
def steady(pictures: Callable[..., Any]) -> Callable[..., Stream]:
    """A stream of ``count`` pictures and its end, with an error or a pause after some."""

    def streaming(
        count: int = 3, fails_after: int = 99, code: str = "UNAVAILABLE", final: bool = True
    ) -> Stream:
        def answers(request: Any, context: Any) -> Iterator[Any]:
            for place in range(count):
                if place == fails_after:
                    context.abort(grpc.StatusCode[code], "in the middle")
                yield pictures(request, range(place, place + 1), final=False), False
            if final:
                yield pictures(request, range(count, count), final=True), True

        return answers

    return streaming


async def collected(address: str, face: str, **options: Any) -> tuple[list[Any], Any]:
    """The pictures of a stream, and its last summary, by either face."""
    config = options.pop("config", None)
    if face == "async":
        async with AsyncPackshotClient(address, config=config) as client:
            stream = client.generate_stream("watches", **options)
            return [picture async for picture in stream], stream.summary

    def blocking() -> tuple[list[Any], Any]:
        with PackshotClient(address, config=config) as client:
            stream = client.generate_stream("watches", **options)
            return list(stream), stream.summary

    return await asyncio.to_thread(blocking)


faces = pytest.mark.parametrize("face", ["sync", "async"])


def test_generate_gives_all_at_once(triton: Any) -> None:
    with PackshotClient(triton.address) as client:
        made = client.generate("watches", count=3, seed=7)
    assert [picture.seed for picture in made] == [7, 8, 9]
    assert len(made) == 3
    assert made[0].category == "watches"
    assert made[2].data.startswith(b"\x89PNG")
    assert (made.summary.complete, made.summary.requested) == (True, 3)
    assert "data" not in made[0].as_dict()


async def test_both_faces_generate_alike(triton: Any) -> None:
    with PackshotClient(triton.address) as client:
        first = client.generate("heels", seed=1, request_id="r")
    async with AsyncPackshotClient(triton.address) as other:
        assert await other.generate("heels", seed=1, request_id="r") == first


@faces
async def test_a_stream_gives_pictures_as_they_come(
    triton: Any, steady: Callable[..., Stream], face: str
) -> None:
    triton.stream = steady(3)
    found, summary = await collected(triton.address, face, count=3, seed=5)
    assert [picture.seed for picture in found] == [5, 6, 7]
    assert (summary.final, summary.complete, summary.returned) == (True, True, 3)
    assert ("triton_grpc_error", "true") in triton.metadata


@faces
async def test_fewer_than_asked_for_is_no_error(
    triton: Any, steady: Callable[..., Stream], face: str
) -> None:
    triton.stream = steady(2)
    found, summary = await collected(triton.address, face, count=5, min_score=40)
    assert len(found) == 2
    assert (summary.complete, summary.message) == (False, "Too few were good.")


@faces
async def test_nothing_is_sent_again_after_the_first_picture(
    triton: Any, second_triton: Any, steady: Callable[..., Stream], face: str
) -> None:
    triton.stream = second_triton.stream = steady(5, fails_after=2)
    address = f"{triton.address},{second_triton.address}"
    with pytest.raises(ServerUnavailableError, match="in the middle"):
        await collected(address, face, count=5)
    assert len(triton.requests) + len(second_triton.requests) == 1


@faces
async def test_before_it_another_replica_is_asked(
    triton: Any, second_triton: Any, steady: Callable[..., Stream], face: str
) -> None:
    failing, working = steady(3, fails_after=0), steady(3)
    triton.stream = second_triton.stream = lambda request, context: (
        failing if len(triton.requests) + len(second_triton.requests) == 1 else working
    )(request, context)
    address = f"{triton.address},{second_triton.address}"
    found, _ = await collected(address, face, count=3)
    assert len(found) == 3
    assert (len(triton.requests), len(second_triton.requests)) == (1, 1)


@faces
@pytest.mark.parametrize(
    ("code", "error"),
    [("INVALID_ARGUMENT", InvalidInputError), ("NOT_FOUND", ModelNotFoundError)],
)
async def test_errors_have_their_class(
    triton: Any, steady: Callable[..., Stream], face: str, code: str, error: type[Exception]
) -> None:
    triton.stream = steady(3, fails_after=0, code=code)
    with pytest.raises(error, match="in the middle"):
        await collected(triton.address, face, count=3)


@faces
async def test_a_stream_that_is_cut_off_is_no_whole_one(
    triton: Any, steady: Callable[..., Stream], face: str
) -> None:
    triton.stream = steady(3, final=False)
    with pytest.raises(InvalidResponseError, match="ended before its last part"):
        await collected(triton.address, face, count=3)


@pytest.fixture
def endless(pictures: Callable[..., Any]) -> Stream:
    """One picture, and no end."""

    def answers(request: Any, context: Any) -> Iterator[Any]:
        yield pictures(request, range(1), final=False), False
        while context.is_active():
            time.sleep(0.02)

    return answers


@faces
async def test_the_deadline_is_for_the_whole_stream(
    triton: Any, endless: Stream, face: str
) -> None:
    triton.stream = endless
    retries = ClientConfig(retries=Retries(attempt_timeout_s=0.05))
    with pytest.raises(DeadlineExceededError, match=r"No answer within 0\.6 s") as caught:
        await collected(triton.address, face, count=3, timeout_s=0.6, config=retries)
    assert 0.5 < caught.value.call.elapsed_s < triton.slow_s / 2
    assert len(triton.requests) <= 1, "it was sent again"


def test_closing_the_iterator_stops_the_server(triton: Any, endless: Stream) -> None:
    triton.stream = endless
    with PackshotClient(triton.address) as client:
        with client.generate_stream("watches", count=9) as stream:
            next(stream)
        assert triton.cancelled.wait(30)
        assert list(stream) == []
        stream.close()


async def test_closing_the_async_iterator_stops_the_server(triton: Any, endless: Stream) -> None:
    triton.stream = endless
    async with AsyncPackshotClient(triton.address) as client:
        async with client.generate_stream("watches", count=9) as stream:
            await anext(stream)
        assert await asyncio.to_thread(triton.cancelled.wait, 30)


async def test_cancelling_the_task_stops_the_server(triton: Any, endless: Stream) -> None:
    triton.stream = endless
    events = []
    config = ClientConfig(on_call=events.append)
    async with AsyncPackshotClient(triton.address, config=config) as client:
        stream = client.generate_stream("watches", count=9)
        await anext(stream)
        task = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(triton.cancelled.wait, 30)
    assert [event.status for event in events] == ["Cancelled"]


def test_an_event_at_the_end_of_a_stream(triton: Any, steady: Callable[..., Stream]) -> None:
    triton.stream = steady(2)
    events = []
    with PackshotClient(triton.address, config=ClientConfig(on_call=events.append)) as client:
        list(client.generate_stream("watches", count=2))
    assert [(event.model, event.status) for event in events] == [("generate_stream", "OK")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"category": " "}, "category must be a name such as 'watches'"),
        ({"count": 17}, "count must be 16 or less, got 17: generate_stream gives up to 1,000"),
        ({"count": 1001, "streamed": True}, "count must be 1,000 or less, got 1,001"),
        ({"count": 0}, "count must be a whole number of 1 or more"),
        ({"seed": -1}, "seed must be a whole number of 0 or more"),
        ({"seed": 2**53}, "seed must be 9007199254740991 or less"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"truncation": 1.1}, "truncation must be a number from 0 to 1, got 1.1"),
        ({"truncation": float("nan")}, "truncation must be a number"),
        ({"scale": 3}, "scale must be 1, 2 or 4, got 3"),
        ({"min_score": 101}, "min_score must be a number from 0 to 100"),
        ({"format": "gif"}, "format must be jpeg, png or webp"),
    ],
)
def test_what_cannot_be_generated_is_said_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Generate(**{"category": "watches", **options})


def test_what_is_left_out_the_server_decides() -> None:
    assert Generate(category=" watches ").inputs == {"CATEGORY": "watches", "COUNT": 1}
    whole = Generate(
        category="w", seed=1, truncation=0.5, scale=4, format="webp", min_score=40, count=2
    )
    assert whole.inputs == {
        **{"CATEGORY": "w", "COUNT": 2, "SEED": 1, "TRUNCATION": 0.5, "SCALE": 4},
        **{"FORMAT": "webp", "MIN_SCORE": 40},
    }
