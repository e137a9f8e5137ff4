"""``packshot-eval``: measure the networks.

packshot-eval quality --data ../shared/data --out reports/quality
packshot-eval quality --labels my.csv --data my_photos
packshot-eval thresholds --data ../shared/data
packshot-eval variants --data ../shared/data
packshot-eval restore --data ../shared/data --out reports/restore
packshot-eval upscale --data ../shared/data --out reports/upscale
packshot-eval optimize --data ../shared/data
packshot-eval fixes --data ../shared/data
packshot-eval tone --data ../shared/data
packshot-eval held-out --data ../shared/data --out reports/held_out.csv
packshot-eval generator --data ../shared/data --weights FILE --against dcgan=FILE
packshot-eval generator-progress --data ../shared/data --run runs/generator
packshot-eval inpainting --data ../shared/data --generator weights/generator.safetensors
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from packshot.contracts import DEFAULT_POLICY
from packshot.errors import PackshotError
from packshot.models.weights import load_quality_net
from packshot.policy import load_policy
from packshot.training.evaluation.baselines import MISSING_BRISQUE
from packshot.training.evaluation.enhancement_commands import restore, upscale
from packshot.training.evaluation.enhancement_fixes import fixes
from packshot.training.evaluation.enhancement_tone import tone
from packshot.training.evaluation.generator_command import generator
from packshot.training.evaluation.generator_progress import generator_progress
from packshot.training.evaluation.held_out import held_out
from packshot.training.evaluation.inpainting_command import inpainting
from packshot.training.evaluation.optimize import optimize_command
from packshot.training.evaluation.quality import evaluate_quality
from packshot.training.evaluation.report import report_console, report_numbers, write_report
from packshot.training.evaluation.screening import screening
from packshot.training.evaluation.tables import decision_table, evaluation_tables, variant_table
from packshot.training.evaluation.thresholds import (
    Goal,
    Thresholds,
    decide,
    scored_photos,
    suggest_thresholds,
)
from packshot.training.evaluation.variants import compare_variants
from packshot.training.evaluation.watermark_command import watermark
from packshot.training.feedback.label_file import read_labels
from packshot.training.feedback.labels import MINIMUM_TO_MEASURE, GradeThresholds
from packshot.training.plotting import new_figure
from packshot.training.progress import StageProgress
from packshot.training.quality.photos import split_biq2021
from packshot.training.report_file import json_text

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command()(restore)
app.command()(upscale)
app.command()(generator)
app.command(name="generator-progress")(generator_progress)
app.command()(inpainting)
app.command(name="optimize")(optimize_command)
app.command()(fixes)
app.command()(tone)
app.command()(held_out)
app.command()(watermark)
app.command()(screening)
console = report_console()
progress_console = Console(stderr=True)
_GRADES = GradeThresholds()


@app.callback()
def _root() -> None:
    """Measure packshot's networks on photos that no training saw."""


@app.command()
def quality(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder with biq2021/, studio/ and bsds/; what of it is missing is not measured."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Measure on your own labels instead (CSV with the header file,score | file,mos |"
            " file,grade | better,worse)."
        ),
    ] = None,
    photos_root: Annotated[
        Path | None,
        typer.Option(help="Folder of the labelled photos. [default: --data, or that of --labels]"),
    ] = None,
    weights: Annotated[Path, typer.Option(help="Safetensors file.")] = Path(
        "weights/quality.safetensors"
    ),
    out: Annotated[
        Path | None, typer.Option(help="Report folder: tables, JSON, predictions and plots.")
    ] = None,
    photos_per_source: Annotated[
        int, typer.Option(min=1, help="Clean photos of each source to apply faults to.")
    ] = 20,
    resamples: Annotated[
        int, typer.Option(min=10, help="Draws of each bootstrap interval.")
    ] = 1000,
    medium_from: Annotated[
        float, typer.Option(help="Score from which a photo is of medium grade.")
    ] = _GRADES.medium_from,
    high_from: Annotated[
        float, typer.Option(help="Score from which a photo is of high grade.")
    ] = _GRADES.high_from,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Agreement with people, beside other methods; answers to faults; false alarms."""
    if data is None and labels is None:
        raise typer.BadParameter("give --data, or --labels, or both")
    try:
        grades = GradeThresholds(medium_from=medium_from, high_from=high_from)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if out is not None:
        new_figure(width=1, height=1)  # a missing matplotlib is said now, not after an hour
    sound = None
    if labels is not None:
        sound = read_labels(labels, photos_root=photos_root or data, minimum=MINIMUM_TO_MEASURE)
    network = load_quality_net(weights)
    with StageProgress(progress_console) as progress:
        evaluation = evaluate_quality(
            network,
            data=data,
            labels=sound,
            grades=grades,
            photos_per_source=photos_per_source,
            resamples=resamples,
            advance=progress.advance,
        )
    if not evaluation.brisque_measured:
        progress_console.print(MISSING_BRISQUE, style="yellow", markup=False)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    numbers = report_numbers(evaluation, weights=weights, digest=digest)
    if as_json:
        typer.echo(json_text(numbers), nl=False)
    else:
        for table in evaluation_tables(evaluation):
            console.print(table)
    if out is not None:
        written = write_report(evaluation, out, numbers)
        progress_console.print(f"written to {out}: {', '.join(written)}", markup=False)


@app.command()
def thresholds(
    data: Annotated[Path, typer.Option(help="Folder with biq2021/.")],
    weights: Annotated[Path, typer.Option(help="Safetensors file.")] = Path(
        "weights/quality.safetensors"
    ),
    policy: Annotated[str, typer.Option(help="Policy whose thresholds to compare with.")] = (
        DEFAULT_POLICY
    ),
    good_from: Annotated[
        float, typer.Option(help="People's score, 0-100, from which a photo should be shown.")
    ] = Goal.good_from,
    right: Annotated[
        float, typer.Option(help="Share of the decisions that should be right.")
    ] = Goal.right,
) -> None:
    """Where a policy should accept and reject: chosen on validation photos, shown on others."""
    try:
        goal = Goal(good_from=good_from, right=right)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    split = split_biq2021(data / "biq2021")
    network = load_quality_net(weights)
    parts = {"validation": split.validation, "test": split.test}
    with StageProgress(progress_console) as progress:
        scored = {
            name: scored_photos(network, part, partial(progress.advance, name))
            for name, part in parts.items()
        }
    suggested = suggest_thresholds(*scored["validation"], goal)
    shipped = load_policy(policy).score
    compared = {
        "suggested": suggested,
        policy: Thresholds(accept=shipped.accept, reject=shipped.reject),
    }
    rows = [
        (f"{part}, {name}", chosen, decide(*values, chosen, goal))
        for part, values in scored.items()
        for name, chosen in compared.items()
    ]
    console.print(decision_table(rows, goal))


@app.command()
def variants(
    data: Annotated[Path, typer.Option(help="Folder with biq2021/.")],
    resamples: Annotated[
        int, typer.Option(min=10, help="Draws of each bootstrap interval.")
    ] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """What a smaller or larger quality network would gain or lose (frozen features, minutes)."""
    with StageProgress(progress_console) as progress:
        results = compare_variants(
            split_biq2021(data / "biq2021"),
            resamples=resamples,
            advance=lambda done, total: progress.advance("features", done, total),
        )
    if as_json:
        typer.echo(json_text(results), nl=False)
    else:
        console.print(variant_table(results))


def main() -> None:
    """Entry point of ``packshot-eval``."""
    try:
        app()
    except PackshotError as error:
        progress_console.print(f"packshot-eval: {error}", style="red", markup=False)
        raise SystemExit(2) from error
