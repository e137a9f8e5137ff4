"""``packshot-train generator``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from packshot.models.weights import save_weights
from packshot.training.generation.packshots import read_packshots, split_packshots
from packshot.training.generation.recipe import GENERATOR_RECIPES
from packshot.training.generation.trainer import GeneratorTrainer
from packshot.training.progress import StageProgress

WEIGHTS_NAME = "generator.safetensors"
console = Console(stderr=True)


def generator(
    data: Annotated[Path, typer.Option(help="Folder with packshots/.")],
    run: Annotated[
        Path | None,
        typer.Option(
            help="Run folder: checkpoints, log, sample sheets, resulting weights."
            " [default: runs/generator, or runs/generator-SIZE for any size but small]"
        ),
    ] = None,
    size: Annotated[
        str,
        typer.Option(
            help=f"Recipe, one of {', '.join(GENERATOR_RECIPES)}: small and full are of our"
            " network, dcgan is the baseline, those named without are ablations of small."
        ),
    ] = "small",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps in all, instead of the recipe's.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of all that is drawn, instead of the recipe's: another run."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    init: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Checkpoint of another run, of the same sizes, whose weights a new run takes.",
        ),
    ] = None,
) -> None:
    """Train the product-image generator; a stopped run resumes, a finished one with more --steps.

    Writes generator.safetensors into the run folder.
    """
    if size not in GENERATOR_RECIPES:
        raise typer.BadParameter(f"no size {size!r}; known: {', '.join(GENERATOR_RECIPES)}")
    torch.set_num_threads(threads)
    train, _ = split_packshots(read_packshots(data / "packshots"))
    recipe = GENERATOR_RECIPES[size]()
    if steps is not None:
        recipe = dataclasses.replace(recipe, steps=steps)
    if seed is not None:
        recipe = dataclasses.replace(recipe, seed=seed)
    run = run or Path("runs") / ("generator" if size == "small" else f"generator-{size}")
    trainer = GeneratorTrainer(recipe, train=train, run_folder=run, device=device)
    if init is not None and not trainer.has_checkpoint:
        fresh = trainer.begin_from(init)
        console.print(f"begins from {init}; fresh: {', '.join(fresh) or 'nothing'}", markup=False)
    with StageProgress(console) as progress:

        def report(step: int, losses: dict[str, float]) -> None:
            note = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            progress.advance("generator", step, recipe.steps, note)

        trained = trainer.fit(report)
    save_weights(trained, run / WEIGHTS_NAME, metadata=trainer.metadata)
    console.print(f"weights in {run / WEIGHTS_NAME}", markup=False)
