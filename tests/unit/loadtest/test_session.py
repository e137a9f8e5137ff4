"""Sessions: open-loop pacing, counted from the intended start; the server is a script here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
import numpy as np
import pytest
from gevent.event import Event

from packshot_loadtest.answers import Answer
from packshot_loadtest.generator.calls import CallFailedError, Payloads, Target
from packshot_loadtest.generator.job import ARRIVAL, Job
from packshot_loadtest.generator.session import Session
from packshot_loadtest.mix import RequestKind
from packshot_loadtest.results.outcomes import Outcome
from packshot_loadtest.results.samples import samples_of

ANSWERS = [Answer(values=(10.0,)), Answer(values=(60.0,))]


class Script:
    """A caller that does what a function says."""

    def __init__(self, act: Callable[[int], list[Answer]]) -> None:
        self.act = act

    def call(self, kind: RequestKind, item: int) -> list[Answer]:
        assert kind.action == "score"
        return self.act(item)

    def close(self) -> None:
        pass


def play(
    act: Callable[[int], list[Answer]],
    times: Any,
    *,
    began_s: float = 0.0,
    meanwhile: Callable[[Session], None] | None = None,
    **changes: Any,
) -> Any:
    """The samples of one open-loop session.

    Args:
        act: What the server does.
        times: When requests are due, in seconds.
        began_s: What they count from; by default a moment from now.
        meanwhile: Done while it plays.
        changes: Settings.
    """
    arrivals = np.zeros(len(times), dtype=ARRIVAL)
    arrivals["due_s"] = times
    arrivals["item"] = np.arange(len(times)) % 2
    settings = {"timeout_s": 5.0, "max_in_flight": 1000, **changes}
    job = Job(
        target=Target(grpc="x:1", timeout_s=settings["timeout_s"]),
        kinds=(RequestKind(action="score"),),
        arrivals=arrivals,
        payloads=Payloads(photos=(b"a", b"b")),
        answers={"score": ANSWERS},
        warmup_s=0,
        duration_s=float(max(times)) + 0.01,
        max_in_flight=settings["max_in_flight"],
    )
    session = Session(
        job, index=0, count=1, callers={"grpc": Script(act)}, observer=lambda *_: None
    )
    session.begin(began_s or time.perf_counter() + 0.1)
    playing = gevent.spawn(session.play)
    if meanwhile is not None:
        meanwhile(session)
    playing.get()
    return samples_of(session.recorder.take_rows())


def test_every_arrival_is_recorded_and_right() -> None:
    samples = play(lambda item: [ANSWERS[item]], np.arange(100) / 200)
    assert len(samples) == 100
    assert (samples["outcome"] == Outcome.OK).all()


def test_a_stall_hits_every_request_that_was_due_meanwhile() -> None:
    began_s = time.perf_counter() + 0.1
    stalled_until_s = began_s + 1.0

    def act(item: int) -> list[Answer]:
        gevent.sleep(max(0.0, stalled_until_s - time.perf_counter()))
        return [ANSWERS[item]]

    due_s = np.arange(100) / 100
    samples = np.sort(play(act, due_s, began_s=began_s), order="due_s")
    # A closed loop would have seen one slow request. Here each waits for the end of the stall, and
    # its wait counts from when it was due, whenever the machine found the time to send it.
    np.testing.assert_allclose(samples["due_s"], due_s, atol=1e-6)
    assert (samples["latency_us"] / 1e6 >= 1.0 - due_s - 0.02).all()


def test_a_slow_generator_shows_as_lag_and_in_the_latency() -> None:
    def act(item: int) -> list[Answer]:
        time.sleep(0.02)  # Blocks the whole process, as too much work in it does.
        return [ANSWERS[item]]

    samples = play(act, np.arange(50) / 100)
    assert samples["lag_us"].max() > 100_000
    assert (samples["latency_us"] >= samples["lag_us"]).all()


def test_wrong_answers_are_caught() -> None:
    samples = play(lambda item: [ANSWERS[1 - item]], np.arange(10) / 100)
    assert (samples["outcome"] == Outcome.WRONG).all()


def test_a_missing_answer_is_wrong() -> None:
    samples = play(lambda _: [], [0.0])
    assert samples["outcome"].tolist() == [Outcome.WRONG]


def test_failures_keep_their_outcome_and_faults_of_ours_are_counted() -> None:
    def act(item: int) -> list[Answer]:
        if item:
            raise KeyError("a bug")
        raise CallFailedError(Outcome.REJECTED, "full")

    samples = play(act, [0.0, 0.01])
    assert sorted(samples["outcome"].tolist()) == [Outcome.REJECTED, Outcome.FAILED]


def test_more_in_flight_than_allowed_is_dropped_and_counted() -> None:
    answer = Event()

    def act(item: int) -> list[Answer]:
        answer.wait()
        return [ANSWERS[item]]

    def answer_after_the_last_is_dropped(session: Session) -> None:
        while session.recorder.recorded < 15:
            gevent.sleep(0.01)
        answer.set()

    samples = play(
        act, np.arange(20) / 100, max_in_flight=5, meanwhile=answer_after_the_last_is_dropped
    )
    outcomes = samples["outcome"].tolist()
    assert outcomes.count(Outcome.OK) == 5
    assert outcomes.count(Outcome.DROPPED) == 15


@pytest.mark.parametrize("count", [0, 3])
def test_an_answer_that_never_comes_is_unfinished(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot_loadtest.generator.session._DRAIN_MARGIN_S", 0.1)

    def act(item: int) -> list[Answer]:
        if item:
            gevent.sleep(60)
        return [ANSWERS[item]]

    times = np.arange(2 * max(count, 1)) / 100
    # With nothing to wait for, the patience of the drain costs no time.
    patience_s = 0.2 if count else 60.0
    samples = play(act, times[: 2 * count] if count else times[:1], timeout_s=patience_s)
    outcomes = samples["outcome"].tolist()
    assert outcomes.count(Outcome.UNFINISHED) == count
    assert outcomes.count(Outcome.OK) == max(count, 1)
