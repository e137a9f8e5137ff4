"""What the supervisor saw and did, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
except ImportError as error:
    raise ImportError(
        "--supervise needs prometheus-client: pip install 'packshot[server]'"
    ) from error

FaultKind = Literal["stub", "probe"]
RestartReason = Literal["ended", "stopped", "unreachable", "unmendable"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PROBE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OUTAGE_BUCKETS_S = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)


class SupervisorMetrics:
    """Prometheus metrics of one supervisor, in a registry of their own.

    Counters that alerts watch exist from the start, at zero: ``increase()`` does not see the
    first event of a series that begins with it.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ready = Gauge(
            "packshot_ready", "1 while callers may be sent to this replica.", registry=self.registry
        )
        self.model_healthy = Gauge(
            "packshot_model_healthy",
            "1 while the last proof of the model held.",
            ["model"],
            registry=self.registry,
        )
        self.queue_size = Gauge(
            "packshot_queue_size",
            "Requests that may wait at a model: max_queue_size of its configuration.",
            ["model"],
            registry=self.registry,
        )
        self.probe_seconds = Histogram(
            "packshot_probe_seconds",
            "Time that a real inference for proof took, by model.",
            ["model"],
            buckets=_PROBE_BUCKETS_S,
            registry=self.registry,
        )
        self.probe_failures = Counter(
            "packshot_probe_failures",
            "Probes without a right answer: unreachable, error, stub, wrong.",
            ["model", "kind"],
            registry=self.registry,
        )
        self.model_faults = Counter(
            "packshot_model_faults",
            "Times a model was found broken: stub (process dead or stopped), probe.",
            ["model", "kind"],
            registry=self.registry,
        )
        self.model_mends = Counter(
            "packshot_model_mends",
            "Unload and load of a broken model: mended, failed.",
            ["model", "outcome"],
            registry=self.registry,
        )
        self.server_restarts = Counter(
            "packshot_server_restarts",
            "Restarts of tritonserver's process group, by why.",
            ["reason"],
            registry=self.registry,
        )
        for reason in get_args(RestartReason):
            self.server_restarts.labels(reason)
        self.outage_seconds = Histogram(
            "packshot_outage_seconds",
            "From a fault being noticed until every model proved itself again.",
            buckets=_OUTAGE_BUCKETS_S,
            registry=self.registry,
        )
        self.regions_removed = Counter(
            "packshot_shared_memory_regions_removed",
            "Regions in /dev/shm that killed servers had left.",
            registry=self.registry,
        )
        self.bytes_freed = Counter(
            "packshot_shared_memory_freed_bytes",
            "Their size.",
            registry=self.registry,
        )
        self.stubs_ended = Counter(
            "packshot_orphaned_stubs_ended",
            "Stub processes that killed servers had left.",
            registry=self.registry,
        )

    def expect(self, models: Iterable[str], queue_sizes: Mapping[str, int]) -> None:
        """Begin the fault counters of these models at zero, and say how many may wait at them."""
        for model in models:
            for kind in get_args(FaultKind):
                self.model_faults.labels(model, kind)
        for model, size in queue_sizes.items():
            self.queue_size.labels(model).set(size)

    def note_health(self, model: str, healthy: bool) -> None:
        """Set a model's gauge."""
        self.model_healthy.labels(model).set(healthy)

    def text(self, *, ready: bool) -> bytes:
        """All metrics in Prometheus' text format."""
        self.ready.set(ready)
        return bytes(generate_latest(self.registry))
