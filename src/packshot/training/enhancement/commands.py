"""``packshot-train restore`` and ``packshot-train upscale``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import torch
import typer
from rich.console import Console

from packshot.models.restoration import RestoreNet
from packshot.models.upscaling import UpscaleNet
from packshot.models.weights import (
    load_quality_net,
    load_restore_net,
    load_upscale_net,
    save_weights,
)
from packshot.training.enhancement.restoration import restore_trainer
from packshot.training.enhancement.restore_recipes import RESTORE_RECIPES, RestoreRecipe
from packshot.training.enhancement.trainer import EnhancementTrainer, Network
from packshot.training.enhancement.upscaling import UPSCALE_RECIPES, UpscaleRecipe, upscale_trainer
from packshot.training.progress import StageProgress

console = Console(stderr=True)
Recipe = TypeVar("Recipe", RestoreRecipe, UpscaleRecipe)

Data = Annotated[Path, typer.Option(help="Folder with biq2021/, studio/, bsds/ and so on.")]
Run = Annotated[
    Path | None,
    typer.Option(help="Run folder: checkpoints, log, samples, weights. [default: runs/...]"),
]
Init = Annotated[Path | None, typer.Option(help="Weights to start from (safetensors).")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Workers = Annotated[int, typer.Option(help="Processes that make batches; 0: none of their own.")]
Threads = Annotated[int, typer.Option(help="CPU threads of the network.")]
Steps = Annotated[
    int | None, typer.Option(min=1, help="Steps in all, instead of the recipe's; to try things.")
]


def restore(
    data: Data,
    recipe: Annotated[
        str, typer.Option(help=f"One of {', '.join(RESTORE_RECIPES)}; tone comes first.")
    ] = "default",
    run: Run = None,
    init: Init = None,
    device: Device = "cpu",
    workers: Workers = 0,
    threads: Threads = 2,
    steps: Steps = None,
    quality_weights: Annotated[
        Path, typer.Option(help="Quality network whose features the restored must share.")
    ] = Path("weights/quality.safetensors"),
) -> None:
    """Train the restoration network: recipe tone, then default with --init its weights.

    Writes restore.safetensors into the run folder.
    """
    torch.set_num_threads(threads)
    chosen = _recipe(RESTORE_RECIPES, recipe, steps)
    torch.manual_seed(chosen.plan.seed)
    network = RestoreNet(chosen.network)
    if init is not None:
        network.load_state_dict(load_restore_net(init).state_dict())
    run = run or Path("runs") / f"restore-{recipe}"
    trainer = restore_trainer(
        chosen,
        data=data,
        network=network,
        run_folder=run,
        judge=load_quality_net(quality_weights).backbone if chosen.perceptual_weight else None,
        device=device,
        workers=workers,
    )
    fit(trainer, recipe, run / "restore.safetensors", {})


def upscale(
    data: Data,
    recipe: Annotated[
        str,
        typer.Option(help=f"One of {', '.join(UPSCALE_RECIPES)}; each starts from one before it."),
    ] = "bicubic-x2",
    run: Run = None,
    init: Init = None,
    device: Device = "cpu",
    workers: Workers = 0,
    threads: Threads = 2,
    steps: Steps = None,
) -> None:
    """Train an upscaling network; --init may be of another scale.

    Writes upscale.safetensors into the run folder.
    """
    torch.set_num_threads(threads)
    chosen = _recipe(UPSCALE_RECIPES, recipe, steps)
    torch.manual_seed(chosen.plan.seed)
    network = UpscaleNet(chosen.network)
    if init is not None:
        network.start_from(load_upscale_net(init))
    run = run or Path("runs") / f"upscale-{recipe}"
    trainer = upscale_trainer(
        chosen, data=data, network=network, run_folder=run, device=device, workers=workers
    )
    fit(trainer, recipe, run / "upscale.safetensors", {"scale": str(chosen.network.scale)})


def _recipe(recipes: dict[str, Callable[[], Recipe]], name: str, steps: int | None) -> Recipe:
    if name not in recipes:
        raise typer.BadParameter(f"no recipe {name!r}; known: {', '.join(recipes)}")
    recipe = recipes[name]()
    if steps is None:
        return recipe
    return dataclasses.replace(recipe, plan=dataclasses.replace(recipe.plan, steps=steps))


def fit(
    trainer: EnhancementTrainer[Network], recipe: str, weights: Path, metadata: dict[str, str]
) -> None:
    """Train with progress, and write the best weights; ``metadata`` goes beside them."""
    with StageProgress(console) as progress:

        def report(step: int, losses: dict[str, float]) -> None:
            note = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
            progress.advance(recipe, step, trainer.plan.steps, note)

        best = trainer.fit(report)
    metadata = metadata | {
        "recipe": recipe,
        "seed": str(trainer.plan.seed),
        "best_step": str(trainer.best_step),
        "validation_psnr": f"{trainer.best:.3f}",
    }
    save_weights(best, weights, metadata=metadata)
    console.print(f"best validation {trainer.best:.2f} dB; weights in {weights}", markup=False)
