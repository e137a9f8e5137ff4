"""Budgets: how many extra requests may be sent, and how late is late."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

_WINDOW: Final = 512
_LEAST: Final = 32
_REFRESH: Final = 32


class Budget:
    """Tokens for extra requests: every call earns a share of one, every extra request costs one.

    Over any stretch of calls there are at most ``share`` x calls + ``reserve`` extra requests.

    Args:
        share: Tokens a call earns.
        reserve: Tokens that can be saved, and are there at the start.
    """

    def __init__(self, share: float, reserve: float) -> None:
        self._share = share
        self._most = max(reserve, 1.0) if share > 0 else float(reserve)
        self._tokens = float(reserve)
        self._lock = threading.Lock()

    def earn(self) -> None:
        """One call was made."""
        if self._tokens >= self._most:
            return
        with self._lock:
            self._tokens = min(self._most, self._tokens + self._share)

    def spend(self) -> bool:
        """Take a token; ``False`` if there is none."""
        with self._lock:
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True


class Latencies:
    """The latest latencies of one model, for the delay of hedged requests."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=_WINDOW)
        self._since = 0
        self._p95_s: float | None = None

    def add(self, seconds: float) -> None:
        """One answer took ``seconds``."""
        self._latest.append(seconds)
        self._since += 1
        if self._since >= _REFRESH:
            # A copy, as other threads append; races at worst make it one sample older.
            ordered = sorted(self._latest.copy())
            self._since = 0
            if len(ordered) >= _LEAST:
                self._p95_s = ordered[int(len(ordered) * 0.95)]

    @property
    def p95_s(self) -> float | None:
        """95th percentile; ``None`` until there are enough answers to tell."""
        return self._p95_s
