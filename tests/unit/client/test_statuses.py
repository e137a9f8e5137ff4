"""Statuses to exceptions."""

from __future__ import annotations

import pickle
from typing import Any, get_args

import grpc
import pytest

import packshot_client
from packshot.contracts import Fault, with_fault
from packshot_client import (
    AccessDeniedError,
    CallRecord,
    ClientError,
    DeadlineExceededError,
    InvalidInputError,
    RequestError,
    ServerFaultError,
    ServerOverloadedError,
    ServerUnavailableError,
    UnknownPolicyError,
    _exceptions,
)
from packshot_client._statuses import FAULT_ERRORS, STATUS_ERRORS, model_is_gone, status_error


def call(elapsed_s: float = 0.012) -> CallRecord:
    return CallRecord(
        address="host:1", model="quality", request_id="r1", timeout_s=2.0, elapsed_s=elapsed_s
    )


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
def test_every_status_has_a_class(code: Any) -> None:
    assert code in STATUS_ERRORS, f"map {code} in packshot_client._statuses"
    error = status_error(code, "words", call())
    assert type(error) is STATUS_ERRORS[code]
    assert error.status == code.name
    assert error.server_message == "words"
    assert "words" in error.message


@pytest.mark.parametrize("fault", get_args(Fault))
def test_every_fault_has_a_class_and_is_not_shown(fault: Fault) -> None:
    details = with_fault("There is none of that name.", fault)
    error = status_error(grpc.StatusCode.INVALID_ARGUMENT, details, call())
    assert type(error) is FAULT_ERRORS[fault]
    assert error.message == "There is none of that name."
    assert error.server_message == details


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        ("UNAVAILABLE", "[request id: 1] Exceeds maximum queue size", ServerOverloadedError),
        ("UNAVAILABLE", "Request timeout expired", ServerOverloadedError),
        ("UNAVAILABLE", "Server is stopping, not accepting", ServerUnavailableError),
        ("UNAVAILABLE", "This protocol is restricted, expecting header", AccessDeniedError),
        ("INVALID_ARGUMENT", "None such. [packshot:unknown_policy]", UnknownPolicyError),
        ("INVALID_ARGUMENT", "item 1 of 2: no. [packshot:unknown_policy] (a)", UnknownPolicyError),
        ("INVALID_ARGUMENT", "There is no policy 'x'.", InvalidInputError),
        ("INVALID_ARGUMENT", "What is this? [packshot:unheard_of]", InvalidInputError),
        ("INVALID_ARGUMENT", "The image is empty.", InvalidInputError),
    ],
)
def test_tritons_words_decide_where_its_status_does_not(
    code: str, details: str, expected: type[RequestError]
) -> None:
    assert type(status_error(grpc.StatusCode[code], details, call())) is expected


def test_a_request_left_in_the_queue_until_its_deadline_is_late() -> None:
    error = status_error(grpc.StatusCode.UNAVAILABLE, "Request timeout expired", call(1.95))
    assert type(error) is DeadlineExceededError


def test_a_network_that_is_not_loaded_is_named_and_may_be_elsewhere() -> None:
    words = "restore_net is not loaded (it is not ready). Build it with packshot-export."
    error = status_error(grpc.StatusCode.UNAVAILABLE, words, call())
    assert type(error) is ServerUnavailableError
    assert error.message == f"The server at host:1 lacks a part of quality: {words}"
    assert model_is_gone(error)


def test_no_code_and_no_words() -> None:
    error = status_error(None, None, call())
    assert type(error) is ServerFaultError
    assert "gave no reason" in error.message


def test_tritons_routing_notes_are_left_out_of_the_message() -> None:
    details = "in ensemble 'quality', [request id: r1] in ensemble 'x', The image is empty."
    error = status_error(grpc.StatusCode.INVALID_ARGUMENT, details, call())
    assert error.message == "The image is empty."
    assert error.server_message == details
    assert str(error) == (
        "The image is empty. [INVALID_ARGUMENT, host:1, model quality, request r1, after 12 ms]"
    )


def test_errors_survive_the_way_between_processes() -> None:
    error = status_error(grpc.StatusCode.INTERNAL, "words", call())
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is type(error)
    assert (str(copied), copied.call, copied.status) == (str(error), error.call, "INTERNAL")


def test_the_tree_is_drawn_as_it_is_and_all_of_it_is_public() -> None:
    drawing = (_exceptions.__doc__ or "").splitlines()
    classes = {
        name: value
        for name, value in vars(_exceptions).items()
        if isinstance(value, type) and issubclass(value, ClientError)
    }
    parents: dict[int, str] = {}
    for line in drawing:
        words = line.replace("│", " ").replace("├──", "   ").replace("└──", "   ").split()
        if words and words[0] in classes:
            depth = line.index(words[0])
            above = [d for d in parents if d < depth]
            base = classes[words[0]].__base__
            assert base is not None
            assert base.__name__ == (parents[max(above)] if above else "Exception")
            parents = {d: n for d, n in parents.items() if d < depth} | {depth: words[0]}
            del classes[words[0]]
            assert words[0] in packshot_client.__all__
    assert not classes, f"draw {list(classes)} in the tree"
