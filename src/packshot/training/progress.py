"""Progress on the terminal: a bar where there is one, a line now and then in a log file."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

LOG_EVERY = 50


class StageProgress:
    """One bar for each stage of the work, by name."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            refresh_per_second=1,
        )
        self._stages: dict[str, TaskID] = {}

    def __enter__(self) -> StageProgress:
        self._progress.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def advance(
        self, stage: str, done: int, total: int, note: str = "", label: str | None = None
    ) -> None:
        """Show that ``done`` of ``total`` of a stage is finished; ``label`` renames the stage."""
        if stage not in self._stages:
            self._stages[stage] = self._progress.add_task(stage, total=total, note=note)
        self._progress.update(
            self._stages[stage], completed=done, description=label or stage, note=note
        )
        if not self._console.is_terminal and (done % LOG_EVERY == 0 or done == total):
            self._console.print(f"{label or stage} {done}/{total} {note}".rstrip(), markup=False)
