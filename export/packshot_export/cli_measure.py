"""The commands that measure a network: what a precision gains and costs, and what INT8 needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from packshot_export.bench import bench as run_bench
from packshot_export.build import LABELLED, PICTURE_SEED
from packshot_export.display import StageDisplay
from packshot_export.networks import NETWORKS, network_named
from packshot_export.pictures import (
    PictureSet,
    folder_pictures,
    generated_pictures,
    labelled_pictures,
)
from packshot_export.proof import calibrate as run_calibrate
from packshot_export.sensitivity import measure_sensitivity

NetworkName = Annotated[str, typer.Argument(help=f"One of {', '.join(NETWORKS)}.")]
Weights = Annotated[
    Path | None, typer.Option(help="Safetensors file; the shipped weights by default.")
]
Labelled = Annotated[
    Path | None,
    typer.Option(help="CSV with the columns file,mos: held-out photos with people's scores."),
]
Pictures = Annotated[
    Path | None,
    typer.Option(
        help="Folder of photos: half calibrate INT8, half measure. Generated pictures by default."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a pipeline.")]


def add_measuring(app: typer.Typer, console: Console) -> None:
    """Add ``calibrate``, ``bench`` and ``sensitivity`` to the command line."""

    @app.command()
    def calibrate(
        network: NetworkName,
        photos: Annotated[Path, typer.Option(help="Folder of photos like those to be served.")],
        labelled: Labelled = None,
        pictures: Annotated[
            int, typer.Option(min=16, help="How many to take: half calibrate, half prove.")
        ] = 128,
        weights: Weights = None,
        out: Annotated[
            Path | None, typer.Option(help="JSON file; beside the weights by default.")
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Note what flows through a network, so that INT8 can be built without the photos.

        Nothing is written where INT8 costs more accuracy than it may.
        """
        found = network_named(network)
        out = out or found.calibration_file
        with StageDisplay(console) as display:
            file = run_calibrate(
                found,
                weights or found.weights,
                folder_pictures(photos, pictures),
                labelled=labelled_pictures(labelled, LABELLED) if labelled else None,
                report=display,
            )
        file.write(out)
        if as_json:
            typer.echo(json.dumps(file.facts()))
            return
        for metric in file.metrics:
            typer.echo(
                f"{metric['metric']}: {metric['value']:.4g} (limit {metric['limit']:g},"
                f" {metric['pictures']} photos)"
            )
        typer.echo(f"{len(file.calibration.layers)} layers in {out}")

    @app.command()
    def bench(
        network: NetworkName,
        weights: Weights = None,
        calibration: Pictures = None,
        labelled: Labelled = None,
        pictures: Annotated[int, typer.Option(min=16, help="How many to take.")] = 96,
        rounds: Annotated[int, typer.Option(min=3, help="How often each runs.")] = 15,
        as_json: Json = False,
    ) -> None:
        """Compare runtimes and precisions in one run, those of an NVIDIA GPU where there is one."""
        found = network_named(network)
        with StageDisplay(console) as display:
            report = run_bench(
                found,
                weights or found.weights,
                _pictures(calibration, pictures),
                labelled=labelled_pictures(labelled, LABELLED) if labelled else None,
                rounds=rounds,
                report=display,
            )
        if as_json:
            typer.echo(json.dumps(report.to_json()))
            return
        table = Table("", "batch", "median ms", "times OpenVINO fp32")
        for row in report.rows:
            table.add_row(row.contender, str(row.batch), f"{row.median_ms:.1f}", f"{row.ratio:.2f}")
        Console().print(table)
        for name, value in report.srcc.items():
            typer.echo(f"{name}: SRCC with PyTorch {value:.4f}")
        for name, value in report.srcc_people.items():
            typer.echo(f"{name}: SRCC with people {value:.4f}")
        typer.echo(f"quickest within its accuracy budget on this CPU: {report.winner}")

    @app.command()
    def sensitivity(
        network: NetworkName,
        weights: Weights = None,
        calibration: Pictures = None,
        pictures: Annotated[int, typer.Option(min=16, help="How many to take.")] = 64,
        as_json: Json = False,
    ) -> None:
        """Put each quantized layer back to float in turn, and show what that mends."""
        found = network_named(network)
        chosen = _pictures(calibration, pictures)
        with console.status("measuring") as status:
            layers = measure_sensitivity(
                found,
                weights or found.weights,
                chosen.pictures,
                advance=lambda done, total: status.update(f"layer {done} of {total}"),
            )
        if as_json:
            typer.echo(json.dumps([layer.to_json() for layer in layers]))
            return
        table = Table("layer", f"mean error of {found.metric.output}", "with this layer in float")
        for layer in layers:
            table.add_row(layer.layer, f"{layer.error:.3f}", f"{layer.error_without:.3f}")
        Console().print(table)


def _pictures(folder: Path | None, count: int) -> PictureSet:
    return folder_pictures(folder, count) if folder else generated_pictures(count, PICTURE_SEED)
