"""Plots: the client's and the server's view on one time axis, the tail, batches, the knee."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(f"reports need {error.name}: pip install 'packshot[loadtest]'") from error

from packshot_loadtest.results.outcomes import WAITED, Outcome
from packshot_loadtest.results.result import RunResult

_WIDTH_IN: Final = 9.0
_ROW_IN: Final = 1.7
_PARTS: Final = ("queue_ms", "input_ms", "compute_ms", "output_ms")
_PART_COLOURS: Final = ("#d95f02", "#a6cee3", "#1f78b4", "#b2df8a")
_ERRORS: Final = tuple(o for o in Outcome if o is not Outcome.OK)
_ERROR_COLOURS: Final = (
    "#e31a1c",
    "#fdbf6f",
    "#ff7f00",
    "#6a3d9a",
    "#b15928",
    "#999999",
    "#cccccc",
)


def svg(figure: Figure) -> str:
    """The figure as an ``<svg>`` element to put into a page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def figures_of(result: RunResult) -> dict[str, Figure]:
    """Every figure of a run that its data allow, by file name."""
    figures = {"timeline": timeline(result), "tail": tail({result.name: result})}
    if any(result.server_series.get("batch_sizes", {}).values()):
        figures["batches"] = batches(result.server_series["batch_sizes"])
    return figures


def timeline(result: RunResult) -> Figure:
    """What came and was answered, how fast, and what the server did meanwhile, over the run."""
    server = result.server_series
    models = [
        name for name, own in server.get("models", {}).items() if any(own.get("inferences_s") or [])
    ]
    machine = bool(server.get("times_s"))
    rows = 3 + len(models) + machine
    figure = Figure(figsize=(_WIDTH_IN, _ROW_IN * rows + 0.6), layout="constrained")
    axes = list(np.atleast_1d(figure.subplots(rows, 1, sharex=True)))
    everything = result.series["all"]
    seconds = np.array(everything["second"], dtype=float) + 0.5
    _requests(axes[0], seconds, everything, result)
    _latencies(axes[1], seconds, everything)
    axes[2].plot(seconds, _floats(everything["lag_max_ms"]), color="#6a3d9a", lw=1)
    axes[2].axhline(result.settings["max_lag_ms"], color="#999999", lw=0.8, ls="--")
    axes[2].set_ylabel("generator lag,\nlongest, ms")
    times = np.array(server.get("times_s", []), dtype=float)
    for axis, name in zip(axes[3:], models, strict=False):
        _model(axis, times, name, server["models"][name])
    if machine:
        _machine(axes[-1], times, server)
    for axis in axes:
        axis.grid(alpha=0.25)
        for at_s, what in result.events:
            axis.axvline(at_s, color="#e31a1c", lw=1, ls=":")
            if axis is axes[0]:
                axis.annotate(what, (at_s, axis.get_ylim()[1]), fontsize=7, va="top")
    axes[-1].set_xlim(0.0, max(result.duration_s, 1.0))
    axes[-1].set_xlabel("seconds of the measured part, by intended start")
    return figure


def tail(results: Mapping[str, RunResult]) -> Figure:
    """Latency by percentile, the last per mille spread out; one line per run and kind."""
    figure = Figure(figsize=(_WIDTH_IN, 3.2), layout="constrained")
    axis = figure.subplots()
    for name, result in results.items():
        for number, kind in enumerate(result.kinds):
            own = result.samples[result.samples["kind"] == number]
            waited = np.sort(own[np.isin(own["outcome"], WAITED)]["latency_us"]) / 1000.0
            if not len(waited):
                continue
            above = len(waited) / (len(waited) - np.arange(len(waited)))
            label = kind if len(results) == 1 else f"{name}: {kind}"
            axis.step(above, waited, where="post", label=label, lw=1.4)
    axis.set_xscale("log")
    ticks = (1, 2, 10, 20, 100, 1000, 10_000)
    axis.set_xticks(ticks, ("0", "50", "90", "95", "99", "99.9", "99.99"))
    axis.set_xticks([], minor=True)
    axis.set_xlabel("percentile")
    axis.set_ylabel("latency, ms")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8)
    return figure


def batches(sizes: Mapping[str, Mapping[str, int]]) -> Figure:
    """How many batches of each size each model ran."""
    shown = {name: own for name, own in sizes.items() if own}
    figure = Figure(figsize=(_WIDTH_IN, 2.2), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(shown), sharey=False))
    for axis, (name, own) in zip(axes, shown.items(), strict=True):
        axis.bar([int(size) for size in own], list(own.values()), color="#1f78b4")
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("batch size")
    axes[0].set_ylabel("batches")
    return figure


