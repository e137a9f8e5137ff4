"""Who may reach a server, and which of its protocols: TLS, and keys in headers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

RESTRICTABLE: Final = frozenset(
    {
        "health",
        "metadata",
        "inference",
        "shared-memory",
        "model-config",
        "model-repository",
        "statistics",
        "trace",
        "logging",
    }
)
"""The protocols that Triton can guard with a key."""

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
"""Addresses that only this machine reaches."""


@dataclass(frozen=True, kw_only=True)
class TlsOptions:
    """TLS of the gRPC endpoint. (Triton has none for HTTP: put a proxy before it, or bind HTTP
    to 127.0.0.1.)

    Attributes:
        certificate: PEM file with the server's certificate chain.
        key: PEM file with its private key.
        client_authority: PEM file with the authority that signs clients' certificates.
        mutual: Whether clients must show a certificate.
    """

    certificate: Path
    key: Path
    client_authority: Path | None = None
    mutual: bool = False

    def __post_init__(self) -> None:
        if self.mutual and self.client_authority is None:
            raise ValueError(
                "mutual TLS needs client_authority: the PEM file of the authority that signs "
                "the clients' certificates"
            )


@dataclass(frozen=True, kw_only=True)
class ProtocolGuard:
    """Protocols that answer only callers who send a key.

    Over gRPC the header is ``triton-grpc-protocol-<header>``, over HTTP plain ``<header>``.

    Attributes:
        protocols: Which ones, of ``RESTRICTABLE``.
        header: Name of the header.
        secret: The value expected in it.
    """

    protocols: tuple[str, ...]
    header: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.protocols) - RESTRICTABLE)
        if unknown or not self.protocols:
            raise ValueError(
                f"expected one or more of {', '.join(sorted(RESTRICTABLE))}, "
                f"got {', '.join(unknown) or 'none'}"
            )
        if not self.header or not self.secret or "=" in self.header:
            raise ValueError("a restricted protocol needs a header name without '=' and a value")

    @classmethod
    def parse(cls, text: str) -> ProtocolGuard:
        """Read Triton's own notation, ``protocol[,protocol]:header=value``."""
        protocols, colon, key = text.partition(":")
        header, equals, secret = key.partition("=")
        if not colon or not equals:
            raise ValueError(
                f"got {text!r}, expected protocol[,protocol]:header=value, "
                "for example model-repository,shared-memory:admin-key=SECRET"
            )
        names = tuple(name.strip() for name in protocols.split(","))
        return cls(protocols=names, header=header, secret=secret)
