"""``packshot-serve``: Triton in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

try:
    import typer
except ImportError as error:
    raise ImportError("packshot-serve needs typer: pip install 'packshot[server]'") from error

from packshot.errors import PackshotError
from packshot.serving.installation import find_installation
from packshot.serving.logs import LogFilter
from packshot.serving.options import (
    MEBIBYTE,
    LogFormat,
    LogOptions,
    MetricsOptions,
    ModelControlMode,
    ProtocolGuard,
    ServerConfig,
    SharedMemoryOptions,
    TlsOptions,
    TraceMode,
    TraceOptions,
)
from packshot.serving.process import TritonProcess
from packshot.serving.signals import stop_on_signals

app = typer.Typer(add_completion=False)

_ENDPOINTS, _MODELS, _SECURITY = "Endpoints", "Models", "Security"
_SPEED, _OBSERVE, _PROCESS = "Speed and memory", "Logs, metrics, traces", "Process"


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def serve(
    model_repository: Annotated[
        Path, typer.Option(help="Folder with one folder per model.", rich_help_panel=_MODELS)
    ] = Path("model_repository"),
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Load only this model (explicit control; repeat for more).",
            rich_help_panel=_MODELS,
        ),
    ] = None,
    model_control_mode: Annotated[
        ModelControlMode,
        typer.Option(
            help="none: load all at start. explicit: load and unload on request. "
            "poll: follow the files (not for production).",
            rich_help_panel=_MODELS,
        ),
    ] = "none",
    model_config_name: Annotated[
        str | None,
        typer.Option(
            help="Variant of the configurations: tensorrt on a GPU. Models without it "
            "take their config.pbtxt.",
            rich_help_panel=_MODELS,
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to bind; 0.0.0.0 lets other machines in.", rich_help_panel=_ENDPOINTS
        ),
    ] = "127.0.0.1",
    grpc_port: Annotated[
        int, typer.Option(help="gRPC, which clients use.", rich_help_panel=_ENDPOINTS)
    ] = 8001,
    http_port: Annotated[
        int, typer.Option(help="HTTP; 0 switches it off.", rich_help_panel=_ENDPOINTS)
    ] = 8000,
    metrics_port: Annotated[
        int,
        typer.Option(help="Prometheus metrics; 0 switches them off.", rich_help_panel=_ENDPOINTS),
    ] = 8002,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(
            help="PEM certificate chain: TLS on gRPC. Triton has no TLS for HTTP; bind "
            "to 127.0.0.1 or put a proxy before it.",
            rich_help_panel=_SECURITY,
        ),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="PEM private key.", rich_help_panel=_SECURITY)
    ] = None,
    tls_client_authority: Annotated[
        Path | None,
        typer.Option(
            help="PEM authority of clients' certificates: mutual TLS.", rich_help_panel=_SECURITY
        ),
    ] = None,
    restrict: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROTOCOL[,PROTOCOL]:HEADER=SECRET",
            help="Answer these protocols only to callers who send the header (gRPC: "
            "triton-grpc-protocol-HEADER). Repeatable. The secret is visible in ps.",
            rich_help_panel=_SECURITY,
        ),
    ] = None,
    cache_mib: Annotated[
        int, typer.Option(min=0, help="Response cache; 0 is off.", rich_help_panel=_SPEED)
    ] = 0,
    rate_limit: Annotated[
        bool,
        typer.Option(
            "--rate-limit",
            help="Honour rate_limiter of the configurations.",
            rich_help_panel=_SPEED,
        ),
    ] = False,
    grpc_infer_threads: Annotated[
        int | None,
        typer.Option(
            help="Threads that take gRPC requests, 2 to 128 (newer Triton only).",
            rich_help_panel=_SPEED,
        ),
    ] = None,
    shm_initial_mib: Annotated[
        int,
        typer.Option(
            min=4, help="First size of each model's shared-memory pool.", rich_help_panel=_SPEED
        ),
    ] = 16,
    shm_growth_mib: Annotated[
        int,
        typer.Option(
            min=1, help="How much a pool grows by; it never shrinks.", rich_help_panel=_SPEED
        ),
    ] = 8,
    log_verbose: Annotated[
        int, typer.Option(min=0, help="0 is quiet; 1 and up say more.", rich_help_panel=_OBSERVE)
    ] = 0,
    log_file: Annotated[
        Path | None, typer.Option(help="Log here, not to the console.", rich_help_panel=_OBSERVE)
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option(help="Time stamps.", rich_help_panel=_OBSERVE)
    ] = "default",
    raw_logs: Annotated[
        bool,
        typer.Option(
            "--raw-logs",
            help="Show also the harmless warnings that Triton gives on a machine without a GPU.",
            rich_help_panel=_OBSERVE,
        ),
    ] = False,
    summary_latencies: Annotated[
        bool, typer.Option(help="Latency quantiles in the metrics.", rich_help_panel=_OBSERVE)
    ] = True,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="URL|FILE",
            help="Trace requests: an OpenTelemetry collector's URL, or a file.",
            rich_help_panel=_OBSERVE,
        ),
    ] = None,
    trace_mode: Annotated[
        TraceMode, typer.Option(help="What --trace names.", rich_help_panel=_OBSERVE)
    ] = "opentelemetry",
    trace_rate: Annotated[
        int, typer.Option(min=1, help="One request in this many.", rich_help_panel=_OBSERVE)
    ] = 1000,
    strict_readiness: Annotated[
        bool,
        typer.Option(
            help="Call the server not ready when one model is not.", rich_help_panel=_PROCESS
        ),
    ] = True,
    start_timeout: Annotated[
        float,
        typer.Option(min=1, help="Seconds it may take to get ready.", rich_help_panel=_PROCESS),
    ] = 60.0,
    exit_timeout: Annotated[
        int,
        typer.Option(
            min=1,
            help="Seconds it may take to answer what it has accepted.",
            rich_help_panel=_PROCESS,
        ),
    ] = 60,
    tritonserver: Annotated[
        Path | None,
        typer.Option(
            help="The tritonserver to run; by default the one on PATH, else PyPI's.",
            rich_help_panel=_PROCESS,
        ),
    ] = None,
    triton_arg: Annotated[
        list[str] | None,
        typer.Option(
            help="Passed to tritonserver as it is, for example "
            "--triton-arg=--http-thread-count=4. Repeatable.",
            rich_help_panel=_PROCESS,
        ),
    ] = None,
) -> None:
    """Serve the models with NVIDIA Triton in the foreground.

    Ctrl-C and SIGTERM let it answer what it has accepted, then stop it; the exit status is
    then 0. A second Ctrl-C ends it at once.
    """
    stop_on_signals()
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
        guards=tuple(map(ProtocolGuard.parse, restrict or ())),
        log=LogOptions(verbose=log_verbose, file=log_file, format=log_format),
        metrics=MetricsOptions(enabled=metrics_port != 0, summary_latencies=summary_latencies),
        trace=TraceOptions(destination=trace, mode=trace_mode, rate=trace_rate) if trace else None,
        shared_memory=SharedMemoryOptions(
            initial_bytes=shm_initial_mib * MEBIBYTE, growth_bytes=shm_growth_mib * MEBIBYTE
        ),
        extra_args=tuple(triton_arg or ()),
    )
    server = TritonProcess(
        config,
        installation=find_installation(executable=tritonserver),
        start_timeout_s=start_timeout,
        on_log=LogFilter(raw=raw_logs),
    )
    raise typer.Exit(_run(server))


def _run(server: TritonProcess) -> int:
    try:
        with server:
            _announce(server)
            status = server.wait()
            typer.echo(f"packshot-serve: tritonserver ended by itself, status {status}", err=True)
            return status or 1
    except KeyboardInterrupt:
        typer.echo("packshot-serve: stopped")
        return 0


def _announce(server: TritonProcess) -> None:
    config = server.config
    if server.leftovers:
        typer.echo(
            f"Removed what a killed server had left: {len(server.leftovers.regions)} shared-memory "
            f"regions ({server.leftovers.freed_bytes // MEBIBYTE} MiB), "
            f"{len(server.leftovers.stub_pids)} processes"
        )
    typer.echo(f"Ready after {server.ready_after_s:.1f} s: {', '.join(server.models)}")
    for endpoint, port in config.ports.items():
        path = "/metrics" if endpoint == "metrics" else ""
        scheme = "" if endpoint == "grpc" else "http://"
        typer.echo(f"  {endpoint:<8} {scheme}{config.local_host}:{port}{path}")
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
