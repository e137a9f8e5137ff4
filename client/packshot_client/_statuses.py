"""gRPC and Triton statuses to exceptions: the only place where they meet."""

from __future__ import annotations

import re
from typing import Any, Final

import grpc

from packshot.contracts import Fault, split_fault
from packshot_client._exceptions import (
    AccessDeniedError,
    CallRecord,
    DeadlineExceededError,
    InvalidInputError,
    ModelNotFoundError,
    RequestCancelledError,
    RequestError,
    ServerFaultError,
    ServerOverloadedError,
    ServerUnavailableError,
    UnknownPolicyError,
)

STATUS_ERRORS: Final[dict[Any, type[RequestError]]] = {
    grpc.StatusCode.CANCELLED: RequestCancelledError,
    grpc.StatusCode.UNKNOWN: ServerFaultError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.NOT_FOUND: ModelNotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: ServerFaultError,
    grpc.StatusCode.PERMISSION_DENIED: AccessDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ServerOverloadedError,
    grpc.StatusCode.FAILED_PRECONDITION: ServerFaultError,
    grpc.StatusCode.ABORTED: ServerFaultError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidInputError,
    grpc.StatusCode.UNIMPLEMENTED: ModelNotFoundError,
    grpc.StatusCode.INTERNAL: ServerFaultError,
    grpc.StatusCode.UNAVAILABLE: ServerUnavailableError,
    grpc.StatusCode.DATA_LOSS: ServerFaultError,
    grpc.StatusCode.UNAUTHENTICATED: AccessDeniedError,
}
"""The class for each status when the server's words do not say more."""

FAULT_ERRORS: Final[dict[Fault, type[RequestError]]] = {"unknown_policy": UnknownPolicyError}
"""The class for each fault that a server names in its message."""

# Triton says several different things with one status; only its words tell them apart.
_QUEUE_FULL = "exceeds maximum queue size"
_LEFT_IN_QUEUE = "request timeout expired"
_RESTRICTED = "protocol is restricted"
# What a server says that unloads its ensembles to stop: see packshot.serving.draining.
_UNLOADED = "no available versions"
_NOT_READY = "is not at ready state"
# What a model says of one that it calls and that is not there: see packshot.serving.model_calls.
_NOT_LOADED = "is not loaded ("
_REGION = "shared memory region"

_ROUTING = re.compile(r"^(in ensemble '[^']*', |\[request id: [^\]]*\] )+")

_LATE_SHARE = 0.9
"""Left in the queue for this share of the deadline means that the deadline was the cause."""


def status_error(code: Any, details: str | None, call: CallRecord) -> RequestError:
    """The exception for a call that ended with a gRPC status other than OK.

    Args:
        code: ``grpc.StatusCode``, or ``None`` if the call ended without one.
        details: The server's or gRPC's words.
        call: Which call it was.
    """
    code = code if code in STATUS_ERRORS else grpc.StatusCode.UNKNOWN
    details = details or ""
    words, fault = split_fault(plain_words(details))
    error_class = FAULT_ERRORS[fault] if fault else _error_class(code, words, call)
    message = _message(error_class, words, call)
    if call.responses:
        message = f"The stream broke off after {call.responses} of its responses. {message}"
    return error_class(message, call, code.name, details)


def model_is_gone(error: RequestError) -> bool:
    """Whether the server answers, but has unloaded the model that was asked for."""
    words = error.server_message.lower()
    gone = any(sign in words for sign in (_UNLOADED, _NOT_READY, _NOT_LOADED))
    return gone and isinstance(error, ServerUnavailableError)


def version_is_gone(error: RequestError) -> bool:
    """Whether the server does not serve the version that was asked for."""
    return isinstance(error, ModelNotFoundError) or model_is_gone(error)


def is_restricted(code: Any, details: str) -> bool:
    """Whether the server answers, but not to callers without the right header."""
    return code is grpc.StatusCode.UNAVAILABLE and _RESTRICTED in details.lower()


def region_is_gone(error: RequestError) -> bool:
    """Whether the server does not know the shared-memory region, as after its restart."""
    words = error.server_message.lower()
    return _REGION in words and ("not found" in words or "unable to find" in words)


def plain_words(details: str) -> str:
    """The server's words without Triton's notes on which ensemble and request they are about."""
    return _ROUTING.sub("", details).strip()


def _error_class(code: Any, words: str, call: CallRecord) -> type[RequestError]:
    lower = words.lower()
    if code is grpc.StatusCode.UNAVAILABLE:
        if _QUEUE_FULL in lower:
            return ServerOverloadedError
        if _LEFT_IN_QUEUE in lower:
            late = call.elapsed_s >= _LATE_SHARE * call.timeout_s
            return DeadlineExceededError if late else ServerOverloadedError
        if _RESTRICTED in lower:
            return AccessDeniedError
    if code is grpc.StatusCode.NOT_FOUND and _UNLOADED in lower:
        return ServerUnavailableError
    return STATUS_ERRORS[code]


def _message(error_class: type[RequestError], words: str, call: CallRecord) -> str:
    words = words or "the server gave no reason"
    if error_class is ServerUnavailableError and _NOT_LOADED in words:
        return f"The server at {call.address} lacks a part of {call.model}: {words}"
    if error_class is ServerUnavailableError:
        return (
            f"The server at {call.address} cannot be reached or is stopping: {words}. Start one "
            f"with packshot-serve, or check the address: it is the gRPC port, 8001 by default."
        )
    if error_class is ServerOverloadedError:
        return f"The server is overloaded: {words}. Send fewer requests at once, or try later."
    if error_class is DeadlineExceededError:
        return (
            f"No answer within {call.timeout_s:g} s: {words}. Give a larger timeout_s, or find "
            f"out why the server is slow."
        )
    if error_class is RequestCancelledError:
        return f"The call was cancelled before it was answered: {words}."
    if error_class is ModelNotFoundError:
        return f"The server does not serve {call.model or 'this call'}: {words}."
    if error_class is AccessDeniedError:
        return f"The server refused access: {words}. Check the credentials and headers."
    if error_class is ServerFaultError:
        return f"The server failed: {words}. Its log has more under the request id."
    return words
