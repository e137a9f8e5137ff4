"""Things that are done at their time during a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from packshot_loadtest.errors import ScenarioError


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing to do.

    Attributes:
        at_s: When, in seconds from the start of the schedule.
        name: For the report.
        do: It. May take its time: the load goes on.
    """

    at_s: float
    name: str
    do: Callable[[], None]


class Timeline:
    """Does actions one after the other, in a thread of its own, and keeps a log.

    Attributes:
        events: Unix time and name of each action's start and, with " done", its end.
    """

    def __init__(self, actions: Sequence[Action]) -> None:
        self.events: list[tuple[float, str]] = []
        self._actions = sorted(actions, key=lambda action: action.at_s)
        self._thread: threading.Thread | None = None
        self._started_s = 0.0
        self._error: Exception | None = None

    def on_tick(self, seconds: float) -> None:
        """Begin, the first time.

        Raises:
            ScenarioError: An action failed.
        """
        if self._thread is None:
            self._started_s = time.monotonic() - seconds
            self._thread = threading.Thread(target=self._run, name="scenario", daemon=True)
            self._thread.start()
        if self._error is not None:
            raise ScenarioError(f"the scenario broke off: {self._error}") from self._error

    def finish(self, timeout_s: float) -> None:
        """Wait for the last action.

        Raises:
            ScenarioError: An action failed or did not end.
        """
        if self._thread is None:
            raise ScenarioError("the load ended before the scenario began")
        self._thread.join(timeout_s)
        self.on_tick(0.0)
        if self._thread.is_alive():
            raise ScenarioError(f"an action did not end within {timeout_s:g} s: {self.events[-1]}")

    def unix_of(self, name: str) -> float:
        """When an event was."""
        return next(unix for unix, what in self.events if what == name)

    def _run(self) -> None:
        for action in self._actions:
            time.sleep(max(0.0, self._started_s + action.at_s - time.monotonic()))
            self.events.append((time.time(), action.name))
            try:
                action.do()
            except Exception as error:  # noqa: BLE001 - handed to the thread that waits
                self._error = error
                return
            self.events.append((time.time(), f"{action.name} done"))
