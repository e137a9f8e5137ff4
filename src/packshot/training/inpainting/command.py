"""``packshot-train inpaint``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import torch
import typer

from packshot.models.inpainting import InpaintNet
from packshot.training.enhancement.commands import Device, Run, Steps, Threads, Workers, fit
from packshot.training.generation.packshots import read_packshots, split_packshots
from packshot.training.inpainting.recipe import INPAINT_RECIPES, inpaint_trainer, training_views


def inpaint(
    data: Annotated[Path, typer.Option(help="Folder with packshots/, seller_photos/ and studio/.")],
    recipe: Annotated[str, typer.Option(help=f"One of {', '.join(INPAINT_RECIPES)}.")] = "default",
    run: Run = None,
    device: Device = "cpu",
    workers: Workers = 0,
    threads: Threads = 2,
    steps: Steps = None,
) -> None:
    """Train the network that fills holes in packshots; a stopped run resumes.

    Writes inpaint.safetensors into the run folder.
    """
    if recipe not in INPAINT_RECIPES:
        raise typer.BadParameter(f"no recipe {recipe!r}; known: {', '.join(INPAINT_RECIPES)}")
    torch.set_num_threads(threads)
    chosen = INPAINT_RECIPES[recipe]()
    if steps is not None:
        chosen = dataclasses.replace(chosen, plan=dataclasses.replace(chosen.plan, steps=steps))
    torch.manual_seed(chosen.plan.seed)
    run = run or Path("runs") / f"inpaint-{recipe}"
    train, _ = split_packshots(read_packshots(data / "packshots"))
    trainer = inpaint_trainer(
        chosen,
        train=train,
        photos=training_views(data) if chosen.photo_share else train.pictures[:0],
        network=InpaintNet(chosen.network),
        run_folder=run,
        device=device,
        workers=workers,
    )
    fit(trainer, recipe, run / "inpaint.safetensors", {})
