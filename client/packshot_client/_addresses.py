"""Addresses: what a caller names, and the replicas behind it."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from packshot_client._exceptions import ConfigError

Address: TypeAlias = str | Sequence[str]
"""``host:port``, several of them (a list, or one text with commas), or ``dns:///host:port``."""

_HOST_PORT: Final = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.%\w]+\]):(\d{1,5})")
_DNS: Final = re.compile(r"dns:(?:///)?([^/]+)")
_GRPC_NAME: Final = re.compile(r"(ipv4|ipv6|unix|unix-abstract|xds):.+")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where the replicas are.

    Attributes:
        replicas: Their addresses; of a name to resolve, those known now.
        name: ``host:port`` whose addresses are each a replica; empty for a fixed list.
    """

    replicas: tuple[str, ...]
    name: str = ""

    def __str__(self) -> str:
        return f"dns:///{self.name}" if self.name else ",".join(self.replicas)


def parse_address(address: Address) -> Target:
    """What ``address`` names, without asking the network.

    Raises:
        ConfigError: gRPC cannot use it.
    """
    parts = address.split(",") if isinstance(address, str) else address
    try:
        texts = list(dict.fromkeys(part.strip() for part in parts))
    except (TypeError, AttributeError):
        raise _unusable(address) from None
    if not texts:
        raise _unusable(address)
    dns = _DNS.fullmatch(texts[0])
    if dns and len(texts) == 1:
        return Target(replicas=(_host_port(dns[1]),), name=dns[1])
    return Target(
        replicas=tuple(
            text if len(texts) == 1 and _GRPC_NAME.fullmatch(text) else _host_port(text)
            for text in texts
        )
    )


def resolve(name: str) -> tuple[str, ...]:
    """The addresses behind ``host:port``, each an own ``ip:port``. Blocks on DNS.

    Raises:
        OSError: There are none, or nobody knows.
    """
    host, _, port = name.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    addresses = [
        f"[{place[0]}]:{port}" if family == socket.AF_INET6 else f"{place[0]}:{port}"
        for family, _, _, _, place in found
    ]
    return tuple(dict.fromkeys(addresses))


def _host_port(text: str) -> str:
    match = _HOST_PORT.fullmatch(text)
    if match is None or not 0 < int(match[1]) < 65536:
        raise _unusable(text)
    return text


def _unusable(address: object) -> ConfigError:
    return ConfigError(
        f"the server's address must be host:port of its gRPC port, for example localhost:8001, "
        f"got {address!r}"
    )
