"""The command that makes pictures of products that do not exist."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from packshot.contracts import CATEGORIES, MOST_IN_A_STREAM
from packshot_client._config import ClientConfig
from packshot_client._exceptions import (
    ConfigError,
    DeadlineExceededError,
    InvalidInputError,
    RequestError,
    ServerUnavailableError,
)
from packshot_client._pictures import SUFFIXES, GeneratedPicture, GenerationSummary
from packshot_client._sync import PackshotClient
from packshot_client.options import (
    DEFAULT_SERVER,
    Ca,
    Certificate,
    ExitCode,
    FormatOption,
    Header,
    Json,
    Key,
    Server,
    UseTls,
    output_format,
    security,
    stop,
)
from packshot_client.progress import require_server, tracked
from packshot_client.records import error_record
from packshot_client.sheets import sheet_file, sheet_format
from packshot_client.table import one_line, print_rich
from packshot_client.writing import check_writable, encoded, replace_file

_CATEGORIES: Final = textwrap.indent(textwrap.fill(", ".join(CATEGORIES), 70), "  ")

GENERATE_HELP: Final = f"""Make pictures of products that do not exist.

They carry an invisible mark and metadata that say so: see packshot
verify-watermark. The same category, seed and options give the same
pictures. Give --out, --sheet or both.

\b
Categories
{_CATEGORIES}

\b
Exit codes
  0  all pictures are there
  1  fewer than asked for reached --min-score
  2  wrong usage: unknown category, option out of range
  3  the server failed
  4  the server cannot be reached

\b
Examples
  packshot generate --category watches --count 16 --sheet out.png
  packshot generate --category heels --seed 7 --out heels/ --min-score 20
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Made:
    pictures: list[GeneratedPicture]
    places: list[Path | None]
    summary: GenerationSummary | None
    error: RequestError | None


def generate(
    category: Annotated[str, typer.Option(help="What the pictures show.")],
    count: Annotated[int, typer.Option(min=1, max=MOST_IN_A_STREAM, help="How many pictures.")] = 1,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the first; the others follow. Else drawn.")
    ] = None,
    truncation: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="How far from the usual, 0-1; else the server's choice."),
    ] = None,
    scale: Annotated[
        int | None, typer.Option(help="1, 2 or 4 times 64 pixels; else the server's choice.")
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Least quality; others are replaced, within limits."),
    ] = None,
    picture_format: FormatOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the pictures; made if it is not there.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="File for all pictures on one: .png, .jpg or .webp.")
    ] = None,
    server: Server = DEFAULT_SERVER,
    json_output: Json = False,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout", help="Seconds for all pictures together.")
    ] = None,
    tls: UseTls = False,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    header: Header = None,
) -> None:
    """Generate pictures."""
    if out is None and sheet is None:
        raise stop("where to? Give --out, --sheet or both.", ExitCode.USAGE)
    check_writable(sheet)
    options = {
        "seed": seed,
        "count": count,
        "truncation": truncation,
        "scale": scale,
        "format": output_format(picture_format),
        "min_score": min_score,
        "timeout_s": timeout_s,
    }
    try:
        sheet_kind = sheet_format(sheet) if sheet else ""
        config = ClientConfig(
            security=security(tls=tls, ca=ca, certificate=certificate, key=key, headers=header)
        )
        with PackshotClient(server, config=config) as client:
            require_server(client)
            made = _made(client, category, options, out, keep=sheet is not None)
        if sheet and made.pictures:
            replace_file(sheet, sheet_file(made.pictures, sheet_kind))
            typer.echo(f"Wrote {sheet}", err=True)
    except ConfigError as error:
        raise stop(error.message, ExitCode.USAGE) from None
    except OSError as error:
        place = error.filename or out or sheet
        raise stop(
            f"{place} cannot be written: {error.strerror or error}", ExitCode.USAGE
        ) from None
    if json_output:
        typer.echo(encoded(_document(made)), nl=False)
    else:
        _print(made)
    raise typer.Exit(_exit_code(made))


def _made(
    client: PackshotClient, category: str, options: dict[str, Any], out: Path | None, *, keep: bool
) -> _Made:
    pictures: list[GeneratedPicture] = []
    places: list[Path | None] = []
    error: RequestError | None = None
    with client.generate_stream(category, **options) as stream:
        try:
            for picture in tracked(stream, "Making", options["count"], many=2):
                place = _saved(picture, out)
                pictures.append(picture if keep else picture.without_data())
                places.append(place)
        except RequestError as failure:
            error = failure
    return _Made(pictures=pictures, places=places, summary=stream.summary, error=error)


def _saved(picture: GeneratedPicture, out: Path | None) -> Path | None:
    if out is None:
        return None
    place = out / f"{picture.category}-{picture.seed}{SUFFIXES[picture.format][0]}"
    replace_file(place, picture.data)
    return place


def _exit_code(made: _Made) -> ExitCode:
    error = made.error
    if error is None:
        complete = made.summary is not None and made.summary.complete
        return ExitCode.OK if complete else ExitCode.NOT_ACCEPTED
    if isinstance(error, InvalidInputError):
        return ExitCode.USAGE
    unreachable = isinstance(error, ServerUnavailableError | DeadlineExceededError)
    return ExitCode.UNREACHABLE if unreachable else ExitCode.NOT_SCORED


def _document(made: _Made) -> str:
    pictures: Sequence[dict[str, Any]] = [
        {"out": str(place) if place else None, **picture.as_dict()}
        for picture, place in zip(made.pictures, made.places, strict=True)
    ]
    summary = dataclasses.asdict(made.summary) if made.summary else None
    error = error_record(made.error) if made.error else None
    return json.dumps({"summary": summary, "pictures": pictures, "error": error}) + "\n"


def _print(made: _Made) -> None:
    if made.pictures:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for column in ("Seed", "Score", "Pixels", "Picture"):
            table.add_column(column, overflow="fold")
        for picture, place in zip(made.pictures, made.places, strict=True):
            score = "-" if picture.score is None else f"{picture.score:.1f}"
            pixels = f"{picture.width} x {picture.height}"
            table.add_row(
                str(picture.seed), score, pixels, Text(one_line(str(place)) if place else "-")
            )
        print_rich(table, Console())
    if made.error is not None:
        typer.echo(f"packshot: {made.error.message}", err=True)
    elif made.summary is not None and made.summary.message:
        typer.echo(f"packshot: {made.summary.message}", err=True)
