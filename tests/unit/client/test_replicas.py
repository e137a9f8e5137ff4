"""Whose turn it is, who is alive, and what may be sent again; without a network."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from packshot_client import (
    CallEvent,
    Canary,
    ClientConfig,
    ConfigError,
    Connections,
    DeadlineExceededError,
    Hedging,
    InvalidInputError,
    ModelNotFoundError,
    Retries,
    ServerFaultError,
    ServerOverloadedError,
    ServerUnavailableError,
)
from packshot_client._addresses import parse_address
from packshot_client._budgets import Budget, Latencies
from packshot_client._calls import CallFactory
from packshot_client._course import Course
from packshot_client._dispatcher import Dispatcher, takes_canary
from packshot_client._models import ENHANCE_MODEL, QUALITY_MODEL, Model
from packshot_client._replicas import Check, ReplicaSet

Code = grpc.StatusCode


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class RpcFailedError(Exception):
    """As a ``grpc.RpcError`` looks."""

    def __init__(self, code: Any, details: str) -> None:
        super().__init__(details)
        self._code, self._details = code, details

    def code(self) -> Any:
        return self._code

    def details(self) -> str:
        return self._details


def replica_set(*addresses: str) -> tuple[ReplicaSet, Clock]:
    clock = Clock()
    return ReplicaSet(addresses, Connections(health_interval_s=2.0), clock=clock), clock


def course(
    addresses: str = "a:1,b:1", model: Model[Any] = QUALITY_MODEL, **settings: Any
) -> Course[Any]:
    config = ClientConfig(**settings)
    call = CallFactory(config).run(model, {"IMAGE": b"x"}, timeout_s=None)
    return Course(Dispatcher(parse_address(addresses), config), call)


def fail(one: Course[Any], code: Any, details: str = "") -> float:
    return one.failed(one.attempt(), RpcFailedError(code, details))


def test_living_replicas_take_turns() -> None:
    replicas, _ = replica_set("a", "b", "c")
    assert sorted(replicas.pick().address for _ in range(6)) == ["a", "a", "b", "b", "c", "c"]
    first = replicas.pick()
    replicas.unavailable(first, reason="test")
    assert first not in {replicas.pick() for _ in range(9)}
    second = replicas.pick()
    assert replicas.pick([second]) not in (first, second)


def test_when_none_lives_all_are_asked() -> None:
    replicas, _ = replica_set("a", "b")
    for replica in replicas:
        replicas.unavailable(replica, reason="test")
    assert len({replicas.pick() for _ in range(4)}) == 2
    assert not replicas.other_than([])


def test_a_replica_that_is_out_is_checked_at_once_and_then_again() -> None:
    replicas, clock = replica_set("a", "b")
    first, second = replicas
    assert replicas.due() == []
    replicas.unavailable(first, reason="test")
    assert replicas.due() == [first]
    assert not replicas.checked(first, Check.REFUSED)
    assert replicas.due() == []
    clock.now += 0.3
    assert replicas.due() == [first]
    replicas.checked(first, Check.ALIVE)
    assert first.up
    clock.now += 2.0
    assert replicas.due() == [first, second]


def test_connections_are_given_up_after_two_silent_checks() -> None:
    replicas, _ = replica_set("a", "b")
    first, _ = replicas
    assert [replicas.checked(first, Check.SILENT) for _ in range(3)] == [False, True, False]
    assert first.generation == 1
    replicas.checked(first, Check.ALIVE)
    assert not replicas.checked(first, Check.SILENT)


def test_a_single_replica_is_never_out() -> None:
    replicas, _ = replica_set("a")
    replicas.unavailable(replicas.pick(), reason="test")
    assert replicas.pick().up
    assert replicas.due() == []


def test_new_addresses_keep_the_replicas_that_stay() -> None:
    replicas, _ = replica_set("a", "b")
    first, second = replicas
    assert replicas.update(["b", "c"]) == [first]
    assert next(iter(replicas)) is second


def test_a_budget_holds_over_any_stretch() -> None:
    budget = Budget(0.2, 3)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
    spent = 0
    for _ in range(100):
        budget.earn()
        spent += budget.spend()
    assert 19 <= spent <= 20
    assert not Budget(0.0, 0).spend()


def test_the_95th_percentile_is_that_of_the_latest_answers() -> None:
    latencies = Latencies()
    for _ in range(31):
        latencies.add(9.0)
    assert latencies.p95_s is None
    for number in range(640):
        latencies.add(number % 100 / 100)
    assert latencies.p95_s == pytest.approx(0.95, abs=0.03)


def test_an_unavailable_replica_is_left_for_the_other_at_once() -> None:
    one = course()
    first = one.attempt()
    assert one.failed(first, RpcFailedError(Code.UNAVAILABLE, "Socket closed")) == 0.0
    assert not first.replica.up
    assert one.attempt().replica is not first.replica


def test_a_draining_server_is_one_and_an_unknown_model_is_not() -> None:
    words = "Request for unknown model: 'quality' has no available versions"
    assert fail(course(), Code.NOT_FOUND, words) == 0.0
    with pytest.raises(ModelNotFoundError):
        fail(course(), Code.NOT_FOUND, "Request for unknown model: 'quality' is not found")


@pytest.mark.parametrize(
    ("code", "words", "error"),
    [
        (Code.INTERNAL, "Stub process is not healthy", ServerFaultError),
        (Code.INVALID_ARGUMENT, "bad image", InvalidInputError),
        (Code.UNKNOWN, "?", ServerFaultError),
    ],
)
def test_what_would_fail_again_is_not_sent_again(code: Any, words: str, error: Any) -> None:
    with pytest.raises(error):
        fail(course(), code, words)


def test_an_overloaded_server_is_given_time_and_then_up() -> None:
    one = course("a:1", retries=Retries(max_attempts=3, backoff_s=0.1))
    assert 0.05 <= fail(one, Code.UNAVAILABLE, "Exceeds maximum queue size") <= 0.1
    assert 0.1 <= fail(one, Code.RESOURCE_EXHAUSTED) <= 0.2
    with pytest.raises(ServerOverloadedError) as caught:
        fail(one, Code.RESOURCE_EXHAUSTED)
    assert caught.value.call.attempts == 3


def test_no_pause_reaches_past_the_deadline() -> None:
    one = course("a:1", timeout_s=0.05, retries=Retries(backoff_s=5.0, max_backoff_s=5.0))
    with pytest.raises(ServerOverloadedError):
        fail(one, Code.RESOURCE_EXHAUSTED)


def test_without_a_budget_nothing_is_sent_again() -> None:
    with pytest.raises(ServerUnavailableError) as caught:
        fail(course(retries=Retries(budget=0.0, reserve=0)), Code.UNAVAILABLE)
    assert caught.value.call.attempts == 1


def test_an_attempt_that_ran_out_of_its_own_time_moves_on() -> None:
    one = course(retries=Retries(attempt_timeout_s=0.5))
    first = one.attempt()
    assert first.timeout_s == 0.5
    assert one.failed(first, RpcFailedError(Code.DEADLINE_EXCEEDED, "")) == 0.0
    spent = course(timeout_s=0.001)
    with pytest.raises(DeadlineExceededError):
        fail(spent, Code.DEADLINE_EXCEEDED)


def test_a_hedge_goes_elsewhere_and_keeps_to_its_budget() -> None:
    one = course(hedging=Hedging(delay_s=0.01, budget=0.1))
    assert one.hedge_delay_s() == 0.01
    first, second = one.attempt(), one.hedge()
    assert second is not None
    assert second.replica is not first.replica
    assert one.hedge() is None
    assert course().hedge_delay_s() is None
    assert course(hedging=Hedging()).hedge_delay_s() is None
    alone = course("a:1", hedging=Hedging(delay_s=0.01))
    alone.attempt()
    assert alone.hedge() is None


def test_a_canary_is_sticky_and_falls_back() -> None:
    canary = Canary(version="2", share=0.25)
    chosen = [takes_canary(canary, str(key)) for key in range(2000)]
    assert chosen == [takes_canary(canary, str(key)) for key in range(2000)]
    assert 0.2 < sum(chosen) / 2000 < 0.3
    one = course(canary=Canary(version="2", share=1.0), model_versions={"quality": "1"})
    assert one.call.message.model_version == "2"
    assert fail(one, Code.NOT_FOUND, "version 2 is not found") == 0.0
    assert one.call.message.model_version == "1"
    with pytest.raises(ModelNotFoundError):
        fail(one, Code.NOT_FOUND, "version 1 is not found")


def test_a_version_is_asked_for_of_the_models_it_is_meant_for() -> None:
    versions = {"quality": "7", "generate": "2"}
    assert course(model_versions=versions).call.message.model_version == "7"
    assert course(model=ENHANCE_MODEL, model_versions=versions).call.message.model_version == ""


def test_a_canary_is_of_one_model() -> None:
    canary = Canary(version="2", share=1.0)
    assert course(model=ENHANCE_MODEL, canary=canary).call.message.model_version == ""
    other = Canary(version="2", share=1.0, model="enhance")
    assert course(model=ENHANCE_MODEL, canary=other).call.message.model_version == "2"
    assert course(canary=other).call.message.model_version == ""


def test_a_canary_under_another_name_falls_back_too() -> None:
    canary = Canary(served_as="quality_canary", share=1.0)
    one = course(canary=canary, model_versions={"quality": "1"})
    assert (one.call.message.model_name, one.call.message.model_version) == ("quality_canary", "")
    words = "Request for unknown model: 'quality_canary' is not found"
    assert fail(one, Code.NOT_FOUND, words) == 0.0
    assert (one.call.message.model_name, one.call.message.model_version) == ("", "1")
    with pytest.raises(ServerFaultError) as caught:
        fail(course(canary=canary), Code.INTERNAL)
    assert caught.value.call.model == "quality_canary"


def test_models_that_are_slow_by_nature_have_their_time() -> None:
    hasty: dict[str, Any] = {
        "timeout_s": 2.0,
        "retries": Retries(attempt_timeout_s=0.5),
        "hedging": Hedging(delay_s=0.01),
    }
    quick, slow = course(**hasty), course(model=ENHANCE_MODEL, **hasty)
    assert quick.attempt().timeout_s == 0.5
    assert quick.hedge_delay_s() == 0.01
    assert slow.attempt().timeout_s == pytest.approx(120.0, abs=1.0)
    assert slow.hedge_delay_s() is None
    configured = course(model=ENHANCE_MODEL, model_timeouts_s={"enhance": 20.0}, **hasty)
    assert configured.attempt().timeout_s == pytest.approx(20.0, abs=1.0)


def test_a_hook_that_fails_fails_no_call() -> None:
    events: list[CallEvent] = []

    def hook(event: CallEvent) -> None:
        events.append(event)
        raise RuntimeError("broken hook")

    with pytest.raises(InvalidInputError):
        fail(course(on_call=hook), Code.INVALID_ARGUMENT, "bad")
    (event,) = events
    assert (event.status, event.model, event.attempts) == ("InvalidInputError", "quality", 1)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Retries, {"max_attempts": 0}),
        (Retries, {"budget": 1.5}),
        (Retries, {"reserve": -1}),
        (Retries, {"attempt_timeout_s": 0}),
        (Hedging, {"delay_s": -1}),
        (Canary, {"version": "new", "share": 0.1}),
        (Canary, {"version": "1", "share": 2}),
        (Connections, {"per_replica": 0}),
        (ClientConfig, {"batch_size": 0}),
        (ClientConfig, {"on_call": 3}),
    ],
)
def test_wrong_settings_are_named(kind: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        kind(**settings)
