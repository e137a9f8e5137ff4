"""The tables of the comparison with peers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from packshot_loadtest.step_record import StepRecord

_COLUMNS: Final = (
    ("knee, photos/s at the p99 bound", "knee", ".knee", "rate", "{:.1f}"),
    ("of in-process", "share", "", "", "{:.2f}"),
    ("p50 ms at equal load", "p50", ".equal", "p50_ms", "{:.1f}"),
    ("p99 ms at equal load", "p99", ".equal", "p99_ms", "{:.1f}"),
    ("memory MiB", "memory", ".", "memory_mib", "{:.0f}"),
    ("cold start s", "cold", ".", "cold_start_s", "{:.1f}"),
)


def markdown(record: StepRecord, tables: Iterable[tuple[str, str]], servers: list[str]) -> str:
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
