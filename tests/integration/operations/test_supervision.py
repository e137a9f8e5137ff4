"""Killing and stopping real stub processes and servers, under load."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from packshot.serving.shared_memory import OWN_PREFIX, SHARED_MEMORY

FAMILY = ("quality", "quality_net")

BROKEN_BY = (
    ("quality", signal.SIGKILL),
    ("quality", signal.SIGSTOP),
    ("quality_net", signal.SIGKILL),
)


@pytest.fixture(scope="module")
def replicas(start_replica: Any, stop_replicas: Any, wait: Any) -> Iterator[list[Any]]:
    # The one that is broken serves what was asked for alone.
    started = [start_replica("--model=quality", "--model=quality_net"), start_replica()]
    for replica in started:
        wait(replica.is_ready)
    yield started
    assert stop_replicas(started) == [0, 0]


def stubs_of_broken(
    replica: Any, load: Any, wait: Any, model: str, number: signal.Signals, replaced: set[int]
) -> list[Any]:
    """Break a process of a model under load, and wait until it is mended; what the model had.

    Those that were replaced before live on for some seconds, and nobody calls them.
    """
    mended = re.escape(f'packshot_model_mends_total{{model="{model}",outcome="mended"}}')
    mends = replica.counter(mended)
    with load.running():
        wait(lambda: len(load.scores) > 5)
        before = [stub for stub in replica.stubs(model) if stub.pid not in replaced]
        os.kill(before[0].pid, number)
        wait(lambda: replica.counter(mended) > mends)
        wait(replica.is_ready)
        answered = len(load.scores)
        wait(lambda: len(load.scores) > answered + 5)
    assert not load.failed, model
    assert len({round(score, 3) for score in load.scores}) == 1, f"a wrong answer: {model}"
    assert not (SHARED_MEMORY / before[0].region).exists(), model
    return before


def test_broken_models_are_mended_and_no_call_fails(
    replicas: list[Any], put_load: Any, wait: Any
) -> None:
    """One after the other: the processes that are replaced take their time to go."""
    broken, _ = replicas
    gone: set[int] = set()
    for model, number in BROKEN_BY:
        load = put_load([replica.address for replica in replicas])
        before = stubs_of_broken(broken, load, wait, model, number, gone)
        gone |= {stub.pid for stub in before}
    # The other stubs of a broken model may answer what they had, and then go too.
    for model in FAMILY:
        wait(lambda m=model: not gone & {stub.pid for stub in broken.stubs(m)})
        assert len(broken.stubs(model)) == 2


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
        wait(lambda: broken.counter("packshot_server_restarts_total") > restarts)
        wait(broken.is_ready)
    assert not load.failed
    assert len({round(score, 3) for score in load.scores}) == 1
    assert broken.tritonserver() != server
    left = {entry.name for entry in SHARED_MEMORY.glob(f"{OWN_PREFIX}*")}
    assert not regions & left


def test_a_server_that_keeps_dying_is_given_up(start_replica: Any, wait: Any) -> None:
    replica = start_replica("--max-restarts=1")
    wait(replica.is_ready)
    os.kill(replica.tritonserver(), signal.SIGKILL)
    wait(lambda: replica.counter("packshot_server_restarts_total") > 0)
    wait(replica.is_ready)
    os.kill(replica.tritonserver(), signal.SIGKILL)
    assert replica.process.wait(90) == 1
