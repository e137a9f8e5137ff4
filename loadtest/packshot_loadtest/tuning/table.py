"""The tables of a comparison of variants, in Markdown: medians over repeats, with the spread."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from packshot_loadtest.step_record import StepRecord
from packshot_loadtest.tuning.comparison import IN_FLIGHT, OVER_MS, step_name
from packshot_loadtest.tuning.settings import TuningSettings
from packshot_loadtest.tuning.variants import FLOOR

Steps = Mapping[int, Mapping[str, Any]]
"""What the steps of one variant gave, by repeat."""
_NOTHING: Final = "–"


def markdown(record: StepRecord, settings: TuningSettings) -> str:
    """The measurements, the same as ratios, and what a reader must know; a dash where nothing is
    measured yet."""
    floor = _steps(record, FLOOR, settings)
    variants = {v.name: _steps(record, v.name, settings) for v in settings.variants}
    first, *others = variants
    parts = [_table({name: _cells(own, floor, settings) for name, own in variants.items()})]
    parts[0].append(_floor_row(floor, settings))
    if others:
        parts.append(
            [
                f"As multiples of {first!r}, within each repeat:",
                "",
                *_table({n: _ratio_cells(variants[n], variants[first], settings) for n in others}),
            ]
        )
    notes = [note for name, own in variants.items() for note in _notes(name, own)]
    return "\n\n".join("\n".join(part) for part in (*parts, notes) if part)


def _steps(record: StepRecord, name: str, settings: TuningSettings) -> Steps:
    names = {repeat: step_name(name, repeat) for repeat in range(settings.repeats)}
    return {repeat: record.steps[step] for repeat, step in names.items() if step in record.steps}


def _cells(own: Steps, floor: Steps, settings: TuningSettings) -> dict[str, str]:
    """A row, by heading."""
    lone, in_flight = _numbers(own, "lone_ms"), _numbers(own, "in_flight_per_s")
    cells = {
        "lone ms": _spread(lone.values()),
        "added ms": _spread(
            value - floor[repeat]["lone_ms"] for repeat, value in lone.items() if repeat in floor
        ),
    }
    for rate in _rates(settings):
        p50, p99 = (_numbers(own, "rates", rate, key) for key in ("p50_ms", "p99_ms"))
        total = {
            key: sum(_numbers(own, "rates", rate, key).values())
            for key in ("over", "planned", "late", "failed")
        }
        cells[f"{rate}/s: p50 ms"] = _spread(p50.values())
        cells[f"{rate}/s: p99 ms"] = _spread(p99.values())
        cells[f"{rate}/s: over {OVER_MS:g} ms"] = (
            f"{total['over']:.0f} of {total['planned']:.0f}" if own else _NOTHING
        )
        cells[f"{rate}/s: late, failed"] = (
            f"{total['late']:.0f}, {total['failed']:.0f}" if own else _NOTHING
        )
    cells[f"{IN_FLIGHT} in flight, photos/s"] = _spread(in_flight.values())
    cells["of in-process"] = _spread(
        (
            value / floor[repeat]["in_flight_per_s"]
            for repeat, value in in_flight.items()
            if repeat in floor
        ),
        form="{:.2f}",
    )
    cells["memory MiB"] = _spread(_numbers(own, "memory_mib").values(), form="{:.0f}")
    return cells


def _floor_row(floor: Steps, settings: TuningSettings) -> str:
    cells = dict.fromkeys(_cells({}, {}, settings), _NOTHING)
    cells["lone ms"] = _spread(_numbers(floor, "lone_ms").values())
    in_flight = _numbers(floor, "in_flight_per_s").values()
    cells[f"{IN_FLIGHT} in flight, photos/s"] = _spread(in_flight)
    return _row([f"{FLOOR}, no server", *cells.values()])


def _ratio_cells(own: Steps, base: Steps, settings: TuningSettings) -> dict[str, str]:
    paths: dict[str, tuple[str, ...]] = {"lone": ("lone_ms",)}
    for rate in _rates(settings):
        paths[f"{rate}/s: p50"] = ("rates", rate, "p50_ms")
        paths[f"{rate}/s: p99"] = ("rates", rate, "p99_ms")
    paths[f"{IN_FLIGHT} in flight"] = ("in_flight_per_s",)
    paths["memory"] = ("memory_mib",)
    cells = {}
    for heading, path in paths.items():
        mine, theirs = _numbers(own, *path), _numbers(base, *path)
        both = mine.keys() & theirs.keys()
        cells[heading] = _spread((mine[n] / theirs[n] for n in both), form="{:.2f}")
    return cells


def _notes(name: str, own: Steps) -> Iterable[str]:
    for repeat, values in own.items():
        where = f"- {name}, repeat {repeat + 1}"
        for rate, run in values["rates"].items():
            if run["wrong"]:
                yield f"{where}, {rate}/s: **{run['wrong']} wrong answers**"
            for reason in run["reasons"]:
                yield f"{where}, {rate}/s: not valid, {reason}"
        if values["closed_loop_errors"]:
            yield f"{where}: {values['closed_loop_errors']} errors of the closed loops"


def _numbers(steps: Steps, *path: str) -> dict[int, float]:
    """A number of each repeat that has it."""
    found: dict[int, float] = {}
    for repeat, values in steps.items():
        value: Any = values
        for key in path:
            value = value[key]
        if value is not None:
            found[repeat] = float(value)
    return found


def _spread(values: Iterable[float], *, form: str = "{:.1f}") -> str:
    """Median, and from where to where the repeats go."""
    found = sorted(values)
    if not found:
        return _NOTHING
    median = form.format(statistics.median(found))
    ends = f"{form.format(found[0])} to {form.format(found[-1])}"
    return median if len(found) == 1 else f"{median} ({ends})"


def _rates(settings: TuningSettings) -> list[str]:
    return [f"{rate:g}" for rate in settings.rates]


def _table(rows: Mapping[str, Mapping[str, str]]) -> list[str]:
    headings = list(next(iter(rows.values())))
    lines = [_row(["variant", *headings]), "|---" * (len(headings) + 1) + "|"]
    return [*lines, *(_row([name, *cells.values()]) for name, cells in rows.items())]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
