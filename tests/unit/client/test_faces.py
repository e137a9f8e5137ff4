"""Both clients against the same real gRPC server: the same calls must have the same outcomes."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from packshot_client import (
    AsyncPackshotClient,
    ClientClosedError,
    ClientConfig,
    ConfigError,
    DeadlineExceededError,
    Health,
    ImageSourceError,
    InvalidInputError,
    InvalidResponseError,
    PackshotClient,
    QualityResult,
    Score,
    ServerFaultError,
    ServerOverloadedError,
    ServerUnavailableError,
    UnknownPolicyError,
)


class SyncFace:
    """The client for threads, called as it is."""

    def __init__(self, address: str, config: ClientConfig | None) -> None:
        self.client = PackshotClient(address, config=config)

    def score(self, image: Any, **options: Any) -> QualityResult:
        return self.client.score(image, **options)

    def score_many(self, images: Any, **options: Any) -> list[Any]:
        return list(self.client.score_many(images, **options))

    def server_ready(self) -> bool:
        return self.client.server_ready()

    def health(self) -> Health:
        return self.client.health()

    def close(self) -> None:
        self.client.close()


class AsyncFace:
    """The client for asyncio, in a loop of its own."""

    def __init__(self, address: str, config: ClientConfig | None) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = AsyncPackshotClient(address, config=config)

    def run(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)

    def score(self, image: Any, **options: Any) -> QualityResult:
        result: QualityResult = self.run(self.client.score(image, **options))
        return result

    def score_many(self, images: Any, **options: Any) -> list[Any]:
        outcomes = self.client.score_many(images, **options)

        async def collected() -> list[Any]:
            return [outcome async for outcome in outcomes]

        found: list[Any] = self.run(collected())
        return found

    def server_ready(self) -> bool:
        return bool(self.run(self.client.server_ready()))

    def health(self) -> Health:
        found: Health = self.run(self.client.health())
        return found

    def close(self) -> None:
        self.run(self.client.close())


@pytest.fixture(params=[SyncFace, AsyncFace], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Opens clients of one kind, and closes them after the test."""
    faces = []

    def open_face(address: str, config: ClientConfig | None = None) -> Any:
        faces.append(request.param(address, config))
        return faces[-1]

    yield open_face
    for face in faces:
        face.close()
        if isinstance(face, AsyncFace):
            face.loop.run_until_complete(face.loop.shutdown_default_executor())
            face.loop.close()


def test_score_takes_every_kind_of_source(connect: Any, triton: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"accept")
    face = connect(triton.address)
    with path.open("rb") as opened:
        results = [
            face.score(x) for x in (path, str(path), b"accept", io.BytesIO(b"accept"), opened)
        ]
    assert {result.decision for result in results} == {"accept"}
    assert len({result.request_id for result in results}) == 5
    assert len({dataclasses.replace(result, request_id="") for result in results}) == 1


def test_the_deadline_goes_along_twice(connect: Any, triton: Any) -> None:
    # Long ones, so that what it took to get here does not make one look like the other.
    face = connect(triton.address, ClientConfig(timeout_s=400.0))
    face.score(b"x")
    face.score(b"x", timeout_s=200.0)
    sent = [request.parameters["timeout"].int64_param for request in triton.requests]
    for given_s, told_us, held_s in zip((400, 200), sent, triton.deadlines_s, strict=True):
        assert (given_s - 100) * 1_000_000 < told_us <= given_s * 1_000_000
        assert given_s - 100 < held_s < given_s + 1


def test_the_deadline_holds_and_the_server_learns_of_it(connect: Any, triton: Any) -> None:
    face = connect(triton.address)
    face.score(b"x")
    # On a busy machine it may be over before the server has got it.
    while len(triton.requests) < 2:
        with pytest.raises(DeadlineExceededError, match=r"No answer within 0\.2 s") as caught:
            face.score(b"slow", timeout_s=0.2)
        assert 0.19 < caught.value.call.elapsed_s < triton.slow_s / 2
    assert triton.cancelled.wait(triton.slow_s / 2)


