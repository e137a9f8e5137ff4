"""Everything that can be chosen about a server, as frozen dataclasses checked on creation."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from packshot.serving.access import LOOPBACK, ProtocolGuard, TlsOptions
from packshot.serving.ports import free_ports
from packshot.serving.repository import idle_stages, unbuilt_models, with_called

ModelControlMode = Literal["none", "explicit", "poll"]
LogFormat = Literal["default", "ISO8601"]
TraceMode = Literal["triton", "opentelemetry"]

MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """What tritonserver logs.

    Attributes:
        verbose: 0 is off; 1 and up say more with every request.
        file: Where to; ``None`` is the console.
        format: ``default`` or ``ISO8601`` time stamps.
    """

    verbose: int = 0
    file: Path | None = None
    format: LogFormat = "default"

    def __post_init__(self) -> None:
        if self.verbose < 0:
            raise ValueError(f"log verbosity must be 0 or more, got {self.verbose}")
        if self.format not in get_args(LogFormat):
            raise ValueError(f"log format must be default or ISO8601, got {self.format!r}")


@dataclass(frozen=True, kw_only=True)
class MetricsOptions:
    """Prometheus metrics.

    Attributes:
        enabled: Whether to serve them.
        summary_latencies: Add latency quantiles of each model.
        interval_ms: How often the machine's own figures are read.
    """

    enabled: bool = True
    summary_latencies: bool = True
    interval_ms: int = 2000

    def __post_init__(self) -> None:
        if self.interval_ms <= 0:
            raise ValueError(f"interval_ms must be positive, got {self.interval_ms}")


@dataclass(frozen=True, kw_only=True)
class TraceOptions:
    """Request traces.

    Attributes:
        rate: One request in this many is traced.
        mode: Triton's own JSON, or OpenTelemetry, which keeps the caller's traceparent.
        destination: For ``triton`` a file path, to which the number of the trace is added; for
            ``opentelemetry`` a collector URL.
    """

    destination: str
    rate: int = 1000
    mode: TraceMode = "opentelemetry"

    def __post_init__(self) -> None:
        if self.rate < 1:
            raise ValueError(f"trace rate must be 1 or more, got {self.rate}")
        if not self.destination:
            raise ValueError("traces need a destination: a file path or a collector URL")
        if self.mode not in get_args(TraceMode):
            raise ValueError(f"trace mode must be triton or opentelemetry, got {self.mode!r}")


@dataclass(frozen=True, kw_only=True)
class SharedMemoryOptions:
    """The pools through which tritonserver and its Python models exchange tensors.

    Attributes:
        initial_bytes: First size of each model instance's pool.
        growth_bytes: How much it grows by when a tensor does not fit. It never shrinks.
    """

    initial_bytes: int = 16 * MEBIBYTE
    growth_bytes: int = 8 * MEBIBYTE

    def __post_init__(self) -> None:
        if self.initial_bytes < 4 * MEBIBYTE or self.growth_bytes < MEBIBYTE:
            raise ValueError(
                "shared-memory pools must start at 4 MiB or more and grow by 1 MiB or more, got "
                f"{self.initial_bytes} and {self.growth_bytes} bytes"
            )


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """One tritonserver.

    Attributes:
        model_repository: Folder with one folder per model.
        host: Address to bind to; 0.0.0.0 lets other machines in.
        grpc_port: Port of the gRPC endpoint, the one clients use.
        http_port: Port of the HTTP endpoint; ``None`` switches it off.
        http_host: Address HTTP binds to. ``None`` is ``host``, but 127.0.0.1 with TLS, which
            Triton has on gRPC only.
        metrics_port: Port of the Prometheus metrics.
        model_control_mode: ``none`` loads all at start, ``explicit`` loads what is asked for,
            ``poll`` follows the files (not for production).
        models: What to load at start in explicit mode; empty means all.
        model_config_name: Variant of the configurations, for example ``tensorrt``. A model
            without that variant takes its ``config.pbtxt``.
        exit_timeout_s: How long a stopping server may take to answer what it has accepted.
            Keep it above the queue timeout in the configurations: a server whose time runs out
            can abort half-way.
        strict_readiness: Whether a server with one failed model calls itself not ready.
        response_cache_bytes: Size of the response cache; 0 is off.
        rate_limit: Honour ``rate_limiter`` in the configurations.
        auto_complete_config: Let Triton guess what configurations leave out. Slower to start,
            and a crash while a model loads then hangs the server.
        grpc_infer_threads: Threads that take gRPC inference requests, 2 to 128; the Triton 2.51
            of the PyPI wheel has no such option yet. ``None`` leaves Triton's own number.
        extra_args: Passed to tritonserver as they are, after all others.
    """

    model_repository: Path
    host: str = "127.0.0.1"
    grpc_port: int = 8001
    http_port: int | None = 8000
    http_host: str | None = None
    metrics_port: int = 8002
    model_control_mode: ModelControlMode = "none"
    models: tuple[str, ...] = ()
    model_config_name: str | None = None
    exit_timeout_s: int = 60
    strict_readiness: bool = True
    response_cache_bytes: int = 0
    rate_limit: bool = False
    auto_complete_config: bool = False
    grpc_infer_threads: int | None = None
    tls: TlsOptions | None = None
    guards: tuple[ProtocolGuard, ...] = ()
    log: LogOptions = field(default_factory=LogOptions)
    metrics: MetricsOptions = field(default_factory=MetricsOptions)
    trace: TraceOptions | None = None
    shared_memory: SharedMemoryOptions = field(default_factory=SharedMemoryOptions)
    extra_args: tuple[str, ...] = ()

    @classmethod
    def on_free_ports(cls, model_repository: Path, **settings: Any) -> ServerConfig:
        """A server beside whatever else runs here: for tests, benchmarks and single commands.

        Args:
            model_repository: As above.
            settings: All else that is not to be the default.
        """
        names = ("grpc_port", "http_port", "metrics_port")
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        return cls(**{"model_repository": model_repository, **ports, **settings})

    def __post_init__(self) -> None:
        for name, port in self.ports.items():
            if not 1 <= port <= 65535:
                raise ValueError(f"{name} port must be 1 to 65535, got {port}")
        if len(set(self.ports.values())) != len(self.ports):
            raise ValueError(f"each endpoint needs its own port, got {self.ports}")
        if self.model_control_mode not in get_args(ModelControlMode):
            raise ValueError(
                f"model_control_mode must be none, explicit or poll, got "
                f"{self.model_control_mode!r}"
            )
        if self.models and self.model_control_mode != "explicit":
            raise ValueError("naming the models to load needs model_control_mode='explicit'")
        if self.exit_timeout_s < 1:
            raise ValueError(f"exit_timeout_s must be 1 or more, got {self.exit_timeout_s}")
        if self.response_cache_bytes < 0:
            raise ValueError(
                f"response_cache_bytes must be 0 or more, got {self.response_cache_bytes}"
            )
        if self.grpc_infer_threads is not None and not 2 <= self.grpc_infer_threads <= 128:
            raise ValueError(f"grpc_infer_threads must be 2 to 128, got {self.grpc_infer_threads}")
        if self.model_config_name is not None and (
            not self.model_config_name or any(c.isspace() for c in self.model_config_name)
        ):
            raise ValueError(
                f"model_config_name must be a name without spaces, got {self.model_config_name!r}"
            )

    @property
    def ports(self) -> dict[str, int]:
        """The ports in use, by endpoint."""
        ports = {"grpc": self.grpc_port}
        if self.http_port is not None:
            ports["http"] = self.http_port
        if self.metrics.enabled:
            ports["metrics"] = self.metrics_port
        return ports

    @property
    def local_host(self) -> str:
        """The address at which this machine itself reaches the server."""
        return _reached_at(self.host)

    @property
    def http_bind(self) -> str:
        """The address that HTTP binds to."""
        return self.http_host or ("127.0.0.1" if self.tls else self.host)

    @property
    def local_http_host(self) -> str:
        """The address at which this machine itself reaches HTTP."""
        return _reached_at(self.http_bind)

    @property
    def is_public(self) -> bool:
        """Whether other machines can reach an endpoint that takes requests."""
        binds = [self.host, *([self.http_bind] if self.http_port is not None else [])]
        return any(host not in LOOPBACK for host in binds)

    def is_guarded(self, protocol: str) -> bool:
        """Whether a protocol answers only callers who send a key."""
        return any(protocol in guard.protocols for guard in self.guards)

    def models_at_start(self) -> tuple[str, ...]:
        """Names of the models that the server loads when it starts, sorted.

        Those that were named, and what they call; or all, but for ``left_out``.
        """
        if self.models:
            return with_called(self.model_repository, self.models, self.model_config_name)
        if not self.model_repository.is_dir():
            return ()
        return tuple(
            sorted(
                {
                    entry.name
                    for entry in os.scandir(self.model_repository)
                    if entry.is_dir() and not entry.name.startswith(".")
                }
                - self.left_out().keys()
            )
        )

    def left_out(self) -> dict[str, str]:
        """Models that are not loaded, each with why.

        A network they need was not built; or they are stages that nobody calls.

        None where models were named: what is asked for must be there. None in ``poll`` mode,
        where Triton itself decides.
        """
        if self.models or self.model_control_mode == "poll":
            return {}
        named = (self.model_repository, self.model_config_name)
        return unbuilt_models(*named) | idle_stages(*named)


def _reached_at(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
