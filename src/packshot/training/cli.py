"""``packshot-train``: train the networks.

packshot-train quality --data ../shared/data --run runs/quality
packshot-train quality --data ../shared/data --run runs/quality      # again: resumes
packshot-train quality --data ../shared/data --recipe refine --init weights/quality.safetensors
packshot-train colour --data ../shared/data --init weights/quality.safetensors
packshot-train quality --labels my.csv --init weights/quality.safetensors
packshot-train restore --data ../shared/data --recipe tone
packshot-train restore --data ../shared/data --init runs/restore-tone/restore.safetensors
packshot-train upscale --data ../shared/data --recipe bicubic-x2
packshot-train generator --data ../shared/data --size small
packshot-train inpaint --data ../shared/data
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from packshot.errors import PackshotError, TrainingError
from packshot.models.weights import load_quality_net, save_weights
from packshot.training.enhancement.commands import restore, upscale
from packshot.training.feedback.label_file import read_labels
from packshot.training.feedback.labels import MINIMUM_TO_TRAIN, GradeThresholds
from packshot.training.feedback.learning import (
    REPORT_NAME,
    WEIGHTS_NAME,
    Comparison,
    FeedbackReport,
    learn_from_labels,
)
from packshot.training.feedback.recipe import FeedbackRecipe
from packshot.training.generation.command import generator
from packshot.training.inpainting.command import inpaint
from packshot.training.progress import StageProgress
from packshot.training.quality.colour_command import colour
from packshot.training.quality.curves import plot_training
from packshot.training.quality.photos import clean_photos, split_biq2021
from packshot.training.quality.trainer import QualityTrainer
from packshot.training.recipes import QUALITY_RECIPES

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command()(colour)
app.command()(generator)
app.command()(inpaint)
app.command()(restore)
app.command()(upscale)
console = Console(stderr=True)
_GRADES = GradeThresholds()


@app.callback()
def _root() -> None:
    """Train packshot's networks. A run that was stopped resumes when started again."""


@app.command()
def quality(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder with biq2021/, studio/, bsds/ and so on. With --labels: photos on which"
            " nothing should change; may be left out."
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Run folder: checkpoints, log, resulting weights. [default: runs/quality,"
            " runs/quality-RECIPE, or runs/feedback with --labels]"
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Your own labels (CSV with the header file,score | file,mos | file,grade |"
            " better,worse): improve the network --init by them."
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            help="Weights to start from; --labels needs them. [default: an ImageNet backbone]"
        ),
    ] = None,
    photos_root: Annotated[
        Path | None,
        typer.Option(help="Folder of the labelled photos. [default: that of the labels]"),
    ] = None,
    medium_from: Annotated[
        float, typer.Option(help="Score from which a photo is of medium grade.")
    ] = _GRADES.medium_from,
    high_from: Annotated[
        float, typer.Option(help="Score from which a photo is of high grade.")
    ] = _GRADES.high_from,
    recipe: Annotated[str, typer.Option(help=f"One of {', '.join(QUALITY_RECIPES)}.")] = "default",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    workers: Annotated[int, typer.Option(help="Data-loading processes.")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads of the network.")] = 2,
    photos: Annotated[int | None, typer.Option(help="Use only this many labelled photos.")] = None,
) -> None:
    """Train the quality network, or improve it by your own labels (--labels).

    Writes quality.safetensors into the run folder.
    """
    torch.set_num_threads(threads)
    if labels is None:
        if data is None or photos_root is not None:
            raise typer.BadParameter(
                "training without --labels needs --data; --photos-root goes with --labels"
            )
        run = run or Path("runs/quality" if recipe == "default" else f"runs/quality-{recipe}")
        _train(data, run, recipe, init, device, workers, photos)
        return
    if init is None:
        raise typer.BadParameter("--labels needs --init, the weights to start from")
    try:
        grades = GradeThresholds(medium_from=medium_from, high_from=high_from)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    run = run or Path("runs/feedback")
    sound = read_labels(labels, photos_root=photos_root, minimum=MINIMUM_TO_TRAIN)
    with StageProgress(console) as progress:
        report = learn_from_labels(
            sound,
            init=init,
            run_folder=run,
            recipe=FeedbackRecipe(grades=grades),
            data=data,
            device=device,
            advance=progress.advance,
        )
    _print_feedback(report, run)


def _train(
    data: Path,
    run: Path,
    recipe: str,
    init: Path | None,
    device: str,
    workers: int,
    photos: int | None,
) -> None:
    if recipe not in QUALITY_RECIPES:
        raise typer.BadParameter(f"no recipe {recipe!r}; known: {', '.join(QUALITY_RECIPES)}")
    split = split_biq2021(data / "biq2021")
    trainer = QualityTrainer(
        QUALITY_RECIPES[recipe](),
        train=split.train[::-1][:photos],
        validation=split.validation[:photos],
        clean=clean_photos(data, split.train),
        run_folder=run,
        device=device,
        workers=workers,
        initial=None if init is None else load_quality_net(init),
    )
    steps, epochs = len(trainer.loader), trainer.recipe.epochs
    with StageProgress(console) as progress:

        def report(epoch: int, step: int, losses: dict[str, float]) -> None:
            note = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            label = f"epoch {epoch + 1}/{epochs}"
            progress.advance("quality", epoch * steps + step, steps * epochs, note, label)

        best = trainer.fit(report)
    weights = run / WEIGHTS_NAME
    metadata = {
        "recipe": recipe,
        "seed": str(trainer.recipe.seed),
        "best_epoch": str(trainer.best_epoch + 1),
        "validation_srcc": f"{trainer.best_srcc:.4f}",
    }
    save_weights(best, weights, metadata=metadata)
    console.print(f"best validation SRCC {trainer.best_srcc:.4f}; weights in {weights}")
    try:
        plot_training(run / "log.csv", run / "curves.png")
    except TrainingError as error:
        # The training is done and saved: a missing plot is no reason to fail.
        console.print(f"no curves.png: {error}", style="yellow", markup=False)


def _print_feedback(report: FeedbackReport, run: Path) -> None:
    table = Table(title=f"Learned from {report.learned_from} labels ({report.kind})")
    for heading in ("photos", "agreement", "before", "after"):
        table.add_column(heading)
    _add_rows(table, f"{report.held_out} held-out labels", report.agreement)
    if report.known is not None:
        _add_rows(table, "BIQ2021 validation (not to be forgotten)", report.known)
    console.print(table)
    console.print(f"scores of photos without labels changed by {report.mean_change:.1f} on average")
    console.print(f"weights in {run / WEIGHTS_NAME}, report in {run / REPORT_NAME}", markup=False)


def _add_rows(table: Table, photos: str, comparison: Comparison) -> None:
    for name, before in comparison.before.items():
        table.add_row(photos, name, str(before), str(comparison.after[name]))


def main() -> None:
    """Entry point of ``packshot-train``."""
    try:
        app()
    except PackshotError as error:
        console.print(f"packshot-train: {error}", style="red", markup=False)
        raise SystemExit(2) from error
