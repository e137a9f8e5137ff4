"""Service level objectives as a TOML file, and whether a run met them.

[all]                   # every request kind together
p99_ms = 150            # also p50_ms, p90_ms, p95_ms, p99.9_ms (quoted), max_ms, mean_ms
max_error_share = 0.001 # 0-1, of everything planned
min_throughput = 75     # right answers a second
min_goodput_share = 0.999  # right answers within deadline_ms, of everything planned
deadline_ms = 300

[page]                  # one kind, by its label
p99_ms = 2500
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from packshot_loadtest.errors import SettingsError, SloFileError
from packshot_loadtest.mix import kind_named
from packshot_loadtest.results.histograms import PERCENTILES
from packshot_loadtest.results.outcomes import Outcome
from packshot_loadtest.results.samples import Samples
from packshot_loadtest.results.summary import ALL

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_DEADLINE: Final = "deadline_ms"
_LATENCIES: Final = tuple(f"{name}_ms" for name in (*PERCENTILES, "mean", "max"))
_KEYS: Final = (
    *_LATENCIES,
    "max_error_share",
    "min_throughput",
    "min_goodput_share",
    _DEADLINE,
)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One bound.

    Attributes:
        kind: Label of a request kind, or ``all``.
        name: Key in the file.
        bound: Its value.
        deadline_ms: For ``min_goodput_share``.
    """

    kind: str
    name: str
    bound: float
    deadline_ms: float | None = None

    @property
    def is_least(self) -> bool:
        """Whether the bound is the least, not the most, that is wanted."""
        return self.name.startswith("min_")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One objective against a run.

    Attributes:
        objective: Which.
        measured: ``None`` if the run had nothing to measure it by.
        met: Whether it holds.
    """

    objective: Objective
    measured: float | None
    met: bool

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "kind": self.objective.kind,
            "objective": self.objective.name,
            "bound": self.objective.bound,
            "measured": self.measured,
            "met": self.met,
            "by": self.by(),
        }

    def by(self) -> float | None:
        """By how much it is missed (positive) or held, as a share of the bound."""
        if self.measured is None or not self.objective.bound:
            return None
        excess = self.measured / self.objective.bound - 1.0
        return -excess if self.objective.is_least else excess


def read_slo(path: Path) -> tuple[Objective, ...]:
    """Read a file of objectives.

    Raises:
        SloFileError: It cannot be read, or has a wrong key or value.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SloFileError(f"cannot read the SLO file {path}: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SloFileError(f"{path} is no TOML file: {error}") from error
    objectives = [
        objective for kind, table in tables.items() for objective in _table(path, kind, table)
    ]
    if not objectives:
        raise SloFileError(f"{path} has no objectives; expected for example [all] p99_ms = 150")
    return tuple(objectives)


def _table(path: Path, kind: str, table: Any) -> list[Objective]:
    if not isinstance(table, dict):
        raise SloFileError(
            f"{path}: {kind} stands outside of a table; put it under [all] or [{kind}]"
            if kind not in _KEYS
            else f"{path}: {kind} stands outside of a table; put it under [all]"
        )
    if kind != ALL:
        try:
            kind = kind_named(kind).label
        except SettingsError as error:
            raise SloFileError(f"{path}: table [{kind}]: {error}, or all") from error
    for key, value in table.items():
        if key == "p99" and isinstance(value, dict):
            raise SloFileError(f'{path}: [{kind}]: write "p99.9_ms" in quotation marks')
        if key not in _KEYS:
            raise SloFileError(
                f"{path}: [{kind}] has the unknown key {key!r}, expected one of {', '.join(_KEYS)}"
            )
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not (math.isfinite(value) and value >= 0):
            raise SloFileError(f"{path}: [{kind}] {key} must be a number of 0 or more, got {value}")
        if "share" in key and value > 1:
            raise SloFileError(f"{path}: [{kind}] {key} is a share, 0 to 1, got {value}")
    deadline_ms = table.get(_DEADLINE)
    if ("min_goodput_share" in table) != (deadline_ms is not None):
        raise SloFileError(f"{path}: [{kind}] min_goodput_share and {_DEADLINE} go together")
    return [
        Objective(kind=kind, name=key, bound=float(value), deadline_ms=deadline_ms)
        for key, value in table.items()
        if key != _DEADLINE
    ]


def check_objectives(
    objectives: tuple[Objective, ...],
    summary: dict[str, Any],
    samples: Samples,
    kinds: tuple[str, ...],
) -> list[Check]:
    """Each objective against a run.

    Args:
        objectives: As read.
        summary: From ``summarise``.
        samples: Of the measured part.
        kinds: Labels, as ``samples["kind"]`` counts them.
    """
    return [_check(objective, summary, samples, kinds) for objective in objectives]


def _check(
    objective: Objective, summary: dict[str, Any], samples: Samples, kinds: tuple[str, ...]
) -> Check:
    totals = summary.get(objective.kind)
    measured: float | None = None
    if totals is not None and totals["planned"]:
        if objective.name in _LATENCIES:
            measured = totals["latency_ms"][objective.name.removesuffix("_ms")]
        elif objective.name == "max_error_share":
            measured = totals["error_share"]
        elif objective.name == "min_throughput":
            measured = totals["throughput"]
        else:
            own = (
                samples
                if objective.kind == ALL
                else samples[samples["kind"] == kinds.index(objective.kind)]
            )
            in_time = own["latency_us"] <= (objective.deadline_ms or 0.0) * 1000.0
            good = int((in_time & (own["outcome"] == Outcome.OK)).sum())
            measured = good / totals["planned"]
    # Nothing measured is no proof: an objective on a kind that never came is missed.
    met = measured is not None and (
        measured >= objective.bound if objective.is_least else measured <= objective.bound
    )
    return Check(
        objective=objective,
        measured=measured if measured is None or np.isfinite(measured) else None,
        met=met,
    )
