"""The result of a run: everything that was measured and how, as one JSON file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from packshot_loadtest.errors import (
    FAILED,
    INTERRUPTED,
    INVALID,
    PASSED,
    ResultFileError,
)
from packshot_loadtest.results.samples import Samples, measured, packed, unpacked

SCHEMA: Final = 1


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One run.

    Attributes:
        name: For headings.
        date: When it started, ISO 8601 in UTC.
        settings: Of the run, all of them.
        machine: Of the generator.
        versions: Of the generator's packages, and of Triton.
        server: What the server says it is.
        kinds: Labels of the request kinds, as samples count them.
        duration_s: Length of the measured part.
        summary: From ``summarise``.
        series: From ``per_second``.
        generator: From ``generator_health``.
        checks: Objectives against the run.
        messages: What went wrong, and how often.
        notes: What a reader should know.
        server_series: From ``server_series``.
        histograms: Encoded.
        interrupted: Whether it was stopped early.
        samples: A row per request of the measured part.
        events: What happened when, in seconds of the time axis.
    """

    name: str
    date: str
    settings: dict[str, Any]
    machine: dict[str, Any]
    versions: dict[str, str]
    server: dict[str, Any]
    kinds: tuple[str, ...]
    duration_s: float
    summary: dict[str, Any]
    series: dict[str, Any]
    generator: dict[str, Any]
    checks: list[dict[str, Any]]
    messages: dict[str, int]
    notes: tuple[str, ...]
    server_series: dict[str, Any]
    histograms: dict[str, Any] = field(repr=False)
    interrupted: bool
    samples: Samples = field(repr=False)
    events: tuple[tuple[float, str], ...] = ()

    @property
    def valid(self) -> bool:
        """Whether the generator kept its schedule."""
        return bool(self.generator["valid"])

    @property
    def wrong_answers(self) -> int:
        """Answers that were not the known ones."""
        return int(self.summary["all"]["outcomes"]["wrong"])

    @property
    def met(self) -> bool:
        """Whether every objective holds and every answer was right."""
        return all(check["met"] for check in self.checks) and not self.wrong_answers

    @property
    def exit_code(self) -> int:
        """Of the command line."""
        if self.interrupted:
            return INTERRUPTED
        # A missed objective of an invalid run proves nothing about the server; a wrong answer does.
        if self.wrong_answers:
            return FAILED
        if not self.valid:
            return INVALID
        return PASSED if self.met else FAILED

    @property
    def verdict(self) -> str:
        """In a few words."""
        if self.wrong_answers:
            return f"FAILED: {self.wrong_answers} wrong answers"
        if not self.valid:
            return "INVALID: the generator was the bottleneck"
        if self.interrupted:
            return "stopped early"
        if not self.checks:
            return "no objectives given"
        missed = sum(not check["met"] for check in self.checks)
        return f"FAILED: {missed} of {len(self.checks)} objectives missed" if missed else "PASSED"

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            **values,
            "samples": {
                "encoding": "zlib, base64; rows of packshot_loadtest.results.samples.SAMPLE",
                "data": packed(self.samples),
            },
        }

    def write_json(self, path: Path) -> None:
        """Everything, raw samples included."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n")


def read_result(path: Path) -> RunResult:
    """What :meth:`RunResult.write_json` wrote.

    Raises:
        ResultFileError: It is something else, or of another release.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultFileError(f"cannot read the result file {path}: {error}") from error
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise ResultFileError(
            f"{path} is no result of packshot-loadtest run (schema {SCHEMA}); expected the file"
            " that --json or --out wrote"
        )
    try:
        values["samples"] = measured(unpacked(values["samples"]["data"]))
        for name in ("kinds", "notes"):
            values[name] = tuple(values[name])
        values["events"] = tuple((time, what) for time, what in values["events"])
        names = RunResult.__dataclass_fields__
        return RunResult(**{name: values[name] for name in names})
    except (KeyError, TypeError) as error:
        raise ResultFileError(f"{path} is damaged: {error!r}") from error
