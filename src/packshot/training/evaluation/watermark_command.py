"""``packshot-eval watermark``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.table import Table

from packshot.contracts import SCALES
from packshot.models.weights import load_generator, load_restore_net, load_upscale_net
from packshot.training.evaluation.enhancement_commands import (
    AsJson,
    Out,
    Threads,
    identity,
    progress_console,
    show,
)
from packshot.training.evaluation.watermark import WatermarkEvaluation, evaluate_watermark
from packshot.training.evaluation.watermark_changes import REQUIRED
from packshot.training.progress import StageProgress


def watermark(
    data: Annotated[Path, typer.Option(help="Folder with packshots/, seller_photos/ and so on.")],
    weights: Annotated[Path, typer.Option(help="Safetensors file of the generator.")] = Path(
        "weights/generator.safetensors"
    ),
    out: Out = None,
    pictures: Annotated[
        int, typer.Option(min=13, help="Marked pictures of each source at each scale.")
    ] = 390,
    photos: Annotated[
        int | None, typer.Option(min=1, help="Real photos of each folder. [default: all]")
    ] = None,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """The mark of generated pictures: what it survives, how visible it is, false alarms.

    Marked are pictures of the generator, and held-back catalogue pictures at its size, which show
    what the mark costs on pictures as good as real ones.
    """
    torch.set_num_threads(threads)
    restore = Path("weights") / "restore.safetensors"
    files = {scale: Path("weights") / f"upscale_x{scale}.safetensors" for scale in SCALES}
    with StageProgress(progress_console) as progress:
        evaluation = evaluate_watermark(
            load_generator(weights),
            {scale: load_upscale_net(path) for scale, path in files.items()},
            load_restore_net(restore),
            data=data,
            count=pictures,
            most_photos=photos,
            advance=progress.advance,
        )
    numbers = {"weights": identity([weights, restore, *files.values()]), "evaluation": evaluation}
    show(watermark_tables(evaluation), numbers, out, as_json, pictures=())


def watermark_tables(evaluation: WatermarkEvaluation) -> list[Table]:
    """Survival, visibility and false alarms."""
    survival = Table(
        title=f"Marks found at {evaluation.threshold:g} standard deviations and above"
        " (5th percentile)"
    )
    changes = list(dict.fromkeys(item.change for item in evaluation.survival))
    for heading in ("pictures", "scale", "count", *changes):
        survival.add_column(heading)
    groups = dict.fromkeys((item.pictures, item.scale, item.count) for item in evaluation.survival)
    for name, scale, count in groups:
        row = {
            item.change: f"{item.detected:.1%} ({item.lowest:.1f})"
            for item in evaluation.survival
            if (item.pictures, item.scale) == (name, scale)
        }
        survival.add_row(name, f"×{scale}", str(count), *(row[change] for change in changes))
    beyond = (change for change in changes if change not in REQUIRED)
    survival.caption = f"made to survive: {', '.join(REQUIRED)}; beyond that: {', '.join(beyond)}"

    visibility = Table(title="What the mark changes")
    for heading in ("pictures", "scale", "PSNR, dB", "5th percentile", "white spoilt"):
        visibility.add_column(heading)
    for seen in evaluation.visibility:
        visibility.add_row(
            seen.pictures,
            f"×{seen.scale}",
            f"{seen.psnr_db:.1f}",
            f"{seen.psnr_lowest_db:.1f}",
            f"{seen.white_changed:.2%}",
        )

    alarms = Table(title="The mark looked for in real photos")
    headings = ("photos", "shown", "count", "alarms", "rate is below", "spread", "highest")
    for heading in headings:
        alarms.add_column(heading)
    for item in evaluation.false_marks:
        alarms.add_row(
            item.photos,
            item.shown,
            f"{item.count:,}",
            str(item.alarms),
            f"{item.upper_bound:.3%}",
            f"{item.spread:.2f}",
            f"{item.highest:.2f}",
        )
    return [survival, visibility, alarms]