def test_a_policy_goes_along(connect: Any, triton: Any) -> None:
    face = connect(triton.address)
    assert face.score(b"x", policy="google", request_id="mine").request_id == "mine"
    assert face.score(b"x", policy="google").policy == "google"
    with pytest.raises(UnknownPolicyError, match=r"^There is no policy") as caught:
        face.score(b"x", policy="nowhere")
    assert caught.value.message == "There is no policy 'nowhere'."


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (b"bad", InvalidInputError),
        (b"busy", ServerOverloadedError),
        (b"odd", InvalidResponseError),
        (b"", ImageSourceError),
        ("/nowhere.jpg", ImageSourceError),
    ],
)
def test_failures_have_their_class(
    connect: Any, triton: Any, image: Any, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        connect(triton.address).score(image)
    assert type(caught.value) is error


def test_an_error_says_which_call_it_was(connect: Any, triton: Any) -> None:
    with pytest.raises(InvalidInputError) as caught:
        connect(triton.address).score(b"bad")
    call = caught.value.call
    assert (call.address, call.model, call.attempts) == (triton.address, "quality", 1)
    assert call.request_id == triton.requests[0].id
    assert caught.value.message == "Not a picture."


def test_a_large_image_passes_and_too_large_a_one_is_not_sent(connect: Any, triton: Any) -> None:
    face = connect(triton.address, ClientConfig(max_image_bytes=20_000_000))
    assert face.score(b"accept " + bytes(19_000_000)).decision == "accept"
    with pytest.raises(ImageSourceError, match="at most 20,000,000"):
        face.score(bytes(20_000_001))
    assert len(triton.requests) == 1


def test_nobody_there(connect: Any, dead_address: str) -> None:
    face = connect(dead_address)
    assert face.server_ready() is False
    health = face.health()
    assert (health.reachable, health.ready, health.answering) == (False, False, False)
    with pytest.raises(ServerUnavailableError, match="packshot-serve"):
        face.score(b"x")


def test_health(connect: Any, triton: Any) -> None:
    face = connect(triton.address)
    assert face.server_ready() is True
    health = face.health()
    assert (health.reachable, health.ready, health.answering) == (True, True, True)
    assert (health.version, health.problem) == ("2.51.0", "")
    assert health.latency_s is not None
    triton.ready = False
    assert face.server_ready() is False
    assert "says that it is not ready" in face.health().problem


def test_health_is_not_fooled_by_a_model_that_has_died(
    connect: Any, triton: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def died(request: Any, context: Any) -> Any:  # noqa: ARG001
        context.abort(grpc.StatusCode.INTERNAL, "Stub process 'x' is not healthy.")

    monkeypatch.setattr(triton, "_answer", died)
    health = connect(triton.address).health()
    assert (health.reachable, health.ready, health.answering) == (True, True, False)
    assert "not healthy" in health.problem


def test_many_keep_their_order_and_fail_alone(connect: Any, triton: Any) -> None:
    images = [b"later 80", b"bad", b"accept", "/nowhere.jpg", 7, b"busy", b"reject"]
    outcomes = connect(triton.address).score_many(images, max_in_flight=3, batch_size=1)
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "QualityResult",
        "InvalidInputError",
        "QualityResult",
        "ImageSourceError",
        "ImageSourceError",
        "ServerOverloadedError",
        "QualityResult",
    ]
    assert [outcomes[2].decision, outcomes[6].decision] == ["accept", "reject"]


def test_many_are_bounded_in_flight_and_not_read_ahead(connect: Any, triton: Any) -> None:
    read = 0

    def images() -> Iterator[bytes]:
        nonlocal read
        for _ in range(12):
            read += 1
            # Every image before this one that is not under way has been answered.
            assert read - 1 <= len(triton.requests) + 3
            yield b"together 2"

    assert len(connect(triton.address).score_many(images(), max_in_flight=3, batch_size=1)) == 12
    assert 2 <= triton.most_at_once <= 3


@pytest.mark.parametrize("size", [2, 4, 32])
def test_packed_images_share_calls_and_fail_alone(connect: Any, triton: Any, size: int) -> None:
    images = [b"accept", b"bad", b"/", "/nowhere.jpg", b"reject", b"review", b"bad", b"accept"]
    outcomes = connect(triton.address).score_many(images, batch_size=size)
    names = [getattr(outcome, "decision", type(outcome).__name__) for outcome in outcomes]
    bad, good = "InvalidInputError", "review"
    assert names == ["accept", bad, good, "ImageSourceError", "reject", "review", bad, "accept"]
    assert all("item" not in str(outcome) for outcome in outcomes if outcome == bad)


class ByHand:
    """Photos whose first letter is a capital are judged by another policy."""

    model = Score.model

    def inputs(self, image: Any) -> dict[str, Any]:
        return {"IMAGE": image, **({"POLICY": "google"} if image[:1].isupper() else {})}


def test_images_of_a_pack_may_have_their_own_options(triton: Any) -> None:
    with PackshotClient(triton.address) as client:
        images = [b"one", b"Two", b"Three", b"four"]
        outcomes = list(client.map(ByHand(), images, batch_size=4))
    assert [getattr(outcome, "policy", outcome) for outcome in outcomes] == [
        *("default", "google", "google", "default"),
    ]
    assert len(triton.requests) == 3


def test_packs_without_a_fault_need_few_calls(connect: Any, triton: Any) -> None:
    assert len(connect(triton.address).score_many([b"accept"] * 10, batch_size=4)) == 10
    assert len(triton.requests) == 3


def test_an_unknown_policy_is_no_image_s_fault(connect: Any, triton: Any) -> None:
    outcomes = connect(triton.address).score_many([b"accept"] * 4, policy="nowhere", batch_size=4)
    assert {type(outcome) for outcome in outcomes} == {UnknownPolicyError}
    assert len(triton.requests) == 1


def test_many_of_none(connect: Any, triton: Any) -> None:
    assert connect(triton.address).score_many([]) == []


@pytest.mark.parametrize(
    "options",
    [{"policy": ""}, {"timeout_s": 0}, {"max_in_flight": 0}, {"batch_size": 33}],
    ids=lambda o: next(iter(o)),
)
def test_wrong_arguments_of_many_are_raised_at_once(
    connect: Any, triton: Any, options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError):
        connect(triton.address).client.score_many([b"x"], **options)


def test_a_closed_client_says_so(connect: Any, triton: Any) -> None:
    face = connect(triton.address)
    face.score(b"x")
    face.close()
    face.close()
    with pytest.raises(ClientClosedError):
        face.score(b"x")


def test_other_failures_of_the_server(
    connect: Any, triton: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton, "_answer", lambda request, context: 1 / 0)  # noqa: ARG005
    with pytest.raises(ServerFaultError, match="division by zero"):
        connect(triton.address).score(b"x")


def test_both_faces_give_equal_results(triton: Any) -> None:
    faces: list[Any] = [SyncFace(triton.address, None), AsyncFace(triton.address, None)]
    first, second = (dataclasses.replace(face.score(b"x"), request_id="") for face in faces)
    assert first == second
    for face in faces:
        face.close()
    faces[1].loop.close()


def test_threads_may_share_a_client(triton: Any) -> None:
    with PackshotClient(triton.address) as client:
        decisions: list[str] = []
        threads = [
            threading.Thread(
                target=lambda word: decisions.append(client.score(word).decision), args=(word,)
            )
            for word in [b"accept", b"reject"] * 8
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(decisions) == ["accept"] * 8 + ["reject"] * 8


def test_many_may_be_left_early(triton: Any) -> None:
    with PackshotClient(triton.address) as client:
        outcomes = client.score_many([b"accept"] * 1000, max_in_flight=2, batch_size=1)
        next(outcomes)
        outcomes.close()  # type: ignore[attr-defined]
    assert len(triton.requests) < 10


async def test_a_cancelled_task_cancels_its_call(triton: Any) -> None:
    async with AsyncPackshotClient(triton.address) as client:
        task = asyncio.create_task(client.score(b"slow"))
        while not triton.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(triton.cancelled.wait, triton.slow_s / 2)


async def test_tasks_of_many_end_with_it(triton: Any) -> None:
    async with AsyncPackshotClient(triton.address) as client:
        outcomes = client.score_many([b"accept", b"slow", b"slow"], max_in_flight=2, batch_size=1)
        async for _ in outcomes:
            break
        await outcomes.aclose()  # type: ignore[attr-defined]
        others = [task for task in asyncio.all_tasks() if "outcome" in repr(task.get_coro())]
        assert others == []
