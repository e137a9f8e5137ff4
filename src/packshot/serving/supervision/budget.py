"""How often something may be repeated, and how long to wait before the next time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class Budget:
    """Counts attempts within a sliding window.

    Args:
        limit: Attempts allowed within the window.
        window_s: Its length.
        backoff_s: Pause before the second attempt of a window, doubled with each one more.
        max_backoff_s: Longest pause.
        clock: Seconds that only ever grow.
    """

    def __init__(
        self,
        limit: int,
        window_s: float,
        *,
        backoff_s: float = 0.0,
        max_backoff_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self._window_s = window_s
        self._backoff_s = backoff_s
        self._max_backoff_s = max_backoff_s
        self._clock = clock
        self._spent: deque[float] = deque()

    def spend(self) -> float | None:
        """Take one attempt: seconds to wait before it, ``None`` when none is left."""
        now = self._clock()
        while self._spent and now - self._spent[0] > self._window_s:
            self._spent.popleft()
        earlier = len(self._spent)
        if earlier >= self.limit:
            return None
        self._spent.append(now)
        if not earlier:
            return 0.0
        return float(min(self._backoff_s * 2 ** (earlier - 1), self._max_backoff_s))
