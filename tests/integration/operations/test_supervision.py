"""Killing and stopping real stub processes and servers, under load."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from packshot.serving.shared_memory import OWN_PREFIX, SHARED_MEMORY

FAMILY = ("decode_image", "quality", "quality_net", "quality_verdict")


@pytest.fixture(scope="module")
def replicas(start_replica: Any, stop_replicas: Any, wait: Any) -> Iterator[list[Any]]:
    # The one that is broken serves what was asked for, and what that calls.
    started = [start_replica("--model=quality"), start_replica()]
    for replica in started:
        wait(replica.is_ready)
    yield started
    assert stop_replicas(started) == [0, 0]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("model", "number"),
    [
        ("decode_image", signal.SIGKILL),
        ("quality_verdict", signal.SIGSTOP),
        ("quality_net", signal.SIGKILL),
    ],
)
def test_broken_model_is_mended_and_no_call_fails(
    replicas: list[Any], put_load: Any, wait: Any, model: str, number: signal.Signals
) -> None:
    broken, _ = replicas
    pattern = f'packshot_model_mends_total{{model="{model}",outcome="mended"}}'
    mends = broken.counter(re.escape(pattern))
    load = put_load([replica.address for replica in replicas])
    with load.running():
        wait(lambda: len(load.scores) > 5)
        before = broken.stubs(model)
        os.kill(before[0].pid, number)
        wait(lambda: broken.counter(re.escape(pattern)) == mends + 1)
        wait(broken.is_ready)
        answered = len(load.scores)
        wait(lambda: len(load.scores) > answered + 5)
    assert not load.failed
    assert len({round(score, 3) for score in load.scores}) == 1, "a wrong answer"
    # The other stubs of the broken model may answer what they had, and then go too.
    wait(lambda: len(broken.stubs(model)) == len(before))
    assert not {stub.pid for stub in before} & {stub.pid for stub in broken.stubs(model)}
    assert not (SHARED_MEMORY / before[0].region).exists()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_server_is_restarted_and_no_call_fails(
    replicas: list[Any], put_load: Any, wait: Any, number: signal.Signals
) -> None:
    broken, _ = replicas
    restarts = broken.counter("packshot_server_restarts_total")
    load = put_load([replica.address for replica in replicas])
    with load.running():
        wait(lambda: len(load.scores) > 5)
        server = broken.tritonserver()
        regions = {stub.region for model in FAMILY for stub in broken.stubs(model)}
        os.kill(server, number)
        wait(lambda: broken.counter("packshot_server_restarts_total") == restarts + 1)
        wait(broken.is_ready)
    assert not load.failed
    assert len({round(score, 3) for score in load.scores}) == 1
    assert broken.tritonserver() != server
    left = {entry.name for entry in SHARED_MEMORY.glob(f"{OWN_PREFIX}*")}
    assert not regions & left


@pytest.mark.timeout(400)
def test_a_server_that_keeps_dying_is_given_up(start_replica: Any, wait: Any) -> None:
    replica = start_replica("--max-restarts=1")
    for _ in range(2):
        wait(replica.is_ready)
        os.kill(replica.tritonserver(), signal.SIGKILL)
        wait(lambda: not replica.is_ready())
    assert replica.process.wait(90) == 1
