"""Closing, forking, loops, traces and silence."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tritonclient.grpc import service_pb2

from packshot_client import (
    AsyncPackshotClient,
    ClientConfig,
    ConfigError,
    Connections,
    ForeignUseError,
    InvalidInputError,
    PackshotClient,
    RequestCancelledError,
    Retries,
    ServerUnavailableError,
)
from packshot_client._protocol import messages


def test_closing_ends_the_calls_of_other_threads(triton: Any) -> None:
    client = PackshotClient(triton.address)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            client.score(b"slow")
        except RequestCancelledError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while not triton.requests:
        time.sleep(0.01)
    client.close()
    thread.join(60)
    assert len(errors) == 1


async def test_closing_ends_the_calls_of_other_tasks(triton: Any) -> None:
    client = AsyncPackshotClient(triton.address)
    tasks = [asyncio.create_task(client.score(b"slow")) for _ in range(3)]
    while len(triton.requests) < 3:
        await asyncio.sleep(0.01)
    await client.close()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in found] == [RequestCancelledError] * 3
    assert await asyncio.to_thread(triton.cancelled.wait, 30)


def test_another_loop_is_told_so(triton: Any) -> None:
    client = AsyncPackshotClient(triton.address)

    async def use() -> None:
        await client.score(b"accept")

    loop = asyncio.new_event_loop()
    loop.run_until_complete(use())
    with pytest.raises(ForeignUseError, match="one client per loop"):
        asyncio.run(use())
    loop.run_until_complete(client.close())
    loop.close()


FORK = """
import os, sys, warnings
from packshot_client import ForeignUseError, PackshotClient
warnings.simplefilter("ignore")
used, unused = PackshotClient(sys.argv[1]), PackshotClient(sys.argv[1])
used.score(b"accept")
child = os.fork()
if child == 0:
    try:
        used.score(b"accept")
    except ForeignUseError:
        used.close()
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert used.score(b"accept").decision == unused.score(b"accept").decision == "accept"
print("fine")
"""


def test_a_fork_is_told_so_and_the_parent_goes_on(triton: Any) -> None:
    command = [sys.executable, "-c", FORK, triton.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout == "fine\n", done.stderr


def test_a_forgotten_client_and_its_thread_go(triton: Any, second_triton: Any) -> None:
    connections = Connections(health_interval_s=0.05)
    client = PackshotClient(
        [triton.address, second_triton.address], config=ClientConfig(connections=connections)
    )
    client.score(b"accept")
    (watcher,) = [t for t in threading.enumerate() if t.name == "packshot-health"]
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None
    watcher.join(60)
    assert not watcher.is_alive()


def test_a_stopping_server_is_left_for_the_other(triton: Any, second_triton: Any) -> None:
    triton._answer = lambda request, context: context.abort(  # noqa: ARG005
        grpc.StatusCode.UNAVAILABLE, "Server is stopping"
    )
    with PackshotClient(f"{triton.address},{second_triton.address}") as client:
        assert {client.score(b"accept").decision for _ in range(6)} == {"accept"}


def test_retries_can_be_switched_off(triton: Any) -> None:
    config = ClientConfig(retries=Retries(max_attempts=1))
    with (
        PackshotClient(triton.address, config=config) as client,
        pytest.raises(ServerUnavailableError),
    ):
        client.score(b"stopping")
    assert len(triton.requests) == 1


async def test_a_trace_goes_along_and_says_what_happened(triton: Any) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    config = ClientConfig(tracing=True)
    with PackshotClient(triton.address, config=config) as client:
        client.score(b"accept", request_id="mine")
        with pytest.raises(InvalidInputError):
            client.score(b"bad")
    async with AsyncPackshotClient(triton.address, config=config) as other:
        await other.score(b"accept")
    good, bad, _ = exporter.get_finished_spans()
    assert good.name == "packshot quality"
    assert good.attributes is not None
    assert good.attributes["packshot.request_id"] == "mine"
    assert good.attributes["packshot.model_version"] == "3"
    assert good.attributes["server.address"] == triton.address
    assert bad.status.status_code is trace.StatusCode.ERROR
    sent = [value for name, value in triton.metadata if name == "traceparent"]
    assert f"{good.context.trace_id:032x}" in sent[0]
    assert len(sent) == 3


def test_tracing_without_opentelemetry_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r"packshot\[otel\]"):
        PackshotClient("localhost:1", config=ClientConfig(tracing=True))


def test_nothing_is_printed_unless_logging_is_configured(dead_address: str) -> None:
    code = (
        "import sys, packshot_client as p\n"
        "c = p.PackshotClient([sys.argv[1], 'localhost:1'])\n"
        "try:\n    c.score(b'x')\n"
        "except p.ServerUnavailableError:\n    pass\n"
        "c.close()\n"
    )
    command = [sys.executable, "-c", code, dead_address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_names_are_resolved_to_replicas(triton: Any) -> None:
    port = triton.address.rpartition(":")[2]
    with PackshotClient(f"dns:///localhost:{port}") as client:
        assert client.warm_up(timeout_s=60.0).answering
        assert client.score(b"accept").decision == "accept"


def test_our_messages_are_those_of_triton() -> None:
    """Fields by number and type; ours may be fewer."""

    def compare(own: Any, theirs: Any) -> int:
        count = 0
        for field in own.fields:
            other = theirs.fields_by_name[field.name]
            assert (field.number, field.type) == (other.number, other.type), field.full_name
            assert field.is_repeated == other.is_repeated, field.full_name
            count += 1
            if field.message_type is not None:
                count += compare(field.message_type, other.message_type)
        return count

    names = [n for n in dir(messages) if n.endswith(("Request", "Response"))]
    compared = sum(
        compare(getattr(messages, name).DESCRIPTOR, getattr(service_pb2, name).DESCRIPTOR)
        for name in names
    )
    assert compared > 60
