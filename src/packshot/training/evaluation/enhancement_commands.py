"""``packshot-eval restore`` and ``packshot-eval upscale``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

from packshot.models.weights import load_restore_net, load_upscale_net
from packshot.training.evaluation.enhancement_sheets import restore_sheet, upscale_sheet
from packshot.training.evaluation.enhancement_tables import restore_tables, upscale_tables
from packshot.training.evaluation.report import TABLE_WIDTH, report_console
from packshot.training.evaluation.restoration import evaluate_restoration
from packshot.training.evaluation.upscaling import evaluate_upscaling
from packshot.training.progress import StageProgress
from packshot.training.report_file import json_text, write_json
from packshot.training.sheets import write_sheet

console = report_console()
progress_console = Console(stderr=True)

UPSCALE_WEIGHTS = tuple(
    Path("weights") / f"upscale_x{scale}{kind}.safetensors"
    for scale in (2, 4)
    for kind in ("", "_bicubic")
)

Data = Annotated[Path, typer.Option(help="Folder with seller_photos/, set5/ and so on.")]
Out = Annotated[
    Path | None, typer.Option(help="Report folder: report.txt, report.json, samples.png.")
]
Resamples = Annotated[int, typer.Option(min=10, help="Draws of each bootstrap interval.")]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]


def restore(
    data: Data,
    weights: Annotated[Path, typer.Option(help="Safetensors file.")] = Path(
        "weights/restore.safetensors"
    ),
    out: Out = None,
    photos: Annotated[
        int | None, typer.Option(min=2, help="Only this many test photos. [default: all]")
    ] = None,
    tools: Annotated[bool, typer.Option(help="Compare with OpenCV's own tools; slow.")] = True,
    resamples: Resamples = 1000,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Spoilt photos of sellers restored; clean ones left alone; OpenCV's tools beside it."""
    torch.set_num_threads(threads)
    network = load_restore_net(weights)
    with StageProgress(progress_console) as progress:
        evaluation = evaluate_restoration(
            network,
            data=data,
            photos=photos,
            with_tools=tools,
            resamples=resamples,
            advance=progress.advance,
        )
    numbers = {"weights": identity([weights]), "evaluation": evaluation}
    show(restore_tables(evaluation), numbers, out, as_json)
    if out is not None:
        write_sheet(out / "samples.png", restore_sheet(network, data))


def upscale(
    data: Data,
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="Safetensors files, each at its own scale. [default: those shipped]"),
    ] = None,
    out: Out = None,
    photos: Annotated[int, typer.Option(min=2, help="Most test photos of a source.")] = 20,
    resamples: Resamples = 1000,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Upscaling beside bicubic enlargement: papers' test pictures and photo-like ones."""
    torch.set_num_threads(threads)
    paths = weights or list(UPSCALE_WEIGHTS)
    networks = {path.stem: load_upscale_net(path) for path in paths}
    with StageProgress(progress_console) as progress:
        evaluation = evaluate_upscaling(
            networks, data=data, photos=photos, resamples=resamples, advance=progress.advance
        )
    numbers = {"weights": identity(paths), "evaluation": evaluation}
    show(upscale_tables(evaluation), numbers, out, as_json)
    if out is not None:
        write_sheet(out / "samples.png", upscale_sheet(networks, data))


def identity(paths: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of each weights file, by path."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def show(
    tables: list[Table],
    numbers: dict[str, Any],
    out: Path | None,
    as_json: bool,
    pictures: Sequence[str] = ("samples.png",),
) -> None:
    """Print the tables, or the numbers as JSON; with ``out`` also write both there.

    Args:
        tables: To print.
        numbers: Everything measured.
        out: Report folder.
        as_json: Print the numbers instead.
        pictures: Names of the files that the caller writes there, to be told.
    """
    if as_json:
        typer.echo(json_text(numbers), nl=False)
    else:
        for table in tables:
            console.print(table)
    if out is None:
        return
    write_json(out / "report.json", numbers)
    with (out / "report.txt").open("w", encoding="utf-8") as stream:
        file_console = Console(file=stream, width=TABLE_WIDTH, no_color=True)
        for table in tables:
            file_console.print(table)
    written = ", ".join(("report.json", "report.txt", *pictures))
    progress_console.print(f"written to {out}: {written}", markup=False)
