"""Request ids: those that callers give, and those that are made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from typing import Final

from packshot_client._exceptions import ConfigError

_MAX_LENGTH: Final = 256


def checked_request_id(request_id: str) -> str:
    """``request_id`` if it can be one.

    Raises:
        ConfigError: It is no text, empty, or too long.
    """
    if not isinstance(request_id, str) or not 0 < len(request_id) <= _MAX_LENGTH:
        raise ConfigError(
            f"request_id must be a text of 1 to {_MAX_LENGTH} characters, got {request_id!r}"
        )
    try:
        request_id.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"request_id must be Unicode text, got {request_id!r}") from error
    return request_id


class RequestIds:
    """Ids as unique as random ones: it begins at random and counts, without asking the kernel."""

    def __init__(self) -> None:
        self._numbers: Iterator[int]
        self._begin()
        if hasattr(os, "register_at_fork"):
            # The children of a process would all go on from where it was.
            os.register_at_fork(after_in_child=self._begin)

    def new(self) -> str:
        """32 hexadecimal digits; safe in threads."""
        return f"{next(self._numbers):032x}"

    def _begin(self) -> None:
        # Bits are left for the count.
        self._numbers = count(int.from_bytes(os.urandom(11), "big") << 40)


REQUEST_IDS: Final = RequestIds()
"""Those of this process: an at-fork hook stays for ever, so there is one for all clients."""
