"""``packshot-train generator``."""

from __future__ import annotations

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
        Path, typer.Option(help="Run folder: checkpoints, log, sample sheets, resulting weights.")
    ] = Path("runs/generator"),
    size: Annotated[
        str, typer.Option(help=f"Recipe, one of {', '.join(GENERATOR_RECIPES)}.")
    ] = "small",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
) -> None:
    """Train the product-image generator; a stopped run resumes.

    Writes generator.safetensors into the run folder.
    """
    if size not in GENERATOR_RECIPES:
        raise typer.BadParameter(f"no size {size!r}; known: {', '.join(GENERATOR_RECIPES)}")
    torch.set_num_threads(threads)
    train, _ = split_packshots(read_packshots(data / "packshots"))
    trainer = GeneratorTrainer(
        GENERATOR_RECIPES[size](), train=train, run_folder=run, device=device
    )
    steps = trainer.recipe.steps
    with StageProgress(console) as progress:

        def report(step: int, losses: dict[str, float]) -> None:
            note = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            progress.advance("generator", step, steps, note)

        trained = trainer.fit(report)
    metadata = {"recipe": size, "seed": str(trainer.recipe.seed), "steps": str(trainer.step)}
    save_weights(trained, run / WEIGHTS_NAME, metadata=metadata)
    console.print(f"weights in {run / WEIGHTS_NAME}", markup=False)
