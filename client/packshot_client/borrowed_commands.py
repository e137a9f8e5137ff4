"""Commands that live in the core: found when they are called, so that the client stays thin."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final

import typer
from typer.main import get_command

from packshot_client.options import ExitCode, Json, stop

VERIFY_HELP: Final = """Look for the invisible mark and the metadata of generated pictures.

Works without a server; needs packshot\\[imaging].

\b
Exit codes
  0  all of them say that a machine made them
  1  one does not (which proves nothing: marks do not survive cropping)
  2  wrong usage, or packshot\\[imaging] is not installed
  3  one could not be read

\b
Examples
  packshot verify-watermark watch.png
  packshot verify-watermark pictures/*.jpg --json
"""

BACKFILL_HELP: Final = """Score a table of image paths offline, without a server.

\b
Examples
  packshot backfill --help
  packshot backfill catalogue.parquet --out scores/
"""


def add_borrowed_commands(app: typer.Typer) -> None:
    """Make them commands of ``app``."""
    app.command("verify-watermark", help=VERIFY_HELP)(verify_watermark)
    passing_on = {
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
    app.command(help=BACKFILL_HELP, context_settings=passing_on)(backfill)


def verify_watermark(
    files: Annotated[list[Path], typer.Argument(help="Picture files.")],
    json_output: Json = False,
) -> None:
    """Say of each file what it says of its origin."""
    verify = _borrowed("packshot.generation.provenance", extra="imaging").verify
    image_error = _borrowed("packshot.errors", extra="imaging").ImageError
    records: list[dict[str, Any]] = []
    for file in files:
        try:
            found = {"error": None, **verify(file.read_bytes()).to_json()}
        except image_error as error:
            found = {"error": str(error)}
        except OSError as error:
            message = f"{file} cannot be read: {error.strerror or error}"
            raise stop(message, ExitCode.USAGE) from None
        records.append({"file": str(file), **found})
        if not json_output:
            typer.echo(f"{file}: {_origin_words(found)}")
    if json_output:
        typer.echo(json.dumps(records, ensure_ascii=False))
    if any(record["error"] for record in records):
        raise typer.Exit(ExitCode.NOT_SCORED)
    generated = all(record["generated"] for record in records)
    raise typer.Exit(ExitCode.OK if generated else ExitCode.NOT_ACCEPTED)


def backfill(context: typer.Context) -> None:
    """Hand all arguments on."""
    module = _borrowed("packshot.backfill.cli", extra="backfill")
    package_error = _borrowed("packshot.errors", extra="backfill").PackshotError
    try:
        get_command(module.app).main(args=context.args, prog_name="packshot backfill")
    except (package_error, ValueError) as error:
        raise stop(str(error), ExitCode.NOT_ACCEPTED) from None


def _borrowed(name: str, *, extra: str) -> ModuleType:
    # By name: an import statement would make the client depend on what it lends itself.
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = f" ({error.name} is not installed)" if error.name else ""
        raise stop(
            f"this command needs more than the client{missing}: pip install 'packshot[{extra}]'",
            ExitCode.USAGE,
        ) from None


def _origin_words(found: dict[str, Any]) -> str:
    if found["error"]:
        return str(found["error"])
    heard = f"{found['confidence']:.1f}, counts from {found['threshold']:g}"
    signs = []
    if found["watermark"]:
        signs.append(f"the mark {found['watermark']} ({heard})")
    if found["digital_source_type"]:
        signs.append(f"metadata {found['digital_source_type'].rpartition('/')[2]}")
    if found["software"]:
        signs.append(f"made by {found['software']}")
    if not found["generated"]:
        return f"nothing says that a machine made it (mark {heard})"
    return f"generated: {', '.join(signs)}"
