"""The options of ``packshot-serve``, as typer reads them: types, help and panels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

try:
    import typer
except ImportError as error:
    raise ImportError("packshot-serve needs typer: pip install 'packshot[server]'") from error

from packshot.serving import options

_ENDPOINTS, _MODELS, _SECURITY = "Endpoints", "Models", "Security"
_SPEED, _OBSERVE, _PROCESS = "Speed and memory", "Logs, metrics, traces", "Process"
_SUPERVISE = "Supervision"

ModelRepository = Annotated[
    Path, typer.Option(help="Folder with one folder per model.", rich_help_panel=_MODELS)
]
Model = Annotated[
    list[str] | None,
    typer.Option(
        help="Load only this model (explicit control; repeat for more).",
        rich_help_panel=_MODELS,
    ),
]
ModelControlMode = Annotated[
    options.ModelControlMode,
    typer.Option(
        help="none: load all at start. explicit: load and unload on request. "
        "poll: follow the files (not for production).",
        rich_help_panel=_MODELS,
    ),
]
ModelConfigName = Annotated[
    str | None,
    typer.Option(
        help="Variant of the configurations: tensorrt on a GPU. Models without it "
        "take their config.pbtxt.",
        rich_help_panel=_MODELS,
    ),
]
Host = Annotated[
    str,
    typer.Option(
        help="Address to bind; 0.0.0.0 lets other machines in.", rich_help_panel=_ENDPOINTS
    ),
]
GrpcPort = Annotated[int, typer.Option(help="gRPC, which clients use.", rich_help_panel=_ENDPOINTS)]
HttpPort = Annotated[int, typer.Option(help="HTTP; 0 switches it off.", rich_help_panel=_ENDPOINTS)]
MetricsPort = Annotated[
    int,
    typer.Option(help="Prometheus metrics; 0 switches them off.", rich_help_panel=_ENDPOINTS),
]
TlsCertificate = Annotated[
    Path | None,
    typer.Option(
        help="PEM certificate chain: TLS on gRPC. Triton has no TLS for HTTP; bind "
        "to 127.0.0.1 or put a proxy before it.",
        rich_help_panel=_SECURITY,
    ),
]
TlsKey = Annotated[Path | None, typer.Option(help="PEM private key.", rich_help_panel=_SECURITY)]
TlsClientAuthority = Annotated[
    Path | None,
    typer.Option(
        help="PEM authority of clients' certificates: mutual TLS.", rich_help_panel=_SECURITY
    ),
]
Restrict = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PROTOCOL[,PROTOCOL]:HEADER=SECRET",
        help="Answer these protocols only to callers who send the header (gRPC: "
        "triton-grpc-protocol-HEADER). Repeatable. The secret is visible in ps.",
        rich_help_panel=_SECURITY,
    ),
]
CacheMib = Annotated[
    int, typer.Option(min=0, help="Response cache; 0 is off.", rich_help_panel=_SPEED)
]
RateLimit = Annotated[
    bool,
    typer.Option(
        "--rate-limit",
        help="Honour rate_limiter of the configurations.",
        rich_help_panel=_SPEED,
    ),
]
GrpcInferThreads = Annotated[
    int | None,
    typer.Option(
        help="Threads that take gRPC requests, 2 to 128 (newer Triton only).",
        rich_help_panel=_SPEED,
    ),
]
ShmInitialMib = Annotated[
    int,
    typer.Option(
        min=4, help="First size of each model's shared-memory pool.", rich_help_panel=_SPEED
    ),
]
ShmGrowthMib = Annotated[
    int,
    typer.Option(min=1, help="How much a pool grows by; it never shrinks.", rich_help_panel=_SPEED),
]
LogVerbose = Annotated[
    int, typer.Option(min=0, help="0 is quiet; 1 and up say more.", rich_help_panel=_OBSERVE)
]
LogFile = Annotated[
    Path | None, typer.Option(help="Log here, not to the console.", rich_help_panel=_OBSERVE)
]
LogFormat = Annotated[
    options.LogFormat, typer.Option(help="Time stamps.", rich_help_panel=_OBSERVE)
]
RawLogs = Annotated[
    bool,
    typer.Option(
        "--raw-logs",
        help="Show also the harmless warnings that Triton gives on a machine without a GPU.",
        rich_help_panel=_OBSERVE,
    ),
]
SummaryLatencies = Annotated[
    bool, typer.Option(help="Latency quantiles in the metrics.", rich_help_panel=_OBSERVE)
]
Trace = Annotated[
    str | None,
    typer.Option(
        metavar="URL|FILE",
        help="Trace requests: an OpenTelemetry collector's URL, or a file.",
        rich_help_panel=_OBSERVE,
    ),
]
TraceMode = Annotated[
    options.TraceMode, typer.Option(help="What --trace names.", rich_help_panel=_OBSERVE)
]
TraceRate = Annotated[
    int, typer.Option(min=1, help="One request in this many.", rich_help_panel=_OBSERVE)
]
StrictReadiness = Annotated[
    bool,
    typer.Option(help="Call the server not ready when one model is not.", rich_help_panel=_PROCESS),
]
StartTimeout = Annotated[
    float,
    typer.Option(min=1, help="Seconds it may take to get ready.", rich_help_panel=_PROCESS),
]
ExitTimeout = Annotated[
    int,
    typer.Option(
        min=1,
        help="Seconds it may take to answer what it has accepted.",
        rich_help_panel=_PROCESS,
    ),
]
Tritonserver = Annotated[
    Path | None,
    typer.Option(
        help="The tritonserver to run; by default the one on PATH, else PyPI's.",
        rich_help_panel=_PROCESS,
    ),
]
TritonArg = Annotated[
    list[str] | None,
    typer.Option(
        help="Passed to tritonserver as it is, for example "
        "--triton-arg=--http-thread-count=4. Repeatable.",
        rich_help_panel=_PROCESS,
    ),
]

HttpHost = Annotated[
    str | None,
    typer.Option(
        help="Address HTTP binds to; by default --host, but 127.0.0.1 with TLS.",
        rich_help_panel=_ENDPOINTS,
    ),
]
RestrictFile = Annotated[
    Path | None,
    typer.Option(
        help="File with one --restrict rule a line: secrets stay out of shell histories and "
        "manifests.",
        rich_help_panel=_SECURITY,
    ),
]
Supervise = Annotated[
    bool,
    typer.Option(
        "--supervise",
        help="Prove every model by real inferences, mend what breaks, serve /health and /metrics.",
        rich_help_panel=_SUPERVISE,
    ),
]
HealthHost = Annotated[
    str | None,
    typer.Option(
        help="Address of the health endpoint; by default --host.", rich_help_panel=_SUPERVISE
    ),
]
HealthPort = Annotated[int, typer.Option(help="Its port.", rich_help_panel=_SUPERVISE)]
ProbeInterval = Annotated[
    float, typer.Option(help="Seconds between probes of a model.", rich_help_panel=_SUPERVISE)
]
ProbeTimeout = Annotated[
    float,
    typer.Option(
        help="Seconds a probe may take; slow models get more.", rich_help_panel=_SUPERVISE
    ),
]
MaxRestarts = Annotated[
    int,
    typer.Option(
        help="Restarts of the server within ten minutes before giving up.",
        rich_help_panel=_SUPERVISE,
    ),
]
DrainDelay = Annotated[
    float,
    typer.Option(
        help="Seconds to serve on after SIGTERM with /health/ready at 503, so that load balancers "
        "see it.",
        rich_help_panel=_SUPERVISE,
    ),
]
