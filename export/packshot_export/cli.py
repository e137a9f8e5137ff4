"""``packshot-export``: turn trained weights into a served model version.

packshot-export build quality
packshot-export build quality --weights runs/quality/quality.safetensors --version 2
"""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from packshot.errors import PackshotError
from packshot_export.build import STAGES, build_openvino
from packshot_export.errors import ExportError
from packshot_export.networks import NETWORKS, network_named
from packshot_export.version import MANIFEST

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console(stderr=True)


class Target(str, Enum):
    """Runtimes a network can be built for."""

    OPENVINO = "openvino"


@app.callback()
def _root() -> None:
    """Turn trained weights into a served, proven model version."""


@app.command()
def build(
    network: Annotated[str, typer.Argument(help=f"One of {', '.join(NETWORKS)}.")],
    target: Annotated[Target, typer.Option(help="Runtime to build for.")] = Target.OPENVINO,
    repository: Annotated[Path, typer.Option(help="Triton model repository.")] = Path(
        "model_repository"
    ),
    weights: Annotated[
        Path | None, typer.Option(help="Safetensors file; the shipped weights by default.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Version to create; the next free one by default.")
    ] = None,
    replace: Annotated[
        bool, typer.Option(help="Replace the version if it is there and no server has loaded it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest.")] = False,
) -> None:
    """Export, compile and prove a network, then write its version folder in one step."""
    done: list[str] = []

    def report(stage: str) -> None:
        done.append(stage)
        console.print(f"[{len(done)}/{len(STAGES)}] {stage}", highlight=False, markup=False)

    folder = build_openvino(
        network_named(network),
        repository=repository,
        weights=weights,
        version=version,
        replace=replace,
        report=report,
    )
    manifest = json.loads((folder / MANIFEST).read_text())
    if as_json:
        typer.echo(json.dumps(manifest))
        return
    for result in manifest["parity"]:
        console.print(
            f"  {result['runtime']:<13} {result['output']:<15} off by at most"
            f" {result['largest_difference']:.2g} (allowed {result['allowed']:g})",
            highlight=False,
        )
    typer.echo(f"built {folder} for {target.value}")


def main() -> None:
    """Entry point of ``packshot-export``."""
    try:
        app()
    except (ExportError, PackshotError) as error:
        console.print(f"packshot-export: {error}", style="red", highlight=False, markup=False)
        raise SystemExit(2) from error
