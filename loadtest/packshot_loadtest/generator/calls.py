"""Calls: one request of a kind, from payload to answer, or how it failed."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from packshot.contracts import IMAGE, MODELS, ModelSpec
from packshot_loadtest.answers import Answer
from packshot_loadtest.errors import SettingsError, UnknownModelError
from packshot_loadtest.mix import PAGE_SIZE, RequestKind
from packshot_loadtest.results.outcomes import Outcome

CATEGORIES: Final = ("watches", "shoes", "bags", "shirts")
"""What ``generate`` is asked for in turn."""


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


@dataclass(frozen=True, kw_only=True)
class Target:
    """Which server is asked, and how patiently.

    Attributes:
        grpc: ``host:port``, for gRPC kinds.
        http: ``host:port``, for REST kinds and peers.
        timeout_s: Deadline of a request.
        shared_memory: Whether pixels travel through shared memory.
    """

    grpc: str
    http: str = ""
    timeout_s: float = 10.0
    shared_memory: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s < 3600:
            raise SettingsError(
                f"timeout must be more than 0 and under 3600 s, got {self.timeout_s}"
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


def picture_spec(kind: RequestKind) -> ModelSpec:
    """The contract of a model that returns pictures.

    Raises:
        UnknownModelError: This packshot has none of that name.
    """
    spec = MODELS.get(kind.model)
    if spec is None:
        raise UnknownModelError(
            f"this packshot has no model {kind.model!r} in its contracts, it has"
            f" {', '.join(sorted(MODELS))}"
        )
    return spec


def picture_inputs(spec: ModelSpec, photo: bytes, item: int) -> dict[str, bytes]:
    """The inputs of one request for a picture, as the contract names them.

    Raises:
        UnknownModelError: It needs an input that load tests have no value for.
    """
    known: Mapping[str, bytes] = {
        IMAGE.name: photo,
        "CATEGORY": CATEGORIES[item % len(CATEGORIES)].encode(),
        "SEED": str(item).encode(),
    }
    needed = [tensor.name for tensor in spec.inputs if not tensor.optional]
    missing = [name for name in needed if name not in known]
    if missing:
        raise UnknownModelError(f"{spec.name} needs {', '.join(missing)}, which load tests lack")
    return {tensor.name: known[tensor.name] for tensor in spec.inputs if tensor.name in known}


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