def knee_curve(probes: Sequence[Mapping[str, Any]], knee: float | None) -> Figure:
    """Latency against what was really answered, each probe a point, the knee marked."""
    figure = Figure(figsize=(_WIDTH_IN, 3.6), layout="constrained")
    axis = figure.subplots()
    ordered = sorted(
        (p for p in probes if p["latency_ms"]["p99"] is not None), key=lambda p: float(p["rate"])
    )
    for key, colour in (("p50", "#1f78b4"), ("p99", "#d95f02")):
        points = [(p["throughput"], p["latency_ms"][key]) for p in ordered]
        axis.plot(*zip(*points, strict=True), color=colour, lw=1, alpha=0.5) if points else None
        for passed, marker in ((True, "o"), (False, "x")):
            chosen = [
                point
                for point, probe in zip(points, ordered, strict=True)
                if probe["passed"] is passed
            ]
            if chosen:
                label = f"{key}, {'held' if passed else 'missed'}"
                axis.scatter(*zip(*chosen, strict=True), color=colour, marker=marker, label=label)
    if knee is not None:
        axis.axvline(knee, color="#33a02c", ls="--", label=f"knee {knee:.1f}/s")
    axis.set_xlabel("right answers a second")
    axis.set_ylabel("latency, ms")
    axis.set_yscale("log")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8)
    return figure


def _requests(axis: Axes, seconds: Any, series: Mapping[str, Any], result: RunResult) -> None:
    axis.plot(seconds, series["planned"], color="#999999", lw=1, label="due")
    axis.plot(seconds, series["throughput"], color="#33a02c", lw=1.2, label="right answers")
    bottom = np.zeros(len(seconds))
    whole = result.samples["due_s"].astype(np.int64)
    for outcome, colour in zip(_ERRORS, _ERROR_COLOURS, strict=True):
        own = whole[result.samples["outcome"] == outcome]
        if len(own):
            counts = np.bincount(own, minlength=len(seconds))[: len(seconds)]
            axis.bar(seconds, counts, 1.0, bottom=bottom, color=colour, label=outcome.label)
            bottom = bottom + counts
    axis.set_ylabel("requests/s")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=7, loc="upper right", ncols=4)


def _latencies(axis: Axes, seconds: Any, series: Mapping[str, Any]) -> None:
    for key, colour in (("max_ms", "#cccccc"), ("p99_ms", "#d95f02"), ("p50_ms", "#1f78b4")):
        axis.plot(seconds, _floats(series[key]), color=colour, lw=1.2, label=key[:-3])
    axis.set_yscale("log")
    axis.set_ylabel("latency, ms")
    axis.legend(fontsize=7, loc="upper right", ncols=3)


def _model(axis: Axes, times: Any, name: str, own: Mapping[str, Any]) -> None:
    parts = [np.nan_to_num(_floats(own[part])) for part in _PARTS]
    labels = [part[:-3] for part in _PARTS]
    axis.stackplot(times, parts, labels=labels, colors=_PART_COLOURS, alpha=0.85)
    axis.set_ylabel(f"{name},\nms a request", fontsize=8)
    axis.legend(fontsize=7, loc="upper left", ncols=4)
    second = axis.twinx()
    second.plot(times, _floats(own["batch"]), color="#333333", lw=0.9)
    second.set_ylabel("mean batch", fontsize=8)


def _machine(axis: Axes, times: Any, server: Mapping[str, Any]) -> None:
    cpu = server["machine"].get("cpu_share")
    if cpu:
        axis.plot(times, 100.0 * _floats(cpu), color="#1f78b4", lw=1, label="machine CPU, %")
    cores = _floats(server["process"]["cpu_cores"])
    if np.isfinite(cores).any():
        axis.plot(times, 100.0 * cores, color="#a6cee3", lw=1, label="server CPU, % of a core")
    axis.set_ylabel("CPU, %")
    axis.set_ylim(bottom=0)
    second = axis.twinx()
    memory = _floats(server["process"]["memory_bytes"])
    label = "server memory, MiB"
    if not np.isfinite(memory).any():
        memory = _floats(server["machine"].get("memory_bytes", [None] * len(times)))
        label = "machine memory, MiB"
    second.plot(times, memory / 2**20, color="#d95f02", lw=1)
    second.set_ylabel(label, fontsize=8)
    if axis.lines:  # None of a server whose metrics were not read.
        axis.legend(fontsize=7, loc="upper left")


def _floats(values: Sequence[float | None]) -> Any:
    return np.array([np.nan if value is None else value for value in values], dtype=float)
