"""The commands that mend photos: enhance, upscale, optimize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console

from packshot.contracts import DEFAULT_POLICY, SCALES
from packshot_client._config import ClientConfig
from packshot_client._exceptions import ConfigError, ImageSourceError
from packshot_client._operations import Enhance, Operation, Optimize, Upscale
from packshot_client._pictures import Picture
from packshot_client._sync import PackshotClient
from packshot_client.optimization_report import OptimizationContext, optimization_html
from packshot_client.options import (
    DEFAULT_SERVER,
    Ca,
    Certificate,
    ExitCode,
    FailOn,
    FormatOption,
    Header,
    Json,
    Key,
    Lang,
    LanguageOption,
    Policy,
    Server,
    UseTls,
    decided,
    output_format,
    security,
    stop,
)
from packshot_client.picture_table import print_optimized, print_pictures
from packshot_client.pictures import MadePicture, made_pictures, photos_beside
from packshot_client.progress import require_server, tracked
from packshot_client.records import picture_document
from packshot_client.writing import check_writable, encoded, write_text

PictureT = TypeVar("PictureT", bound=Picture)

Photos = Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")]
Out = Annotated[Path, typer.Option(help="Folder for the pictures; made if it is not there.")]
Quality = Annotated[
    int | None, typer.Option(min=1, max=100, help="Of JPEG and WebP; else the server's choice.")
]
MaxSide = Annotated[
    int | None, typer.Option(min=1, help="Longest side in pixels; larger pictures are shrunk.")
]
Concurrency = Annotated[int, typer.Option(min=1, help="Photos under way at a time.")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", help="Seconds that each photo may take.")
]

_IN_FLIGHT: Final = 2

_EXITS: Final = """\b
Exit codes
  0  every photo was done
  2  wrong usage: no such file, unknown option
  3  some photo could not be done
  4  the server cannot be reached
"""

ENHANCE_HELP: Final = f"""Restore photos: noise, blur, JPEG blocks, light, colour, contrast.

Folders are searched to their depth for image files. Each picture goes to
the --out folder under its photo's name; photos are never overwritten. The
list goes to standard output, progress and messages to standard error.

{_EXITS}
\b
Examples
  packshot enhance photo.jpg --out restored/
  packshot enhance photos/ --out restored/ --format webp --quality 85 --json
"""

UPSCALE_HELP: Final = f"""Enlarge photos two or four times, with a network.

Files and folders are as for packshot enhance.

{_EXITS}
\b
Examples
  packshot upscale photo.jpg --out large/
  packshot upscale photos/ --scale 4 --max-side 3000 --out large/
"""

OPTIMIZE_HELP: Final = """Score photos, mend what fails, and score again until they pass.

Of each photo the best picture is kept: it never scores lower than the
photo. What no software can mend is said. Files and folders are as for
packshot enhance.

\b
Exit codes
  0  every picture passes (see --fail-on)
  1  some picture is still rejected, or sent to review with --fail-on review
  2  wrong usage: no such file, unknown option
  3  some photo could not be done
  4  the server cannot be reached

\b
Examples
  packshot optimize photos/ --out fixed/ --policy google --html report.html
  packshot optimize photos/ --out fixed/ --json | jq '.[] | {file, gain}'
