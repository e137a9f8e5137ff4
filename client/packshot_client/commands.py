"""The commands of ``packshot``: score and demo here, the others in modules of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from packshot.contracts import DEFAULT_POLICY
from packshot_client import demo as demo_photos
from packshot_client._config import ClientConfig
from packshot_client._exceptions import ClientError, ConfigError, ImageSourceError
from packshot_client._sync import PackshotClient
from packshot_client.borrowed_commands import add_borrowed_commands
from packshot_client.generate_command import GENERATE_HELP, generate
from packshot_client.options import (
    DEFAULT_SERVER,
    Ca,
    Certificate,
    ExitCode,
    FailOn,
    Header,
    Json,
    Key,
    Lang,
    LanguageOption,
    Policy,
    Server,
    UseTls,
    decided,
    security,
    stop,
)
from packshot_client.photos import ScoredPhoto, photo_files, scored_photos
from packshot_client.picture_commands import add_picture_commands
from packshot_client.progress import require_server, tracked
from packshot_client.records import csv_document, json_document
from packshot_client.report import ReportContext, report_html
from packshot_client.server_commands import add_server_commands
from packshot_client.table import print_rich, print_table
from packshot_client.writing import check_writable, encoded, write_text

app = typer.Typer(
    help="Score, mend and make product photos on a packshot server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Timeout = Annotated[float, typer.Option("--timeout", help="Seconds that each photo may take.")]
Concurrency = Annotated[int, typer.Option(min=1, help="Photos under way at a time.")]

_DEFAULTS: Final = ClientConfig()

SCORE_HELP: Final = """Score photos and folders of photos.

Folders are searched to their depth for image files. The table goes to standard output,
progress and messages to standard error.

\b
Exit codes
  0  every photo passed (see --fail-on)
  1  some photo was rejected, or sent to review with --fail-on review
  2  wrong usage: no such file, unknown option
  3  some photo could not be scored
  4  the server cannot be reached

\b
Examples
  packshot score photo.jpg
  packshot score photos/ --policy google --html report.html
  packshot score photos/ --json | jq '.[] | select(.decision == "reject") | .file'
"""

DEMO_HELP: Final = """Score real photographs and spoilt copies of them, and write a report.

\b
Exit codes
  0  every spoilt copy scores below its original
  1  one does not
  2  wrong usage, or packshot\\[demo] is not installed
  3  some photo could not be scored
  4  the server cannot be reached

\b
Examples
  packshot demo
  packshot demo --photos photos/ --policy google --out reports/
"""


@app.command(help=SCORE_HELP)
def score(
    paths: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    server: Server = DEFAULT_SERVER,
    policy: Policy = DEFAULT_POLICY,
    lang: LanguageOption = Lang.EN,
    json_output: Json = False,
    html: Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write CSV to this file.")] = None,
    concurrency: Concurrency = _DEFAULTS.max_in_flight,
    timeout_s: Timeout = _DEFAULTS.timeout_s,
    fail_on: Annotated[
        FailOn, typer.Option(help="Decision from which on the exit code is 1.")
    ] = FailOn.REJECT,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Photos that share a call.")
    ] = _DEFAULTS.batch_size,
    tls: UseTls = False,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    header: Header = None,
) -> None:
    language = lang.language
    check_writable(html, csv)
    try:
        files = photo_files(paths)
        config = ClientConfig(
            max_in_flight=concurrency,
            timeout_s=timeout_s,
            batch_size=batch_size,
            security=security(tls=tls, ca=ca, certificate=certificate, key=key, headers=header),
        )
        photos = _scored(server, files, policy=policy, config=config)
    except (ConfigError, ImageSourceError) as error:
        raise stop(error.message, ExitCode.USAGE) from None
    if json_output:
        typer.echo(encoded(json_document(photos)), nl=False)
    else:
        print_table(photos, language, Console())
    if csv is not None:
        write_text(csv, csv_document(photos, language))
    if html is not None:
        context = ReportContext(
            policy=policy, server=server, scored_at=datetime.now(), language=language
        )
        write_text(html, report_html(photos, context))
    raise typer.Exit(exit_code(photos, fail_on))


@app.command(help=DEMO_HELP)
def demo(
    server: Server = DEFAULT_SERVER,
    photos: Annotated[
        Path | None, typer.Option(help="Score this folder instead of the demo photos.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for demo photos and report.")] = Path("demo"),
    policy: Policy = DEFAULT_POLICY,
    lang: LanguageOption = Lang.EN,
    json_output: Json = False,
) -> None:
    originals: list[demo_photos.DemoPhoto] = []
    try:
        if photos is None:
            originals = demo_photos.make_demo_photos(out / "photos")
            files = [file for original in originals for file in original.files()]
        else:
            files = photo_files([photos])
        scored = _scored(server, files, policy=policy, config=_DEFAULTS)
    except (ClientError, demo_photos.DemoError) as error:
        raise stop(str(error), ExitCode.USAGE) from None
    console = Console(stderr=json_output)
    print_table(scored, lang.language, console)
    context = ReportContext(
        policy=policy, server=server, scored_at=datetime.now(), language=lang.language
    )
    write_text(out / "report.html", report_html(scored, context))
    if json_output:
        typer.echo(encoded(json_document(scored)), nl=False)
    if any(photo.error for photo in scored):
        raise typer.Exit(ExitCode.NOT_SCORED)
    comparisons = demo_photos.compare(originals, scored)
    if not comparisons:
        return
    console.print()
    print_rich(demo_photos.comparison_table(comparisons), console)
    failures = [sentence for row in comparisons for sentence in row.failures()]
    for sentence in failures:
        typer.echo(f"WRONG: {sentence}.", err=json_output)
    if failures:
        raise typer.Exit(ExitCode.NOT_ACCEPTED)
    typer.echo("\nEvery spoilt copy scores below its original.", err=json_output)


add_picture_commands(app)
app.command(help=GENERATE_HELP)(generate)
add_borrowed_commands(app)
add_server_commands(app)


def exit_code(photos: Sequence[ScoredPhoto], fail_on: FailOn) -> ExitCode:
    """The exit code of ``packshot score``. Photos without a score outweigh bad ones."""
    if any(photo.error for photo in photos):
        return ExitCode.NOT_SCORED
    return decided([photo.result.decision for photo in photos if photo.result], fail_on)


def _scored(
    server: str, files: Sequence[Path], *, policy: str, config: ClientConfig
) -> list[ScoredPhoto]:
    with PackshotClient(server, config=config) as client:
        require_server(client)
        scores = scored_photos(client, files, policy=policy)
        return list(tracked(scores, "Scoring", len(files)))
