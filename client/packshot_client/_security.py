"""Who the client is and whom it trusts: TLS, headers, credentials. Secrets stay out of repr."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc

from packshot_client._exceptions import ConfigError

_HEADER_NAME: Final = re.compile(r"[0-9a-z_.-]+")


@dataclass(frozen=True, kw_only=True)
class Tls:
    """TLS towards the server; with ``certificate`` and ``key`` both sides prove who they are.

    Attributes:
        ca: PEM file of the authorities to trust; ``None`` for those that gRPC brings.
        certificate: PEM file of the client's own certificate chain.
        key: PEM file of its private key.
        server_name: Name that the server's certificate must have, if not that of the address.
    """

    ca: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    server_name: str = ""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("mutual TLS needs both certificate and key, got only one of them")

    def channel_credentials(self) -> Any:
        """What gRPC wants.

        Raises:
            ConfigError: A file cannot be read.
        """
        return grpc.ssl_channel_credentials(
            root_certificates=_pem(self.ca),
            private_key=_pem(self.key),
            certificate_chain=_pem(self.certificate),
        )


@dataclass(frozen=True, kw_only=True)
class Security:
    """TLS, headers and credentials of every call.

    Attributes:
        tls: ``None`` sends in the clear.
        headers: Sent with each call, such as the key of a restricted Triton protocol:
            ``{"triton-grpc-protocol-infer-key": key}``. Names in lower case.
        token: Bearer token, or a function that gives the current one (called for each attempt;
            it must not block). Only over TLS.
        call_credentials: ``grpc.CallCredentials`` for everything else. Only over TLS.
    """

    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: str | Callable[[], str] | None = field(default=None, repr=False)
    call_credentials: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, value in self.headers.items():
            if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
                raise ConfigError(
                    f"a header's name must be lower-case letters, digits, '-', '_' or '.', "
                    f"got {name!r}"
                )
            if not isinstance(value, str) or not value.isascii() or not value.isprintable():
                # Not shown: it may be a secret.
                raise ConfigError(f"the header {name} must be printable ASCII text")
        if self.tls is None and (self.token is not None or self.call_credentials is not None):
            raise ConfigError(
                "a token or call credentials would travel in the clear: give tls=Tls(...) as well"
            )

    def channel_credentials(self) -> Any:
        """What gRPC wants; ``None`` for a channel in the clear.

        Raises:
            ConfigError: A file cannot be read.
        """
        if self.tls is None:
            return None
        credentials = self.tls.channel_credentials()
        if self.call_credentials is None:
            return credentials
        return grpc.composite_channel_credentials(credentials, self.call_credentials)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The headers of one attempt."""
        headers = tuple(self.headers.items())
        if self.token is None:
            return headers
        token = self.token if isinstance(self.token, str) else self.token()
        return (*headers, ("authorization", f"Bearer {token}"))


def _pem(path: str | os.PathLike[str] | None) -> bytes | None:
    if path is None:
        return None
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{os.fspath(path)} cannot be read: {error.strerror}") from error
    if b"-----BEGIN" not in data:
        raise ConfigError(f"{os.fspath(path)} is no PEM file: there is no '-----BEGIN' in it")
    return data
