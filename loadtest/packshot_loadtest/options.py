"""Command-line options that several commands share, and what they mean together."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from packshot.serving.session import SERVER_VARIABLE
from packshot_loadtest.errors import SettingsError
from packshot_loadtest.generator.calls import Target

_SERVER, _LOAD, _GENERATOR, _OUTPUT = "Server", "Load", "Generator", "Output"

Address = Annotated[
    str | None,
    typer.Option(
        help=f"host:port of gRPC. [default: ${SERVER_VARIABLE}, else localhost:8001]",
        rich_help_panel=_SERVER,
    ),
]
Http = Annotated[
    str | None,
    typer.Option(help="host:port of HTTP, for @http kinds.", rich_help_panel=_SERVER),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        help="host:port of Triton's metrics; 'none' reads none. [default: port 8002 of the server]",
        rich_help_panel=_SERVER,
    ),
]
TlsCa = Annotated[
    Path | None,
    typer.Option(
        help="PEM file of the authority to trust: gRPC over TLS.", rich_help_panel=_SERVER
    ),
]
TlsCertificate = Annotated[
    Path | None,
    typer.Option(help="Own certificate, for mutual TLS.", rich_help_panel=_SERVER),
]
TlsKey = Annotated[Path | None, typer.Option(help="Its private key.", rich_help_panel=_SERVER)]
Timeout = Annotated[
    str, typer.Option(help="Deadline of a request, such as 500ms.", rich_help_panel=_SERVER)
]
MixText = Annotated[
    str,
    typer.Option(
        "--mix",
        help="Request kinds with weights: score=80,page=5,pixels=15; @http goes through REST. "
        "Kinds: score, page (24 photos), pixels, enhance, upscale, optimize, generate.",
        rich_help_panel=_LOAD,
    ),
]
Photos = Annotated[
    Path | None,
    typer.Option(
        help="Folder of photos. [default: the ones in scikit-image]", rich_help_panel=_LOAD
    ),
]
Sizes = Annotated[
    str,
    typer.Option(
        help="Generate photos of these longer sides with these weights: 512=70,1024=30.",
        rich_help_panel=_LOAD,
    ),
]
Warmup = Annotated[str, typer.Option(help="Load before the measured part.", rich_help_panel=_LOAD)]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.", rich_help_panel=_LOAD)]
Processes = Annotated[
    int,
    typer.Option(
        min=0, help="Locust worker processes here; 0: one process.", rich_help_panel=_GENERATOR
    ),
]
MaxLag = Annotated[
    str,
    typer.Option(
        help="A request sent later than this after its time was late; more than 1 % late ones "
        "make the run invalid.",
        rich_help_panel=_GENERATOR,
    ),
]
Slo = Annotated[Path | None, typer.Option(help="TOML file of objectives.", rich_help_panel=_OUTPUT)]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder for the report: HTML, JSON, CSV, PNG.", rich_help_panel=_OUTPUT),
]


@dataclass(frozen=True, kw_only=True)
class ServerPlace:
    """Where a running server is.

    Attributes:
        target: For requests.
        metrics: ``host:port``; empty reads none.
    """

    target: Target
    metrics: str


def server_place(
    address: str | None,
    http: str | None,
    metrics: str | None,
    timeout_s: float,
    tls: tuple[Path | None, Path | None, Path | None],
) -> ServerPlace:
    """What the server options mean together; ``tls``: authority, own certificate, its key.

    Raises:
        SettingsError: An address is not one, or a file of TLS is missing.
    """
    grpc = address or os.environ.get(SERVER_VARIABLE) or "localhost:8001"
    host, colon, port = grpc.rpartition(":")
    if not (host and colon and port.isdecimal()):
        raise SettingsError(f"the address must be host:port of the gRPC port, got {grpc!r}")
    ca, certificate, key = (str(path.absolute()) if path else "" for path in tls)
    return ServerPlace(
        target=Target(
            grpc=grpc,
            http=http or f"{host}:8000",
            timeout_s=timeout_s,
            shared_memory=_is_local(host),
            tls_ca=ca,
            tls_certificate=certificate,
            tls_key=key,
        ),
        metrics="" if metrics == "none" else metrics or f"{host}:8002",
    )


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
