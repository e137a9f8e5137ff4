"""``packshot-train``: train the networks.

packshot-train quality --data ../shared/data --run runs/quality
packshot-train quality --data ../shared/data --run runs/quality      # again: resumes
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save_file

from packshot.errors import PackshotError
from packshot.training.quality_photos import clean_photos, split_biq2021
from packshot.training.quality_trainer import QualityTrainer
from packshot.training.recipes import QUALITY_RECIPES

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console(stderr=True)


@app.callback()
def _root() -> None:
    """Train packshot's networks. A run that was stopped resumes when started again."""


@app.command()
def quality(
    data: Annotated[Path, typer.Option(help="Folder with biq2021/, studio/, bsds/ and so on.")],
    run: Annotated[Path, typer.Option(help="Run folder: checkpoints, log, resulting weights.")],
    recipe: Annotated[str, typer.Option(help=f"One of {', '.join(QUALITY_RECIPES)}.")] = "default",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    workers: Annotated[int, typer.Option(help="Data-loading processes.")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads of the network.")] = 2,
    photos: Annotated[int | None, typer.Option(help="Use only this many labelled photos.")] = None,
) -> None:
    """Train the quality network; writes <run>/quality.safetensors."""
    if recipe not in QUALITY_RECIPES:
        raise typer.BadParameter(f"no recipe {recipe!r}; known: {', '.join(QUALITY_RECIPES)}")
    torch.set_num_threads(threads)
    split = split_biq2021(data / "biq2021")
    trainer = QualityTrainer(
        QUALITY_RECIPES[recipe](),
        train=split.train[::-1][:photos],
        validation=split.validation[:photos],
        clean=clean_photos(data, split.train),
        run_folder=run,
        device=device,
        workers=workers,
    )
    steps = len(trainer.loader)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=1) as progress:
        task = progress.add_task("quality", total=steps * trainer.recipe.epochs, losses="")

        def report(epoch: int, step: int, losses: dict[str, float]) -> None:
            progress.update(
                task,
                completed=epoch * steps + step,
                description=f"epoch {epoch + 1}/{trainer.recipe.epochs}",
                losses=_listed(losses),
            )
            if not console.is_terminal and step % 50 == 0:
                console.print(f"epoch {epoch + 1} step {step}/{steps} {_listed(losses)}")

        best = trainer.fit(report)
    weights = run / "quality.safetensors"
    save_file({k: v.contiguous() for k, v in best.state_dict().items()}, weights)
    console.print(f"best validation SRCC {trainer.best_srcc:.4f}; weights in {weights}")


def _listed(losses: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.3f}" for name, value in losses.items())


def main() -> None:
    """Entry point of ``packshot-train``."""
    try:
        app()
    except PackshotError as error:
        console.print(f"packshot-train: {error}", style="red")
        raise SystemExit(2) from error
