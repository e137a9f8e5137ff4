"""Options and exit codes that the commands of ``packshot`` share."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from packshot.contracts import DECISIONS
from packshot_client._exceptions import ConfigError
from packshot_client._pictures import OutputFormat
from packshot_client._results import Language
from packshot_client._security import Security, Tls

DEFAULT_SERVER: Final = "localhost:8001"


class ExitCode(IntEnum):
    """What scripts can tell from the exit code of ``packshot``."""

    OK = 0
    NOT_ACCEPTED = 1
    USAGE = 2
    NOT_SCORED = 3
    UNREACHABLE = 4


class FailOn(str, Enum):
    """From which decision on a command exits with 1."""

    REJECT = "reject"
    REVIEW = "review"
    NEVER = "never"


class Lang(str, Enum):
    """Language of advice and reports."""

    EN = "en"
    ZH = "zh"

    @property
    def language(self) -> Language:
        return "zh" if self is Lang.ZH else "en"


class Format(str, Enum):
    """Format of the pictures that are written."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"


FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="Format of the pictures; else the server's choice."),
]
Policy = Annotated[str, typer.Option(help="Marketplace policy that decides.")]
LanguageOption = Annotated[Lang, typer.Option("--lang", help="Language of advice and report.")]
Server = Annotated[
    str,
    typer.Option(
        "--server",
        help="host:port of the server's gRPC port; several with commas, or dns:///host:port.",
        envvar="PACKSHOT_SERVER",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
UseTls = Annotated[bool, typer.Option("--tls", help="Encrypt; implied by --ca and --cert.")]
Ca = Annotated[Path | None, typer.Option("--ca", help="PEM file of authorities to trust.")]
Certificate = Annotated[
    Path | None, typer.Option("--cert", help="PEM file of the own certificate.")
]
Key = Annotated[Path | None, typer.Option("--key", help="PEM file of its private key.")]
Header = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        help="name=value sent with each call, such as the key of a restricted Triton.",
        envvar="PACKSHOT_HEADERS",
    ),
]


def output_format(chosen: Format | None) -> OutputFormat | None:
    """What the client calls it."""
    return None if chosen is None else chosen.value


def decided(decisions: Iterable[str], fail_on: FailOn) -> ExitCode:
    """The exit code for photos with these decisions."""
    if fail_on is FailOn.NEVER:
        return ExitCode.OK
    failing = DECISIONS[DECISIONS.index(fail_on.value) :]
    return ExitCode.NOT_ACCEPTED if {*decisions} & {*failing} else ExitCode.OK


def security(
    *,
    tls: bool = False,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    headers: list[str] | None = None,
) -> Security:
    """What the options say about security.

    Raises:
        ConfigError: They cannot be used.
    """
    named = {}
    for header in headers or ():
        name, equals, value = header.partition("=")
        if not equals:
            # Not shown: it may be a secret.
            raise ConfigError("--header must be name=value, got no '='")
        named[name.strip()] = value.strip()
    wanted = tls or ca or certificate or key
    return Security(
        tls=Tls(ca=ca, certificate=certificate, key=key) if wanted else None, headers=named
    )


def stop(message: str, code: ExitCode) -> typer.Exit:
    """Say why on standard error; raise what is returned."""
    typer.echo(f"packshot: {message}", err=True)
    return typer.Exit(code)
