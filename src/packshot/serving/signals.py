"""How a person or an orchestrator stops a server in the foreground."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

_SECOND_SIGNAL_AFTER_S = 1.0


def stop_on_signals(program: str) -> None:
    """Make Ctrl-C and SIGTERM raise KeyboardInterrupt, once for each that a person sent.

    Args:
        program: Who says on standard error that it stops.
    """
    first: list[float] = []

    def stop(_number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if first and now - first[0] < _SECOND_SIGNAL_AFTER_S:
            return  # The terminal and a parent such as make often both pass the same one on.
        if not first:
            first.append(now)
            sys.stderr.write(f"{program}: stopping, requests in flight are answered first\n")
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
