"""The server's side of a run: Triton's statistics and metrics, read once a second meanwhile.

Counters become rates and means between two readings, on the clock of the schedule. A reading that
fails, as while a server is being restarted, leaves a gap.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import psutil
import urllib3
from prometheus_client.parser import text_string_to_metric_families

from packshot_loadtest.server_time import ModelTime, read_model_times

_GAUGES: Final[Mapping[str, str]] = {
    "nv_cpu_utilization": "cpu_share",
    "nv_cpu_memory_used_bytes": "memory_bytes",
    "nv_gpu_utilization": "gpu_share",
    "nv_gpu_memory_used_bytes": "gpu_memory_bytes",
}
_PENDING: Final = "nv_inference_pending_request_count"
_NS_IN_MS: Final = 1e6
_METRICS_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One look at the server.

    Attributes:
        unix: When.
        models: Totals by model; ``None`` if it did not answer.
        gauges: Values now, by the names in ``_GAUGES``.
        pending: Requests waiting, by model.
        process_bytes: Memory of the server's processes, if they are on this machine.
        process_cpu_s: CPU time of them so far.
    """

    unix: float
    models: Mapping[str, ModelTime] | None
    gauges: Mapping[str, float] = field(default_factory=dict)
    pending: Mapping[str, float] = field(default_factory=dict)
    process_bytes: float | None = None
    process_cpu_s: float | None = None


class ServerWatch:
    """Reads a server until the ``with`` block ends.

    Args:
        address: ``host:port`` of its gRPC port; empty for servers without Triton's statistics.
        metrics: ``host:port`` of its Prometheus metrics; empty if it has none.
        pid: Gives the process id of a server on this machine; ``None`` if it is not known.
        interval_s: Between readings.
    """

    def __init__(
        self,
        address: str,
        *,
        metrics: str = "",
        pid: Callable[[], int | None] = lambda: None,
        interval_s: float = 1.0,
    ) -> None:
        self.readings: list[Reading] = []
        self._address = address
        self._metrics = f"http://{metrics}/metrics" if metrics else ""
        self._pid = pid
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="server-watch", daemon=True)
        self._http = urllib3.PoolManager(retries=False, timeout=_METRICS_TIMEOUT_S)

    def __enter__(self) -> ServerWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._http.clear()

    def _watch(self) -> None:
        following_s = time.monotonic()
        while True:
            self.readings.append(self._read())
            following_s = max(following_s + self._interval_s, time.monotonic())
            if self._stopping.wait(following_s - time.monotonic()):
                break
        self.readings.append(self._read())

    def _read(self) -> Reading:
        unix = time.time()
        models: Mapping[str, ModelTime] | None = None
        if self._address:
            try:
                models = read_model_times(self._address)
            except grpc.RpcError:
                models = None
        gauges, pending = self._read_metrics()
        memory, cpu_s = process_usage(self._pid())
        return Reading(
            unix=unix,
            models=models,
            gauges=gauges,
            pending=pending,
            process_bytes=memory,
            process_cpu_s=cpu_s,
        )

    def _read_metrics(self) -> tuple[dict[str, float], dict[str, float]]:
        if not self._metrics:
            return {}, {}
        try:
            text = self._http.request("GET", self._metrics).data.decode()
        except urllib3.exceptions.HTTPError:
            return {}, {}
        return parse_metrics(text)


def process_usage(pid: int | None) -> tuple[float | None, float | None]:
    """Memory in bytes (proportional set size: shared pages counted once) and CPU seconds of a
    process and its children; ``None`` if it is gone or not ours to see."""
    if pid is None:
        return None, None
    memory = cpu_s = 0.0
    try:
        first = psutil.Process(pid)
        members = [first, *first.children(recursive=True)]
    except psutil.Error:
        return None, None
    for member in members:
        try:
            memory += member.memory_full_info().pss
            times = member.cpu_times()
            cpu_s += times.user + times.system
        except psutil.Error:  # noqa: PERF203 - it ended meanwhile
            continue
    return memory, cpu_s


