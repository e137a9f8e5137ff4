"""``packshot-eval``: measure the networks.

packshot-eval quality --data ../shared/data
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from packshot.contracts import LEARNED_ATTRIBUTES
from packshot.errors import PackshotError
from packshot.models.weights import load_quality_net
from packshot.training.quality_evaluation import (
    Agreement,
    FaultResponse,
    fault_responses,
    human_agreement,
    unseen_clean_photos,
)
from packshot.training.quality_photos import split_biq2021

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console()
progress_console = Console(stderr=True)


@app.callback()
def _root() -> None:
    """Measure packshot's networks on photos that no training saw."""


@app.command()
def quality(
    data: Annotated[Path, typer.Option(help="Folder with biq2021/, studio/, bsds/ and so on.")],
    weights: Annotated[Path, typer.Option(help="Safetensors file.")] = Path(
        "weights/quality.safetensors"
    ),
    photos_per_source: Annotated[
        int, typer.Option(min=1, help="Clean photos of each source to apply faults to.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Agreement with people on the test split; answers to faults; false alarms."""
    network = load_quality_net(weights)
    split = split_biq2021(data / "biq2021")
    agreements, _ = human_agreement(network, split.test)
    clean = unseen_clean_photos(data, split.test, most=photos_per_source)
    responses = fault_responses(network, clean, report=lambda name: progress_console.print(name))
    if as_json:
        result = {
            "agreement": [dataclasses.asdict(a) for a in agreements],
            "faults": [dataclasses.asdict(r) for r in responses],
            "clean_photos": len(clean),
        }
        typer.echo(json.dumps(result, indent=2))
        return
    console.print(_agreement_table(agreements))
    console.print(_response_table(responses, len(clean)))


def _agreement_table(agreements: list[Agreement]) -> Table:
    table = Table(title="Agreement with people, 95 % bootstrap intervals")
    table.add_column("subset")
    table.add_column("photos", justify="right")
    for metric in agreements[0].metrics:
        table.add_column(metric, no_wrap=True)
    for agreement in agreements:
        values = [str(estimate) for estimate in agreement.metrics.values()]
        table.add_row(agreement.subset, str(agreement.photos), *values)
    return table


def _response_table(responses: list[FaultResponse], photos: int) -> Table:
    table = Table(title=f"Faults applied to {photos} clean photos; attributes at severity 0.5")
    for heading in ("fault", "monotony", "score", "own lowest", *LEARNED_ATTRIBUTES):
        table.add_column(heading)
    for response in responses:
        table.add_row(
            response.fault,
            f"{response.monotony:.2f}",
            f"{response.score_monotony:.2f}",
            f"{response.own_lowest:.0%}",
            *(
                f"[b]{value:.2f}[/b]" if name == response.attribute else f"{value:.2f}"
                for name, value in zip(LEARNED_ATTRIBUTES, response.mean_attributes, strict=True)
            ),
        )
    return table


def main() -> None:
    """Entry point of ``packshot-eval``."""
    try:
        app()
    except PackshotError as error:
        progress_console.print(f"packshot-eval: {error}", style="red", markup=False)
        raise SystemExit(2) from error
