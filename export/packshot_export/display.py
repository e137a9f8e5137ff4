"""Progress of each stage on the terminal; plain lines where there is none."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.status import Status


class StageDisplay:
    """A spinner for the stage at work, and a line with its seconds once it is done.

    Args:
        console: Where to; standard error keeps ``--json`` clean.
        total: How many stages there will be, where that is known.
    """

    def __init__(self, console: Console, total: int | None = None) -> None:
        self._console = console
        self._total = total
        self._count = 0
        self._stage = ""
        self._started = 0.0
        self._status: Status | None = None

    def __enter__(self) -> StageDisplay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end("failed" if error else "done")

    def __call__(self, stage: str) -> None:
        """Show that a stage has begun, and the one before ended."""
        self._end("done")
        self._count += 1
        self._stage, self._started = stage, time.monotonic()
        if self._console.is_terminal:
            self._status = self._console.status(f"{self._place()} {stage}")
            self._status.start()

    def _end(self, how: str) -> None:
        if not self._stage:
            return
        if self._status is not None:
            self._status.stop()
            self._status = None
        seconds = time.monotonic() - self._started
        words = f"{self._place()} {self._stage}: {how}, {seconds:.1f} s"
        self._console.print(words, highlight=False, markup=False)
        self._stage = ""

    def _place(self) -> str:
        return f"[{self._count}/{self._total}]" if self._total else f"[{self._count}]"
