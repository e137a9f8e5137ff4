"""Judging scenarios: what holds is seen to hold, and what does not is not."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from packshot_loadtest.errors import ScenarioError
from packshot_loadtest.results.outcomes import Outcome
from packshot_loadtest.scenarios import judgement
from packshot_loadtest.scenarios.network import SlowProxy
from packshot_loadtest.scenarios.timeline import Action, Timeline


@pytest.fixture
def run_with(samples_with: Any) -> Any:
    """Ten seconds of which one part may fail."""

    def make(broken: tuple[float, float] = (0, 0), latency_ms: float = 10.0) -> Any:
        samples = samples_with([latency_ms] * 1000)
        inside = (samples["due_s"] >= broken[0]) & (samples["due_s"] < broken[1])
        samples["outcome"][inside] = Outcome.FAILED
        wrong = int((samples["outcome"] == Outcome.WRONG).sum())
        return SimpleNamespace(samples=samples, duration_s=10.0, wrong_answers=wrong)

    return make


def test_failures_must_stay_within_their_window(run_with: Any) -> None:
    run = run_with((3.0, 4.0))
    assert judgement.failures_within(run, 2.9, 4.1).holds
    assert not judgement.failures_within(run, 3.5, 4.1).holds
    assert not judgement.failures_within(run, 2.9, 3.5).holds


def test_recovery_is_timed(run_with: Any) -> None:
    run = run_with((3.0, 6.0))
    assert judgement.recovers(run, 4.0, within_s=2.5, p99_ms=50).holds
    assert not judgement.recovers(run, 4.0, within_s=1.0, p99_ms=50).holds
    assert not judgement.recovers(run, 4.0, within_s=2.5, p99_ms=5).holds


def test_a_run_that_never_recovers_does_not(run_with: Any) -> None:
    assert not judgement.recovers(run_with((3.0, 10.0)), 4.0, within_s=9.0, p99_ms=50).holds


def test_no_failure_means_none(run_with: Any) -> None:
    assert judgement.no_failure(run_with()).holds
    assert not judgement.no_failure(run_with((3.0, 3.02))).holds


@pytest.mark.parametrize(("late_mib", "holds"), [(102, True), (110, False)])
def test_memory_must_be_flat(late_mib: float, holds: bool) -> None:
    memory = [50.0] * 2 + [100.0] * 9 + [late_mib] * 9
    series = {"process": {"memory_bytes": [value * 2**20 for value in memory]}}
    run: Any = SimpleNamespace(server_series=series)
    assert judgement.memory_flat(run, growth=0.05).holds is holds


def test_the_tail_must_be_flat(run_with: Any) -> None:
    run = run_with()
    assert judgement.tail_flat(run, growth=0.25).holds
    run.samples["latency_us"][700:] *= 2
    assert not judgement.tail_flat(run, growth=0.25).holds


def test_actions_are_done_in_order_and_on_time() -> None:
    done: list[str] = []
    timeline = Timeline(
        [
            Action(at_s=0.2, name="second", do=lambda: done.append("second")),
            Action(at_s=0.1, name="first", do=lambda: done.append("first")),
        ]
    )
    started = time.time()
    timeline.on_tick(0.0)
    timeline.finish(60)
    assert done == ["first", "second"]
    assert [what for _, what in timeline.events] == [
        "first",
        "first done",
        "second",
        "second done",
    ]
    assert timeline.events[0][0] - started >= 0.09


def test_an_action_that_fails_ends_the_scenario() -> None:
    def fail() -> None:
        raise RuntimeError("no such process")

    timeline = Timeline([Action(at_s=0, name="kill", do=fail)])

    def play() -> None:
        timeline.on_tick(0.0)  # It may have failed already when this returns.
        timeline.finish(60)

    with pytest.raises(ScenarioError, match="no such process"):
        play()


def test_the_proxy_delays_each_way_and_loses_nothing() -> None:
    class Echo(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while data := self.request.recv(65536):
                self.request.sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with (
            SlowProxy("127.0.0.1", server.server_address[1]) as proxy,
            socket.create_connection(("127.0.0.1", proxy.port), timeout=120) as line,
        ):
            sent = bytes(range(256)) * 2000
            proxy.delay_s = 0.15
            started = time.monotonic()
            line.sendall(b"x")
            assert line.recv(1) == b"x"
            assert time.monotonic() - started >= 0.3
            proxy.delay_s = 0.0
            threading.Thread(target=line.sendall, args=(sent,), daemon=True).start()
            got = b""
            while len(got) < len(sent):
                got += line.recv(65536)
            assert got == sent
        server.shutdown()
