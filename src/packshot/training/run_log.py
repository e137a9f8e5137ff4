"""The log of a training run: a CSV file, a row each time something was measured."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Add a row, rounded to five digits; a new file gets the names of the columns first."""
    new = not path.is_file()
    with path.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow({name: round(value, 5) for name, value in row.items()})


class RunningMeans:
    """Means of named values since the last row; each may be there in some of the steps only.

    Args:
        names: Of all of them, in the order of the columns.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._sums = dict.fromkeys(names, 0.0)
        self._counts = dict.fromkeys(self._sums, 0)

    def add(self, values: Mapping[str, float]) -> None:
        """Take in the values of a step."""
        for name, value in values.items():
            self._sums[name] += value
            self._counts[name] += 1

    def means(self) -> dict[str, float]:
        """By name; NaN where there was no value yet."""
        return {
            name: total / self._counts[name] if self._counts[name] else math.nan
            for name, total in self._sums.items()
        }
