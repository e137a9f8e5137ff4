"""Calls: everything about asking the server except the sending.

Both clients make the same calls here and read the answers here; what is left to them is to send
:attr:`Call.message` with :attr:`Call.method` and to wait, each in its own way.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from tritonclient.grpc import service_pb2

from packshot.contracts import DEFAULT_POLICY, QUALITY
from packshot_client._config import ClientConfig, checked_address, checked_count, checked_timeout
from packshot_client._exceptions import (
    CallRecord,
    ClientError,
    InvalidResponseError,
    RequestError,
)
from packshot_client._requests import ImageSource, checked_policy, image_bytes, quality_request
from packshot_client._responses import UnreadableError, quality_results
from packshot_client._results import Health, QualityResult
from packshot_client._statuses import status_error

ScoreOutcome: TypeAlias = QualityResult | ClientError
"""What became of one of many images: its result, or why there is none."""

CHANNEL_OPTIONS: Final = (
    # Sizes are limited in ClientConfig, where the message can say what to do about it.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)

ResultT_co = TypeVar("ResultT_co", covariant=True)


class Reader(Protocol[ResultT_co]):
    """Makes a result of a response message, or raises :class:`UnreadableError`."""

    def __call__(self, response: Any, /) -> ResultT_co: ...


@dataclass(frozen=True, kw_only=True)
class Call(Generic[ResultT_co]):
    """One call, ready to send.

    Attributes:
        method: Name of the gRPC method.
        message: Its request.
        timeout_s: Its deadline.
        read: Makes the result of its response.
        address: Server it is for.
        model: Model it is for; empty for calls to the server itself.
        request_id: Empty for calls to the server itself.
    """

    method: str
    # Kept out of repr: it holds a whole image.
    message: Any = field(repr=False)
    timeout_s: float
    read: Reader[ResultT_co]
    address: str
    model: str = ""
    request_id: str = ""

    def result(self, response: Any, elapsed_s: float) -> ResultT_co:
        """What ``response`` means.

        Raises:
            InvalidResponseError: It cannot be read.
        """
        try:
            return self.read(response)
        except UnreadableError as error:
            raise InvalidResponseError(
                f"The server's answer cannot be read: {error}. Use a client and a server of the "
                f"same packshot release.",
                self._record(elapsed_s),
            ) from error

    def error(self, failure: Any, elapsed_s: float) -> RequestError:
        """What a ``grpc.RpcError`` means."""
        return status_error(failure.code(), failure.details(), self._record(elapsed_s))

    def _record(self, elapsed_s: float) -> CallRecord:
        return CallRecord(
            address=self.address,
            model=self.model,
            request_id=self.request_id,
            timeout_s=self.timeout_s,
            elapsed_s=elapsed_s,
        )


class CallFactory:
    """Makes the calls of one client.

    Raises:
        ConfigError: ``address`` is not one.
    """

    def __init__(self, address: str, config: ClientConfig | None) -> None:
        self.address = checked_address(address)
        self.config = config or ClientConfig()

    def check(self, *, policy: str, timeout_s: float | None) -> None:
        """Raise the ``ConfigError`` that ``score`` would, without an image."""
        checked_policy(policy)
        self._timeout_s(timeout_s)

    def in_flight(self, max_in_flight: int | None) -> int:
        """How many calls may be under way at a time."""
        if max_in_flight is None:
            return self.config.max_in_flight
        return checked_count(max_in_flight, "max_in_flight")

    def score(
        self, image: ImageSource, *, policy: str, timeout_s: float | None
    ) -> Call[QualityResult]:
        """Ask for the verdict on one image. Reads the image, which can block.

        Raises:
            ConfigError: ``policy`` or ``timeout_s`` cannot be used.
            ImageSourceError: The image cannot be read.
        """
        policy = checked_policy(policy)
        seconds = self._timeout_s(timeout_s)
        request_id = uuid.uuid4().hex
        message = quality_request(
            [image_bytes(image, self.config.max_image_bytes)],
            policy=policy,
            timeout_s=seconds,
            request_id=request_id,
            model_version=self.config.model_version,
        )
        return Call(
            method="ModelInfer",
            message=message,
            timeout_s=seconds,
            read=_single_result,
            address=self.address,
            model=QUALITY.name,
            request_id=request_id,
        )

    def server_ready(self, timeout_s: float | None = None) -> Call[bool]:
        """Ask whether the server says that it is ready."""
        seconds = self.config.health_timeout_s if timeout_s is None else checked_timeout(timeout_s)
        return Call(
            method="ServerReady",
            message=service_pb2.ServerReadyRequest(),
            timeout_s=seconds,
            read=lambda response: bool(response.ready),
            address=self.address,
        )

    def server_version(self) -> Call[str]:
        """Ask which Triton it is."""
        return Call(
            method="ServerMetadata",
            message=service_pb2.ServerMetadataRequest(),
            timeout_s=self.config.health_timeout_s,
            read=lambda response: str(response.version),
            address=self.address,
        )

    def test_image(self) -> Call[QualityResult]:
        """Ask for the verdict on a small test image."""
        return self.score(
            _TEST_IMAGE, policy=DEFAULT_POLICY, timeout_s=self.config.health_timeout_s
        )

    def health(
        self,
        *,
        ready: bool | RequestError,
        version: str | RequestError,
        test: QualityResult | RequestError,
        latency_s: float,
    ) -> Health:
        """What the outcomes of the three calls above mean together."""
        says_ready = ready is True
        answering = isinstance(test, QualityResult)
        if isinstance(ready, RequestError):
            problem = ready.message
        elif isinstance(test, RequestError):
            problem = f"A test image could not be scored. {test.message}"
        else:
            problem = "" if says_ready else "It scores images, but says that it is not ready."
        return Health(
            address=self.address,
            reachable=answering or not isinstance(ready, RequestError),
            ready=says_ready,
            answering=answering,
            version=version if isinstance(version, str) else "",
            latency_s=latency_s if answering else None,
            problem=problem,
        )

    def _timeout_s(self, timeout_s: float | None) -> float:
        return self.config.timeout_s if timeout_s is None else checked_timeout(timeout_s)


def _single_result(response: Any) -> QualityResult:
    results = quality_results(response)
    if len(results) != 1:
        raise UnreadableError(f"{len(results)} results for one image")
    return results[0]


def _grey_png(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * side) * side
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


_TEST_IMAGE: Final = _grey_png(32)
