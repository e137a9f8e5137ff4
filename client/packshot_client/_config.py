"""Settings of a client, checked when they are made."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from packshot_client._exceptions import ConfigError

MIB: Final = 1024 * 1024

_HOST_PORT = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.%\w]+\]):(\d{1,5})")
_GRPC_NAME = re.compile(r"(dns|ipv4|ipv6|unix|unix-abstract|xds):")


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """Settings of a client.

    | setting              | what it limits                                            |
    |----------------------|-----------------------------------------------------------|
    | ``timeout_s``        | one call, from its start to its answer                     |
    | ``health_timeout_s`` | each question of ``server_ready`` and ``health``           |
    | ``max_in_flight``    | calls of one ``score_many`` that are under way at a time   |
    | ``max_image_bytes``  | one encoded image, checked before anything is sent         |

    Attributes:
        model_version: Version to ask for; empty leaves the choice to the server.
    """

    timeout_s: float = 10.0
    health_timeout_s: float = 2.0
    max_in_flight: int = 8
    max_image_bytes: int = 128 * MIB
    model_version: str = ""

    def __post_init__(self) -> None:
        checked_timeout(self.timeout_s, "timeout_s")
        checked_timeout(self.health_timeout_s, "health_timeout_s")
        checked_count(self.max_in_flight, "max_in_flight")
        checked_count(self.max_image_bytes, "max_image_bytes")
        if self.model_version and not self.model_version.isdecimal():
            raise ConfigError(
                f"model_version must be a whole number as text, or empty for the server's "
                f"choice, got {self.model_version!r}"
            )


def checked_timeout(timeout_s: float, name: str = "timeout_s") -> float:
    """``timeout_s`` if it is a number of seconds above 0.

    Raises:
        ConfigError: It is not.
    """
    is_number = isinstance(timeout_s, int | float) and not isinstance(timeout_s, bool)
    if not is_number or not math.isfinite(timeout_s) or timeout_s <= 0:
        raise ConfigError(f"{name} must be a number of seconds above 0, got {timeout_s!r}")
    return float(timeout_s)


def checked_count(count: int, name: str) -> int:
    """``count`` if it is a whole number of 1 or more.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ConfigError(f"{name} must be a whole number of 1 or more, got {count!r}")
    return count


def checked_address(address: str) -> str:
    """``address`` if gRPC can use it: ``host:port``, or a gRPC name such as ``dns:///host:port``.

    Raises:
        ConfigError: It cannot.
    """
    if isinstance(address, str):
        if _GRPC_NAME.match(address) and not address.endswith(":"):
            return address
        match = _HOST_PORT.fullmatch(address)
        if match and 0 < int(match[1]) < 65536:
            return address
    raise ConfigError(
        f"the server's address must be host:port of its gRPC port, for example localhost:8001, "
        f"got {address!r}"
    )
