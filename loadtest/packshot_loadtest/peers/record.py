"""What the comparison has measured so far: kept after each step, so that it can go on later."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from packshot_loadtest.errors import ResultFileError

SCHEMA: Final = 1


@dataclass(kw_only=True)
class PeerRecord:
    """Measurements by step.

    Attributes:
        path: JSON file.
        context: What it was measured on and with.
        steps: What each step gave, by its name.
    """

    path: Path
    context: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, step: str, values: dict[str, Any]) -> None:
        """Keep what a step gave."""
        self.steps[step] = values
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


def open_record(path: Path, context: dict[str, Any], *, fresh: bool) -> PeerRecord:
    """The record to go on with, or a new one.

    Raises:
        ResultFileError: The file is of other settings.
    """
    if fresh or not path.exists():
        return PeerRecord(path=path, context=context)
    try:
        kept = json.loads(path.read_text())
        same = kept["schema"] == SCHEMA and kept["context"]["settings"] == context["settings"]
        if not same:
            raise ResultFileError(
                f"{path} was measured with other settings; give --fresh to begin anew, or --out"
            )
        return PeerRecord(path=path, context=kept["context"], steps=kept["steps"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultFileError(f"cannot go on with {path}: {error!r}; give --fresh") from error


_COLUMNS: Final = (
    ("knee, photos/s at the p99 bound", "knee", ".knee", "rate", "{:.1f}"),
    ("of in-process", "share", "", "", "{:.2f}"),
    ("p50 ms at equal load", "p50", ".equal", "p50_ms", "{:.1f}"),
    ("p99 ms at equal load", "p99", ".equal", "p99_ms", "{:.1f}"),
    ("memory MiB", "memory", ".", "memory_mib", "{:.0f}"),
    ("cold start s", "cold", ".", "cold_start_s", "{:.1f}"),
)


def markdown(record: PeerRecord, tables: Iterable[tuple[str, str]], servers: list[str]) -> str:
    """The tables, for the documentation: medians over the repeats, a dash where nothing is
    measured yet."""
    floor = record.median("floor", "throughput")
    lines = []
    for slug, title in tables:
        lines += [f"### {title}", "", "| | " + " | ".join(c[0] for c in _COLUMNS) + " |"]
        lines.append("|---" * (len(_COLUMNS) + 1) + "|")
        for server in servers:
            knee = record.median(f"{slug}.{server}.knee", "rate")
            cells = []
            for _, name, suffix, key, form in _COLUMNS:
                value = record.median(f"{slug}.{server}{suffix}", key) if key else None
                if name == "share":
                    value = knee / floor if knee and floor else None
                cells.append("–" if value is None else form.format(value))
            lines.append(f"| {server} | " + " | ".join(cells) + " |")
        if floor is not None:
            lines.append(f"| in-process, no server | {floor:.1f} | 1.00 | – | – | – | – |")
        lines.append("")
    return "\n".join(lines)
