"""``packshot-export``: trained weights to a proven, published model version.

packshot-export build quality --precision int8 --calibration photos/

packshot-export verify model_repository/quality_net/2

packshot-export publish quality_net/2 --server localhost:8001

packshot-export rollback quality_net --server localhost:8001
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from packshot.errors import PackshotError
from packshot_export.build import STAGES
from packshot_export.build import build as run_build
from packshot_export.cli_measure import Labelled, NetworkName, Weights, add_measuring
from packshot_export.cli_publish import add_publishing
from packshot_export.display import StageDisplay
from packshot_export.engine import EngineOptions
from packshot_export.errors import ExportError
from packshot_export.inventory import prune as run_prune
from packshot_export.inventory import summaries
from packshot_export.manifest import read_manifest
from packshot_export.networks import network_named
from packshot_export.precision import Precision
from packshot_export.recipe import Recipe, Target
from packshot_export.repository_check import differences
from packshot_export.verification import verify as run_verify

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a pipeline.")]
Repository = Annotated[Path, typer.Option(help="Triton model repository.")]
Calibration = Annotated[
    Path | None,
    typer.Option(
        help="Folder of photos: half calibrate INT8, half prove. By default the calibration that"
        " ships with the weights, and generated pictures."
    ),
]

_MODELS = Path("model_repository")
_TENSORRT = "TensorRT"

add_publishing(app, console)
add_measuring(app, console)


@app.command()
def build(
    network: NetworkName,
    target: Annotated[
        Target,
        typer.Option(
            help="openvino: CPU. tensorrt: on the GPU that will serve it. tensorrt-rtx: no GPU"
            " needed, to check that TensorRT takes the graph; Triton does not serve it."
            " torch-tensorrt: tensorrt by another front end; needs a GPU from its import on, and"
            " no test of this project has run it."
        ),
    ] = Target.OPENVINO,
    precision: Annotated[
        Precision | None,
        typer.Option(
            help="What it computes in; by default what is served on CPU for openvino, else fp32."
        ),
    ] = None,
    repository: Repository = _MODELS,
    weights: Weights = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Version to create; the next free one by default.")
    ] = None,
    replace: Annotated[
        bool, typer.Option(help="Replace the version if it is there and no server has loaded it.")
    ] = False,
    calibration: Calibration = None,
    labelled: Labelled = None,
    sign_key: Annotated[
        Path | None, typer.Option(help="Ed25519 private key, PEM: sign the manifest.")
    ] = None,
    workspace_gib: Annotated[
        float, typer.Option(help="GPU memory for tactics.", rich_help_panel=_TENSORRT)
    ] = 2.0,
    optimization_level: Annotated[
        int, typer.Option(min=0, max=5, help="5 searches longest.", rich_help_panel=_TENSORRT)
    ] = 3,
    timing_cache: Annotated[
        Path | None, typer.Option(help="File of measured tactics.", rich_help_panel=_TENSORRT)
    ] = None,
    hardware_compatible: Annotated[
        bool, typer.Option(help="For every GPU from Ampere on.", rich_help_panel=_TENSORRT)
    ] = False,
    version_compatible: Annotated[
        bool, typer.Option(help="For newer TensorRT of this major.", rich_help_panel=_TENSORRT)
    ] = False,
    as_json: Json = False,
) -> None:
    """Export, compile and prove a network, then write its version folder in one step."""
    found = network_named(network)
    if precision is None:
        precision = found.precision_on_cpu if target is Target.OPENVINO else Precision.FP32
    recipe = Recipe(
        target=target,
        precision=precision,
        weights=weights,
        calibration=calibration,
        labelled=labelled,
        sign_key=sign_key,
        engine=EngineOptions(
            workspace_gib=workspace_gib,
            optimization_level=optimization_level,
            timing_cache=timing_cache,
            hardware_compatible=hardware_compatible,
            version_compatible=version_compatible,
        ),
    )
    with StageDisplay(console, len(STAGES)) as display:
        folder = run_build(
            found,
            repository=repository,
            recipe=recipe,
            version=version,
            replace=replace,
            report=display,
        )
    manifest = read_manifest(folder)
    if as_json:
        typer.echo(json.dumps(manifest))
        return
    for result in manifest["parity"]["outputs"]:
        _say(
            f"  {result['runtime']:<13} {result['output']:<15} off by at most"
            f" {result['largest_difference']:.2g} (allowed {result['allowed']:g})"
        )
    for result in manifest["parity"]["metrics"]:
        _say(
            f"  {result['runtime']:<13} {result['metric']}: {result['value']:.4g}"
            f" (limit {result['limit']:g})"
        )
    typer.echo(f"built {folder} for {target.value} in {precision.value}")


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="A version: model_repository/quality_net/2")],
    public_key: Annotated[
        Path | None, typer.Option(help="Ed25519 public key, PEM: require a signature.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Refuse a version that was changed, or that does not fit or answer right here."""
    found = run_verify(folder, public_key=public_key)
    if as_json:
        typer.echo(json.dumps({"checks": found.checks, "notes": found.notes}))
        return
    for line in found.checks:
        _say(f"  ok    {line}")
    for line in found.notes:
        _say(f"  note  {line}")
    typer.echo(f"verified {folder}")


@app.command()
def check(repository: Repository = _MODELS, as_json: Json = False) -> None:
    """Compare config.pbtxt with the contracts, the manifests and the built files."""
    found = differences(repository)
    if as_json:
        typer.echo(json.dumps({"differences": found}))
    elif found:
        typer.echo("\n".join(found))
    else:
        typer.echo(f"{repository}: configurations, contracts and built versions agree")
    if found:
        raise typer.Exit(1)


@app.command(name="list")
def list_versions(
    model: Annotated[str | None, typer.Argument(help="One model; all by default.")] = None,
    repository: Repository = _MODELS,
    as_json: Json = False,
) -> None:
    """List the versions that are built, and which of them are served."""
    found = summaries(repository, model)
    if as_json:
        typer.echo(json.dumps([item.to_json() for item in found]))
        return
    table = Table("model", "version", "state", "target", "precision", "built at (UTC)", "MiB")
    for item in found:
        table.add_row(
            item.model,
            str(item.version),
            item.state,
            item.target,
            item.precision,
            item.built_at,
            f"{item.bytes / 2**20:.1f}",
        )
    Console().print(table)


@app.command()
def show(folder: Annotated[Path, typer.Argument(help="A version.")]) -> None:
    """Print the manifest of a version."""
    typer.echo(json.dumps(read_manifest(folder), indent=2))


@app.command()
def prune(
    model: Annotated[str, typer.Argument(help="For example quality_net.")],
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest stay.")] = 3,
    repository: Repository = _MODELS,
    as_json: Json = False,
) -> None:
    """Remove old versions; never one that is served or was stable before."""
    removed = run_prune(repository / model, keep)
    if as_json:
        typer.echo(json.dumps({"removed": removed}))
    else:
        typer.echo(f"removed {len(removed)} versions of {model}: {removed}")


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False)


def main(arguments: list[str] | None = None) -> Any:
    """Entry point of ``packshot-export``."""
    try:
        return app(args=arguments)
    except (ExportError, PackshotError, ValueError) as error:
        console.print(f"packshot-export: {error}", style="red", highlight=False, markup=False)
        raise SystemExit(2) from error
