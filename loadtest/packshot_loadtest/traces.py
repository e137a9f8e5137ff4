"""Recorded traces: a CSV file of when requests came and what they asked for.

    seconds,kind
    0.000,score
    0.013,page

``seconds`` counts from any origin, Unix time included. ``kind`` may be left out: all ``score``.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from packshot_loadtest.arrivals import Times
from packshot_loadtest.errors import SettingsError, TraceError
from packshot_loadtest.mix import RequestKind, kind_named

_TIME, _KIND = "seconds", "kind"


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What a trace says.

    Attributes:
        times: Due times in seconds from the first, ascending.
        kinds: The kind of each request.
    """

    times: Times
    kinds: tuple[RequestKind, ...]


def read_trace(path: Path, *, speed: float = 1.0) -> Trace:
    """Read a trace.

    Args:
        path: The CSV file.
        speed: 2 replays it in half its time.

    Raises:
        TraceError: It cannot be read, has no requests, goes back in time, or has unknown kinds.
    """
    if not (math.isfinite(speed) and speed > 0):
        raise SettingsError(f"speed must be more than 0, got {speed}")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if _TIME not in (rows.fieldnames or ()):
                raise TraceError(
                    f"{path} has the columns {', '.join(rows.fieldnames or ()) or '(none)'},"
                    f" expected {_TIME} and, if you like, {_KIND}"
                )
            return _trace(path, list(rows), speed)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"cannot read the trace {path}: {error}") from error


def write_trace(path: Path, times: Sequence[float], kinds: Sequence[RequestKind]) -> None:
    """Write a trace that :func:`read_trace` reads."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow((_TIME, _KIND))
        writer.writerows(
            (f"{time:.6f}", kind.label) for time, kind in zip(times, kinds, strict=True)
        )


def _trace(path: Path, rows: list[dict[str, str]], speed: float) -> Trace:
    if not rows:
        raise TraceError(f"{path} has no requests")
    times: list[float] = []
    kinds: list[RequestKind] = []
    for number, row in enumerate(rows, start=2):
        text = row[_TIME]
        try:
            time = float(text)
        except (TypeError, ValueError):
            time = math.nan
        if not math.isfinite(time):
            raise TraceError(f"{path}, line {number}: expected seconds as a number, got {text!r}")
        if times and time < times[-1]:
            raise TraceError(
                f"{path}, line {number}: goes back in time, from {times[-1]:g} to {time:g} s;"
                " sort the file by time"
            )
        times.append(time)
        try:
            kinds.append(kind_named(row.get(_KIND) or "score"))
        except SettingsError as error:
            raise TraceError(f"{path}, line {number}: {error}") from error
    return Trace(times=(np.array(times) - times[0]) / speed, kinds=tuple(kinds))
