"""Calls: one request of a kind, from payload to answer, or how it failed."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Protocol

from packshot.contracts import CATEGORIES
from packshot_loadtest.answers import Answer
from packshot_loadtest.errors import SettingsError
from packshot_loadtest.mix import PAGE_SIZE, RequestKind
from packshot_loadtest.results.outcomes import Outcome


@dataclass(frozen=True, kw_only=True)
class Payloads:
    """What is sent.

    Attributes:
        photos: Encoded photos.
        views: The two views of each, 150,528 bytes each; empty when no request sends pixels.
    """

    photos: tuple[bytes, ...] = field(repr=False)
    views: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)

    def page(self, item: int) -> list[int]:
        """The photos of the page that starts at ``item``: 24, going round."""
        return [(item + step) % len(self.photos) for step in range(PAGE_SIZE)]

    def category(self, item: int) -> str:
        """What ``generate`` is asked for, each category in turn; its seed is the item."""
        return CATEGORIES[item % len(CATEGORIES)]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Which server is asked, and how patiently.

    Attributes:
        grpc: ``host:port``, for gRPC kinds.
        http: ``host:port``, for REST kinds and peers.
        timeout_s: Deadline of a request.
        shared_memory: Whether pixels travel through shared memory.
        tls_ca: PEM file of the authority that gRPC servers are trusted by; empty sends in the
            clear. Workers on other hosts need it, and the others, at the same place.
        tls_certificate: PEM file of the sender's own certificate; empty shows none.
        tls_key: PEM file of its private key.
    """

    grpc: str
    http: str = ""
    timeout_s: float = 10.0
    shared_memory: bool = False
    tls_ca: str = ""
    tls_certificate: str = ""
    tls_key: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s < 3600:
            raise SettingsError(
                f"timeout must be more than 0 and under 3600 s, got {self.timeout_s}"
            )
        if bool(self.tls_certificate) != bool(self.tls_key) or (self.tls_key and not self.tls_ca):
            raise SettingsError(
                "TLS needs --tls-ca, and mutual TLS --tls-certificate and --tls-key as well"
            )


class CallFailedError(Exception):
    """A request that got no answer.

    Attributes:
        outcome: How it ended.
    """

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class Caller(Protocol):
    """Sends requests of one protocol. Greenlets and threads may share one."""

    def call(self, kind: RequestKind, item: int) -> list[Answer]:
        """Ask about one payload; the answers, of a page one per photo.

        Raises:
            CallFailedError: There is no answer.
        """

    def close(self) -> None:
        """Give back connections."""


def first_element(raw: bytes) -> bytes:
    """The first element of a BYTES tensor in Triton's raw form: a length, then the bytes."""
    (length,) = struct.unpack_from("<I", raw)
    return raw[4 : 4 + length]


def raw_element(data: bytes) -> bytes:
    """One element of a BYTES tensor in Triton's raw form."""
    return struct.pack("<I", len(data)) + data


def failure_of(error: Any, outcome: Outcome) -> CallFailedError:
    """The failure that an exception means, with its words."""
    return CallFailedError(outcome, f"{type(error).__name__}: {error}"[:300])
