"""``packshot-eval held-out``: the labelled photos that no training saw, for other tools."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from packshot.training.quality.photos import split_biq2021


def held_out(
    data: Annotated[Path, typer.Option(help="Folder with biq2021/.")],
    out: Annotated[Path, typer.Option(help="CSV file.")] = Path("reports/held_out.csv"),
) -> None:
    """List the photos that no training saw, with people's scores: for packshot-export --labelled.

    Writes the columns file (an absolute path) and mos (0-1).
    """
    photos = split_biq2021(data / "biq2021").test
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "mos"])
        writer.writerows((photo.path.resolve(), photo.mos) for photo in photos)
    typer.echo(f"{len(photos)} photos in {out}")
