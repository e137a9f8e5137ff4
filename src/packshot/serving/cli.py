"""``packshot-serve``: Triton in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

try:
    import typer
except ImportError as error:
    raise ImportError("packshot-serve needs typer: pip install 'packshot[server]'") from error

from packshot.errors import PackshotError
from packshot.serving import arguments
from packshot.serving.access import ProtocolGuard, TlsOptions
from packshot.serving.installation import find_installation
from packshot.serving.logs import LogFilter
from packshot.serving.options import (
    MEBIBYTE,
    LogOptions,
    MetricsOptions,
    ServerConfig,
    SharedMemoryOptions,
    TraceOptions,
)
from packshot.serving.process import TritonProcess
from packshot.serving.signals import stop_on_signals

app = typer.Typer(add_completion=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def serve(
    model_repository: arguments.ModelRepository = Path("model_repository"),
    model: arguments.Model = None,
    model_control_mode: arguments.ModelControlMode = "none",
    model_config_name: arguments.ModelConfigName = None,
    host: arguments.Host = "127.0.0.1",
    grpc_port: arguments.GrpcPort = 8001,
    http_port: arguments.HttpPort = 8000,
    metrics_port: arguments.MetricsPort = 8002,
    http_host: arguments.HttpHost = None,
    tls_certificate: arguments.TlsCertificate = None,
    tls_key: arguments.TlsKey = None,
    tls_client_authority: arguments.TlsClientAuthority = None,
    restrict: arguments.Restrict = None,
    restrict_file: arguments.RestrictFile = None,
    cache_mib: arguments.CacheMib = 0,
    rate_limit: arguments.RateLimit = False,
    grpc_infer_threads: arguments.GrpcInferThreads = None,
    shm_initial_mib: arguments.ShmInitialMib = 16,
    shm_growth_mib: arguments.ShmGrowthMib = 8,
    log_verbose: arguments.LogVerbose = 0,
    log_file: arguments.LogFile = None,
    log_format: arguments.LogFormat = "default",
    raw_logs: arguments.RawLogs = False,
    summary_latencies: arguments.SummaryLatencies = True,
    trace: arguments.Trace = None,
    trace_mode: arguments.TraceMode = "opentelemetry",
    trace_rate: arguments.TraceRate = 1000,
    strict_readiness: arguments.StrictReadiness = True,
    start_timeout: arguments.StartTimeout = 60.0,
    exit_timeout: arguments.ExitTimeout = 60,
    tritonserver: arguments.Tritonserver = None,
    triton_arg: arguments.TritonArg = None,
    supervise: arguments.Supervise = False,
    health_host: arguments.HealthHost = None,
    health_port: arguments.HealthPort = 8003,
    probe_interval: arguments.ProbeInterval = 1.0,
    probe_timeout: arguments.ProbeTimeout = 2.0,
    max_restarts: arguments.MaxRestarts = 5,
    drain_delay: arguments.DrainDelay = 0.0,
) -> None:
    """Serve the models with NVIDIA Triton in the foreground.

    Ctrl-C and SIGTERM let it answer what it has accepted, then stop it; the exit status is
    then 0. A second Ctrl-C ends it at once.
    """
    stop_on_signals("packshot-serve")
    if bool(tls_certificate) != bool(tls_key):
        raise ValueError("--tls-certificate and --tls-key belong together")
    tls = None
    if tls_certificate and tls_key:
        tls = TlsOptions(
            certificate=tls_certificate,
            key=tls_key,
            client_authority=tls_client_authority,
            mutual=bool(tls_client_authority),
        )
    config = ServerConfig(
        model_repository=model_repository,
        host=host,
        grpc_port=grpc_port,
        http_port=http_port or None,
        http_host=http_host,
        metrics_port=metrics_port or 8002,
        model_control_mode="explicit" if model else model_control_mode,
        models=tuple(model or ()),
        model_config_name=model_config_name,
        exit_timeout_s=exit_timeout,
        strict_readiness=strict_readiness,
        response_cache_bytes=cache_mib * MEBIBYTE,
        rate_limit=rate_limit,
        grpc_infer_threads=grpc_infer_threads,
        tls=tls,
        guards=tuple(map(ProtocolGuard.parse, [*(restrict or ()), *_rules_in(restrict_file)])),
        log=LogOptions(verbose=log_verbose, file=log_file, format=log_format),
        metrics=MetricsOptions(enabled=metrics_port != 0, summary_latencies=summary_latencies),
        trace=TraceOptions(destination=trace, mode=trace_mode, rate=trace_rate) if trace else None,
        shared_memory=SharedMemoryOptions(
            initial_bytes=shm_initial_mib * MEBIBYTE, growth_bytes=shm_growth_mib * MEBIBYTE
        ),
        extra_args=tuple(triton_arg or ()),
    )
    make_server = partial(
        TritonProcess,
        config,
        installation=find_installation(executable=tritonserver),
        start_timeout_s=start_timeout,
        on_log=LogFilter(raw=raw_logs),
    )
    if not supervise:
        raise typer.Exit(_run(make_server()))
    # Only here: probes need the imaging packages, which a plain server leaves to its models.
    from packshot.serving.supervision import Supervisor, SupervisorOptions

    watching = SupervisorOptions(
        host=health_host or config.host,
        port=health_port,
        probe_interval_s=probe_interval,
        probe_timeout_s=probe_timeout,
        max_restarts=max_restarts,
        drain_delay_s=drain_delay,
    )
    Supervisor(make_server, watching, say=_say).run(partial(_announce, health_port=health_port))
    typer.echo("packshot-serve: stopped")


def _rules_in(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise ValueError(f"--restrict-file {path} cannot be read: {error.strerror}") from None
    return [line for line in map(str.strip, lines) if line and not line.startswith("#")]


def _say(words: str) -> None:
    typer.echo(f"packshot-serve: {words}", err=True)


def _run(server: TritonProcess) -> int:
    try:
        with server:
            _announce(server)
            status = server.wait()
            _say(f"tritonserver ended by itself, status {status}")
            return status or 1
    except KeyboardInterrupt:
        typer.echo("packshot-serve: stopped")
        return 0


def _announce(server: TritonProcess, health_port: int | None = None) -> None:
    config = server.config
    if server.leftovers:
        typer.echo(
            f"Removed what a killed server had left: {len(server.leftovers.regions)} shared-memory "
            f"regions ({server.leftovers.freed_bytes // MEBIBYTE} MiB), "
            f"{len(server.leftovers.stub_pids)} processes"
        )
    typer.echo(f"Ready after {server.ready_after_s:.1f} s: {', '.join(server.models)}")
    for model, why in config.left_out().items():
        typer.echo(f"  not served: {model}: {why}")
    for endpoint, port in config.ports.items():
        path = "/metrics" if endpoint == "metrics" else ""
        scheme = "" if endpoint == "grpc" else "http://"
        typer.echo(f"  {endpoint:<8} {scheme}{config.local_host}:{port}{path}")
    if health_port is not None:
        typer.echo(f"  health   http://{config.local_host}:{health_port}/health/ready")
    typer.echo("Ctrl-C stops it.")


def main() -> None:
    """Entry point of ``packshot-serve``."""
    try:
        app()
    except (PackshotError, ValueError) as error:
        typer.echo(f"packshot-serve: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