def parse_metrics(text: str) -> tuple[dict[str, float], dict[str, float]]:
    """Gauges of the machine, summed over devices, and pending requests by model."""
    gauges: defaultdict[str, float] = defaultdict(float)
    pending: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in _GAUGES:
                gauges[_GAUGES[sample.name]] += sample.value
            elif sample.name == _PENDING:
                pending[sample.labels.get("model", "")] += sample.value
    return dict(gauges), dict(pending)


def server_series(readings: Sequence[Reading], *, start_unix: float) -> dict[str, Any]:
    """Readings as series for a report.

    Args:
        readings: In order of time.
        start_unix: Zero of the time axis.

    Returns:
        ``times_s``; ``models``, for each the inferences a second, mean milliseconds of a request
        in queue, input, compute and output, mean batch size, failures and pending requests, each a
        list with one value per time or ``None``; ``batch_sizes``, how many batches of each size;
        ``machine`` and ``process``, gauges and memory.
    """
    pairs = list(itertools.pairwise(readings))
    names = sorted({name for reading in readings for name in (reading.models or {})})
    return {
        "times_s": [new.unix - start_unix for _, new in pairs],
        "models": {name: _model_series(name, pairs) for name in names},
        "batch_sizes": {name: _batch_sizes(name, pairs) for name in names},
        "machine": {
            name: [new.gauges.get(name) for _, new in pairs]
            for name in _GAUGES.values()
            if any(name in reading.gauges for reading in readings)
        },
        "process": {
            "memory_bytes": [new.process_bytes for _, new in pairs],
            "cpu_cores": [_cores(old, new) for old, new in pairs],
        },
    }


Pairs = Sequence[tuple[Reading, Reading]]

_PARTS: Final[Mapping[str, str]] = {
    "queue_ms": "queue",
    "input_ms": "compute_input",
    "compute_ms": "compute_infer",
    "output_ms": "compute_output",
}


def _model_series(name: str, pairs: Pairs) -> dict[str, list[float | None]]:
    series: dict[str, list[float | None]] = {
        key: [] for key in ("inferences_s", *_PARTS, "batch", "failures", "pending")
    }
    for old, new in pairs:
        change = _change(name, old, new)
        series["pending"].append(new.pending.get(name))
        if change is None:
            for key in series.keys() - {"pending"}:
                series[key].append(None)
            continue
        before, after = change
        inferences = after.inferences - before.inferences
        batches = after.executions - before.executions
        seconds = max(1e-9, new.unix - old.unix)
        series["inferences_s"].append(inferences / seconds)
        series["failures"].append(float(after.failures - before.failures))
        series["batch"].append(inferences / batches if batches else None)
        for key, part in _PARTS.items():
            spent_ms = (getattr(after, part) - getattr(before, part)) / _NS_IN_MS
            series[key].append(spent_ms / inferences if inferences else None)
    return series


def _change(name: str, old: Reading, new: Reading) -> tuple[ModelTime, ModelTime] | None:
    if old.models is None or new.models is None:
        return None
    before, after = old.models.get(name), new.models.get(name)
    # A restarted server or reloaded model counts from zero again.
    if before is None or after is None or after.executions < before.executions:
        return None
    return before, after


def _batch_sizes(name: str, pairs: Pairs) -> dict[str, int]:
    sizes: Counter[int] = Counter()
    for old, new in pairs:
        change = _change(name, old, new)
        if change is not None:
            sizes.update(change[1].batch_sizes)
            sizes.subtract(change[0].batch_sizes)
    return {str(size): count for size, count in sorted(sizes.items()) if count > 0}


def _cores(old: Reading, new: Reading) -> float | None:
    if old.process_cpu_s is None or new.process_cpu_s is None:
        return None
    return max(0.0, new.process_cpu_s - old.process_cpu_s) / max(1e-9, new.unix - old.unix)
