"""The commands about servers: health, models, stats."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from packshot_client._addresses import parse_address
from packshot_client._config import ClientConfig
from packshot_client._exceptions import (
    ConfigError,
    DeadlineExceededError,
    RequestError,
    ServerUnavailableError,
)
from packshot_client._server_facts import Health
from packshot_client._sync import PackshotClient
from packshot_client.options import (
    DEFAULT_SERVER,
    Ca,
    Certificate,
    ExitCode,
    Header,
    Json,
    Key,
    Server,
    UseTls,
    security,
    stop,
)
from packshot_client.table import print_rich

_ResultT = TypeVar("_ResultT")

Timeout = Annotated[float, typer.Option("--timeout", help="Seconds that each question may take.")]
_TIMEOUT_S: Final = ClientConfig().health_timeout_s

HEALTH_HELP: Final = """Ask servers whether they work, and prove it with a small test image.

\b
Exit codes
  0  all of them work
  2  wrong usage
  3  one answers, but cannot score
  4  one cannot be reached

\b
Examples
  packshot health
  packshot health --server a:8001,b:8001 --json
"""

MODELS_HELP: Final = """List the models in the server's repository, and which are ready.

\b
Exit codes
  0  the server answered
  2  wrong usage
  3  it answered with an error
  4  it cannot be reached

\b
Examples
  packshot models
  packshot models --json | jq '.[] | select(.state != "READY")'
"""

STATS_HELP: Final = """Show what each model has done: images, batches, failures, mean times.

\b
Exit codes
  0  the server answered
  2  wrong usage
  3  it answered with an error
  4  it cannot be reached

\b
Examples
  packshot stats
  packshot stats quality_net --json
"""


def add_server_commands(app: typer.Typer) -> None:
    """Make them commands of ``app``."""
    app.command(help=HEALTH_HELP)(health)
    app.command(help=MODELS_HELP)(models)
    app.command(help=STATS_HELP)(stats)


def health(
    server: Server = DEFAULT_SERVER,
    json_output: Json = False,
    timeout_s: Timeout = _TIMEOUT_S,
    tls: UseTls = False,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    header: Header = None,
) -> None:
    """Ask each server by itself."""
    try:
        config = ClientConfig(
            health_timeout_s=timeout_s,
            security=security(tls=tls, ca=ca, certificate=certificate, key=key, headers=header),
        )
        found = []
        for address in parse_address(server).replicas:
            with PackshotClient(address, config=config) as client:
                found.append(client.health())
    except ConfigError as error:
        raise stop(error.message, ExitCode.USAGE) from None
    if json_output:
        # One server, one object, as scripts expect; several, a list.
        document: Any = [asdict(one) for one in found]
        _print_json(document if len(found) > 1 else document[0])
    else:
        for number, one in enumerate(found):
            typer.echo(("\n" if number else "") + _health_text(one))
    if not all(one.reachable for one in found):
        raise typer.Exit(ExitCode.UNREACHABLE)
    works = all(one.ready and one.answering for one in found)
    raise typer.Exit(ExitCode.OK if works else ExitCode.NOT_SCORED)


def models(
    server: Server = DEFAULT_SERVER,
    json_output: Json = False,
    timeout_s: Timeout = _TIMEOUT_S,
    tls: UseTls = False,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    header: Header = None,
) -> None:
    """List models."""
    config = _config(timeout_s, tls=tls, ca=ca, certificate=certificate, key=key, headers=header)
    found = _asked(server, config, lambda client: client.models())
    rows = [
        (model.name, model.version or "-", model.state or "not loaded", model.reason or "-")
        for model in found
    ]
    _print(found, json_output, ("Model", "Version", "State", "Reason"), rows)


def stats(
    model: Annotated[str, typer.Argument(help="Name of one model; all if left out.")] = "",
    server: Server = DEFAULT_SERVER,
    json_output: Json = False,
    timeout_s: Timeout = _TIMEOUT_S,
    tls: UseTls = False,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    header: Header = None,
) -> None:
    """Show statistics."""
    config = _config(timeout_s, tls=tls, ca=ca, certificate=certificate, key=key, headers=header)
    found = _asked(server, config, lambda client: client.stats(model))
    rows = [
        (
            one.name,
            one.version,
            str(one.inferences),
            str(one.executions),
            str(one.failures),
            f"{one.request_ms:.2f}",
            f"{one.queue_ms:.2f}",
            f"{one.compute_ms:.2f}",
        )
        for one in found
    ]
    columns = ("Model", "Version", "Images", "Batches", "Failed", "ms", "Queue ms", "Compute ms")
    _print(found, json_output, columns, rows)


def _config(timeout_s: float, **secured: Any) -> ClientConfig:
    try:
        return ClientConfig(health_timeout_s=timeout_s, security=security(**secured))
    except ConfigError as error:
        raise stop(error.message, ExitCode.USAGE) from None


def _asked(
    server: str, config: ClientConfig, ask: Callable[[PackshotClient], _ResultT]
) -> _ResultT:
    try:
        with PackshotClient(server, config=config) as client:
            return ask(client)
    except ConfigError as error:
        raise stop(error.message, ExitCode.USAGE) from None
    except (ServerUnavailableError, DeadlineExceededError) as error:
        raise stop(error.message, ExitCode.UNREACHABLE) from None
    except RequestError as error:
        raise stop(error.message, ExitCode.NOT_SCORED) from None


def _print(
    found: Sequence[Any], json_output: bool, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    if json_output:
        _print_json([asdict(one) for one in found])
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    print_rich(table, Console())


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False))


def _health_text(found: Health) -> str:
    latency = f" in {found.latency_s * 1000:.0f} ms" if found.latency_s is not None else ""
    lines = [
        f"server     {found.address}",
        f"triton     {found.version or '-'}",
        f"ready      {'yes' if found.ready else 'no'}",
        f"answering  {'yes' if found.answering else 'no'}{latency}",
    ]
    return "\n".join([*lines, f"problem    {found.problem}"] if found.problem else lines)
