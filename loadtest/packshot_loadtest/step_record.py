"""What a long comparison has measured so far: kept after each step, so that it can go on later."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from packshot_loadtest.errors import ResultFileError

SCHEMA: Final = 1


@dataclass(kw_only=True)
class StepRecord:
    """Measurements by step.

    Attributes:
        path: JSON file; ``None`` keeps them in memory alone.
        context: What it was measured on and with.
        steps: What each step gave, by its name.
    """

    path: Path | None
    context: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, step: str, values: dict[str, Any]) -> None:
        """Keep what a step gave."""
        self.steps[step] = values
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        staged = self.path.with_suffix(".part")
        staged.write_text(
            json.dumps({"schema": SCHEMA, "context": self.context, "steps": self.steps}, indent=1)
            + "\n"
        )
        # At once or not at all: a half-written file could not be gone on with.
        staged.replace(self.path)

    def values(self, prefix: str, key: str) -> list[float]:
        """A number of all steps whose name begins so."""
        found = [values.get(key) for name, values in self.steps.items() if name.startswith(prefix)]
        return [float(value) for value in found if value is not None]

    def median(self, prefix: str, key: str) -> float | None:
        """The median of :meth:`values`; ``None`` if there are none."""
        found = self.values(prefix, key)
        return statistics.median(found) if found else None


def open_record(
    path: Path | None, context: dict[str, Any], *, fresh: bool, way_out: str
) -> StepRecord:
    """The record to go on with, or a new one.

    Args:
        path: JSON file; ``None`` for a record in memory.
        context: With ``settings``, which those of the file must equal but for ``repeats``: more
            of them can be measured later, and the record tells the last number.
        fresh: Begin anew, whatever the file has.
        way_out: What the caller can do about a file of other settings.

    Raises:
        ResultFileError: The file is of other settings.
    """
    if fresh or path is None or not path.exists():
        return StepRecord(path=path, context=context)
    try:
        kept = json.loads(path.read_text())
        settings = context["settings"]
        same = _but_repeats(kept["context"]["settings"]) == _but_repeats(settings)
        if kept["schema"] != SCHEMA or not same:
            raise ResultFileError(f"{path} was measured with other settings; {way_out}")
        return StepRecord(
            path=path, context={**kept["context"], "settings": settings}, steps=kept["steps"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultFileError(f"cannot go on with {path}: {error!r}; {way_out}") from error


def _but_repeats(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "repeats"}
