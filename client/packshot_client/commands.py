"""The commands of ``packshot``: score and demo here, those about servers in ``server_commands``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from packshot.contracts import DECISIONS, DEFAULT_POLICY
from packshot_client import demo as demo_photos
from packshot_client._config import ClientConfig
from packshot_client._exceptions import ClientError, ConfigError, ImageSourceError
from packshot_client._results import Language
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
from packshot_client.photos import ScoredPhoto, photo_files, scored_photos
from packshot_client.records import csv_document, json_document
from packshot_client.report import ReportContext, report_html
from packshot_client.server_commands import add_server_commands
from packshot_client.table import print_rich, print_table

_MANY: Final = 4
"""From this many photos on, a progress bar is worth its space."""


class FailOn(str, Enum):
    """From which decision on ``packshot score`` exits with 1."""

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


app = typer.Typer(
    help="Score product photos on a packshot server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
add_server_commands(app)

Policy = Annotated[str, typer.Option(help="Marketplace policy that decides.")]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds that each photo may take.")]
Concurrency = Annotated[int, typer.Option(min=1, help="Photos under way at a time.")]
LanguageOption = Annotated[Lang, typer.Option("--lang", help="Language of advice and report.")]

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
    _check_writable(html, csv)
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
        typer.echo(_encoded(json_document(photos)), nl=False)
    else:
        print_table(photos, language, Console())
    if csv is not None:
        _write(csv, csv_document(photos, language))
    if html is not None:
        context = ReportContext(
            policy=policy, server=server, scored_at=datetime.now(), language=language
        )
        _write(html, report_html(photos, context))
    raise typer.Exit(exit_code(photos, fail_on))


@app.command()
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
    """Score real photographs and spoilt copies of them, and write a report.

    Exits with 1 if a spoilt copy does not score below its original.
    """
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
    _write(out / "report.html", report_html(scored, context))
    if json_output:
        typer.echo(_encoded(json_document(scored)), nl=False)
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


def exit_code(photos: Sequence[ScoredPhoto], fail_on: FailOn) -> ExitCode:
    """The exit code of ``packshot score``. Photos without a score outweigh bad ones."""
    if any(photo.error for photo in photos):
        return ExitCode.NOT_SCORED
    if fail_on is FailOn.NEVER:
        return ExitCode.OK
    failing = DECISIONS[DECISIONS.index(fail_on.value) :]
    bad = any(photo.result and photo.result.decision in failing for photo in photos)
    return ExitCode.NOT_ACCEPTED if bad else ExitCode.OK


def _scored(
    server: str, files: Sequence[Path], *, policy: str, config: ClientConfig
) -> list[ScoredPhoto]:
    with PackshotClient(server, config=config) as client:
        found = client.health()
        if not found.reachable:
            raise stop(found.problem, ExitCode.UNREACHABLE)
        console = Console(stderr=True)
        columns = (
            TextColumn("Scoring"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        hidden = len(files) < _MANY or not console.is_terminal
        with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
            scores = scored_photos(client, files, policy=policy)
            return list(progress.track(scores, total=len(files)))


def _check_writable(*outputs: Path | None) -> None:
    for output in outputs:
        if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
            raise stop(
                f"{output} cannot be written: give a file in a folder that exists.", ExitCode.USAGE
            )


def _write(path: Path, text: str) -> None:
    try:
        path.write_bytes(_encoded(text))
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}."
        raise stop(message, ExitCode.USAGE) from None
    typer.echo(f"Wrote {path}", err=True)


def _encoded(text: str) -> bytes:
    # File names need not be Unicode: their odd bytes become escapes, which JSON reads back.
    return text.encode("utf-8", "backslashreplace")
