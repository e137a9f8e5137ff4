"""How a request can end."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Outcome(IntEnum):
    """How one request ended; the numbers are part of the result file."""

    OK = 0
    """Answered, and the answer is the known one."""
    WRONG = 1
    """Answered, but not with the known answer for its photo."""
    REJECTED = 2
    """Refused because a queue or memory was full."""
    TIMEOUT = 3
    """No answer within the deadline."""
    UNAVAILABLE = 4
    """Nobody answered, or the server was stopping."""
    FAILED = 5
    """The server failed, or its answer could not be read."""
    DROPPED = 6
    """Never sent: too many were in flight already. The generator's fault, or its limit's."""
    UNFINISHED = 7
    """Sent, and given up because the run ended."""

    @property
    def label(self) -> str:
        """In words for tables."""
        return self.name.lower()


WAITED: Final = (Outcome.OK, Outcome.WRONG, Outcome.TIMEOUT)
"""Outcomes whose time counts in latency percentiles. A timeout counts with the time its caller
waited; a refusal does not, as being fast to say no would flatter the percentiles."""
