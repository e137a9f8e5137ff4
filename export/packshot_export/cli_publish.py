"""The commands that change what a live server serves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from packshot_export.display import StageDisplay
from packshot_export.errors import VersionError
from packshot_export.publication import Published, Publisher
from packshot_export.server import ModelServer, ServerAddress

Model = Annotated[str, typer.Argument(help="For example quality_net.")]
Server = Annotated[str, typer.Option(help="host:port of the server's gRPC endpoint.")]
Repository = Annotated[Path, typer.Option(help="Model repository that the server reads.")]
Key = Annotated[
    str | None,
    typer.Option(
        help="header=secret, for a server that restricts model control.",
        envvar="PACKSHOT_MODEL_CONTROL_KEY",
    ),
]
Ca = Annotated[Path | None, typer.Option(help="PEM authority of the server's certificate: TLS.")]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds a single step may take.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a pipeline.")]

_MODELS = Path("model_repository")
_SERVER = "localhost:8001"


def add_publishing(app: typer.Typer, console: Console) -> None:
    """Add ``publish``, ``promote``, ``abort`` and ``rollback`` to the command line."""

    def work(
        model: str,
        repository: Path,
        address: ServerAddress,
        task: Callable[[Publisher], Published],
        as_json: bool,
    ) -> None:
        with StageDisplay(console) as display, ModelServer(address) as server:
            done = task(Publisher(repository / model, server, report=display))
        if as_json:
            typer.echo(json.dumps(done.to_json()))
            return
        words = f"{done.model}: version {done.stable} is stable"
        if done.canary is not None:
            words += (
                f", version {done.canary} is the canary. Callers of {done.model} itself who name no"
                " version get the canary: the highest one served"
            )
        if done.latency is not None:
            words += f" ({done.latency.ratio:.2f} times the old latency)"
        typer.echo(words)

    @app.command()
    def publish(
        version: Annotated[str, typer.Argument(help="MODEL/VERSION, for example quality_net/2")],
        server: Server = _SERVER,
        repository: Repository = _MODELS,
        canary: Annotated[
            bool, typer.Option("--canary", help="Serve it beside the stable version.")
        ] = False,
        max_slowdown: Annotated[
            float, typer.Option(min=0.1, help="Times the old latency it may take.")
        ] = 1.5,
        public_key: Annotated[
            Path | None, typer.Option(help="Ed25519 public key, PEM: require a signature.")
        ] = None,
        key: Key = None,
        ca: Ca = None,
        timeout: Timeout = 120.0,
        as_json: Json = False,
    ) -> None:
        """Load, probe with golden answers, compare latency, then serve; else change nothing."""
        model, number = _parsed(version)
        work(
            model,
            repository,
            ServerAddress(address=server, key=key, ca=ca, timeout_s=timeout),
            lambda publisher: publisher.publish(
                number, as_canary=canary, max_slowdown=max_slowdown, public_key=public_key
            ),
            as_json,
        )

    @app.command()
    def promote(
        model: Model,
        server: Server = _SERVER,
        repository: Repository = _MODELS,
        key: Key = None,
        ca: Ca = None,
        timeout: Timeout = 120.0,
        as_json: Json = False,
    ) -> None:
        """Make the canary the stable version."""
        address = ServerAddress(address=server, key=key, ca=ca, timeout_s=timeout)
        work(model, repository, address, Publisher.promote, as_json)

    @app.command()
    def abort(
        model: Model,
        server: Server = _SERVER,
        repository: Repository = _MODELS,
        key: Key = None,
        ca: Ca = None,
        timeout: Timeout = 120.0,
        as_json: Json = False,
    ) -> None:
        """End the canary; its callers get the stable version."""
        address = ServerAddress(address=server, key=key, ca=ca, timeout_s=timeout)
        work(model, repository, address, Publisher.abort, as_json)

    @app.command()
    def rollback(
        model: Model,
        to: Annotated[
            int | None, typer.Option(min=1, help="A version; by default the stable one before.")
        ] = None,
        server: Server = _SERVER,
        repository: Repository = _MODELS,
        key: Key = None,
        ca: Ca = None,
        timeout: Timeout = 120.0,
        as_json: Json = False,
    ) -> None:
        """Serve the version that was stable before."""
        address = ServerAddress(address=server, key=key, ca=ca, timeout_s=timeout)
        work(model, repository, address, lambda publisher: publisher.rollback(to), as_json)


def _parsed(version: str) -> tuple[str, int]:
    model, slash, number = version.rstrip("/").rpartition("/")
    if not slash or not number.isdecimal():
        raise VersionError(f"expected MODEL/VERSION such as quality_net/2, got {version!r}")
    return Path(model).name, int(number)
