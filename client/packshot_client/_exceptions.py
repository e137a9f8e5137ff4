"""The exception tree of the client.

    ClientError
    ├── ConfigError                    a setting or argument that cannot be used
    ├── ClientClosedError              the client was used after close()
    ├── ForeignUseError                used in another process or event loop than its own
    ├── ImageSourceError               the image could not be read here; nothing was sent
    └── RequestError                   a call to the server failed; carries a CallRecord
        ├── ServerUnavailableError         nobody answers, or the server is stopping
        ├── ServerOverloadedError          the server's queue or memory is full
        ├── DeadlineExceededError          no answer within timeout_s
        ├── RequestCancelledError          the call was cancelled
        ├── InvalidInputError              the server cannot take this image or this request
        │   └── UnknownPolicyError             the server has no policy of that name
        ├── ModelNotFoundError             the server does not serve that model or version
        ├── AccessDeniedError              credentials are missing or refused
        ├── ServerFaultError               the server failed on its side
        └── InvalidResponseError           an answer that this client cannot read

gRPC and Triton statuses become these classes in ``_statuses``, and nowhere else. A message says
what was got, what was expected and what to do; ``str()`` of a :class:`RequestError` adds which
call it was.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """Which call an error is about.

    Attributes:
        address: Server that was asked, of several the last.
        model: Model that was asked; empty for calls to the server itself.
        request_id: Also in the server's log; empty for calls to the server itself.
        timeout_s: Deadline of the call, counted from its start.
        elapsed_s: Time from the start of the call to the error.
        attempts: How often it was sent.
        model_version: Version that was asked for; empty if the server chose.
        responses: What a stream had given before it broke off: its number of pictures.
    """

    address: str
    model: str
    request_id: str
    timeout_s: float
    elapsed_s: float
    attempts: int = 1
    model_version: str = ""
    responses: int = 0

    def __str__(self) -> str:
        parts = [self.address]
        if self.model:
            version = f" version {self.model_version}" if self.model_version else ""
            parts.append(f"model {self.model}{version}")
        if self.request_id:
            parts.append(f"request {self.request_id}")
        attempts = f" and {self.attempts} attempts" if self.attempts > 1 else ""
        parts.append(f"after {self.elapsed_s * 1000:.0f} ms{attempts}")
        return ", ".join(parts)


class ClientError(Exception):
    """Base of everything the client raises on purpose.

    Attributes:
        message: What happened and what to do, in words for a person.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigError(ClientError):
    """A setting or argument that cannot be used."""


class ClientClosedError(ClientError):
    """The client was used after ``close()``."""


class ForeignUseError(ClientError):
    """The client was used in another process, or another event loop, than the one it is of."""


class ImageSourceError(ClientError):
    """The image could not be read here; nothing was sent."""


class RequestError(ClientError):
    """A call to the server failed.

    Attributes:
        call: Which call.
        status: Name of the gRPC status, such as ``"UNAVAILABLE"``; empty when the server did
            answer.
        server_message: The server's own words, unedited.
    """

    def __init__(
        self, message: str, call: CallRecord, status: str = "", server_message: str = ""
    ) -> None:
        super().__init__(message)
        self.call = call
        self.status = status
        self.server_message = server_message

    def __str__(self) -> str:
        status = f"{self.status}, " if self.status else ""
        return f"{self.message} [{status}{self.call}]"

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own way forgets every argument but the message, and errors are values that
        # worker processes send back.
        return (type(self), (self.message, self.call, self.status, self.server_message))


class ServerUnavailableError(RequestError):
    """Nobody answers at the address, or the server is stopping."""


class ServerOverloadedError(RequestError):
    """The server's queue or memory is full."""


class DeadlineExceededError(RequestError):
    """No answer within ``timeout_s``."""


class RequestCancelledError(RequestError):
    """The call was cancelled before it was answered."""


class InvalidInputError(RequestError):
    """The server cannot take this image or this request."""


class UnknownPolicyError(InvalidInputError):
    """The server has no policy of that name."""


class ModelNotFoundError(RequestError):
    """The server does not serve that model or version."""


class AccessDeniedError(RequestError):
    """Credentials are missing or refused."""


class ServerFaultError(RequestError):
    """The server failed on its side."""


class InvalidResponseError(RequestError):
    """An answer that this client cannot read."""