"""


def add_picture_commands(app: typer.Typer) -> None:
    """Make them commands of ``app``."""
    app.command(help=ENHANCE_HELP)(enhance)
    app.command(help=UPSCALE_HELP)(upscale)
    app.command(help=OPTIMIZE_HELP)(optimize)


def enhance(
    paths: Photos,
    out: Out,
    server: Server = DEFAULT_SERVER,
    picture_format: FormatOption = None,
    quality: Quality = None,
    max_side: MaxSide = None,
    json_output: Json = False,
    concurrency: Concurrency = _IN_FLIGHT,
    timeout_s: Timeout = None,
    tls: UseTls = False,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    header: Header = None,
) -> None:
    """Restore photos."""
    made = _made(
        lambda: Enhance(format=output_format(picture_format), quality=quality, max_side=max_side),
        paths,
        out,
        server,
        label="Restoring",
        concurrency=concurrency,
        timeout_s=timeout_s,
        secured={"tls": tls, "ca": ca, "certificate": certificate, "key": key, "headers": header},
    )
    _print_plain(made, json_output)


def upscale(
    paths: Photos,
    out: Out,
    scale: Annotated[
        int, typer.Option(help=f"How many times as large: {' or '.join(map(str, SCALES))}.")
    ] = SCALES[0],
    server: Server = DEFAULT_SERVER,
    picture_format: FormatOption = None,
    quality: Quality = None,
    max_side: MaxSide = None,
    json_output: Json = False,
    concurrency: Concurrency = _IN_FLIGHT,
    timeout_s: Timeout = None,
    tls: UseTls = False,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    header: Header = None,
) -> None:
    """Enlarge photos."""
    made = _made(
        lambda: Upscale(
            scale=scale, format=output_format(picture_format), quality=quality, max_side=max_side
        ),
        paths,
        out,
        server,
        label="Enlarging",
        concurrency=concurrency,
        timeout_s=timeout_s,
        secured={"tls": tls, "ca": ca, "certificate": certificate, "key": key, "headers": header},
    )
    _print_plain(made, json_output)


def optimize(
    paths: Photos,
    out: Out,
    server: Server = DEFAULT_SERVER,
    policy: Policy = DEFAULT_POLICY,
    lang: LanguageOption = Lang.EN,
    picture_format: FormatOption = None,
    quality: Quality = None,
    json_output: Json = False,
    html: Annotated[
        Path | None, typer.Option(help="Write an HTML report, before beside after, to this file.")
    ] = None,
    concurrency: Concurrency = _IN_FLIGHT,
    timeout_s: Timeout = None,
    fail_on: Annotated[
        FailOn, typer.Option(help="Decision on the picture from which on the exit code is 1.")
    ] = FailOn.REJECT,
    tls: UseTls = False,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    header: Header = None,
) -> None:
    """Optimize photos."""
    check_writable(html)
    made = _made(
        lambda: Optimize(policy=policy, format=output_format(picture_format), quality=quality),
        paths,
        out,
        server,
        label="Optimizing",
        concurrency=concurrency,
        timeout_s=timeout_s,
        secured={"tls": tls, "ca": ca, "certificate": certificate, "key": key, "headers": header},
    )
    if json_output:
        typer.echo(encoded(picture_document(made)), nl=False)
    else:
        print_optimized(made, lang.language, Console())
    if html is not None:
        context = OptimizationContext(
            policy=policy, server=server, made_at=datetime.now(), language=lang.language
        )
        write_text(html, optimization_html(made, context))
    if any(one.error for one in made):
        raise typer.Exit(ExitCode.NOT_SCORED)
    raise typer.Exit(decided([one.result.after.decision for one in made if one.result], fail_on))


def _made(
    operation: Callable[[], Operation[PictureT]],
    paths: Sequence[Path],
    out: Path,
    server: str,
    *,
    label: str,
    concurrency: int,
    timeout_s: float | None,
    secured: dict[str, Any],
) -> list[MadePicture[PictureT]]:
    try:
        asked = operation()
        photos = photos_beside(paths, out)
        with PackshotClient(server, config=ClientConfig(security=security(**secured))) as client:
            require_server(client)
            made = made_pictures(
                client, asked, photos, out, max_in_flight=concurrency, timeout_s=timeout_s
            )
            return list(tracked(made, label, len(photos), many=1))
    except (ConfigError, ImageSourceError) as error:
        raise stop(error.message, ExitCode.USAGE) from None


def _print_plain(made: Sequence[MadePicture[Picture]], json_output: bool) -> None:
    if json_output:
        typer.echo(encoded(picture_document(made)), nl=False)
    else:
        print_pictures(made, Console())
    failed = any(one.error for one in made)
    raise typer.Exit(ExitCode.NOT_SCORED if failed else ExitCode.OK)
