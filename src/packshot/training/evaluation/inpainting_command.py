"""``packshot-eval inpainting``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.table import Table

from packshot.generation.projection import ProjectionOptions
from packshot.models.weights import load_generator, load_inpaint_net
from packshot.training.evaluation.enhancement_commands import (
    AsJson,
    Out,
    Resamples,
    Threads,
    identity,
    progress_console,
    show,
)
from packshot.training.evaluation.inpainting import (
    BASELINE,
    InpaintingEvaluation,
    evaluate_inpainting,
)
from packshot.training.progress import StageProgress
from packshot.training.sheets import write_sheet


def inpainting(
    data: Annotated[Path, typer.Option(help="Folder with packshots/ and studio/.")],
    weights: Annotated[Path | None, typer.Option(help="Weights of the inpainting network.")] = Path(
        "weights/inpaint.safetensors"
    ),
    generator: Annotated[
        Path | None,
        typer.Option(help="Weights of the generator to project into. [default: not measured]"),
    ] = None,
    projected: Annotated[
        int, typer.Option(min=2, help="Packshots to fill by projection; seconds each.")
    ] = 39,
    steps: Annotated[int, typer.Option(help="Steps of a projection.")] = ProjectionOptions.steps,
    studio: Annotated[
        int, typer.Option(min=0, help="Studio photos to fill at their own size; 0: none.")
    ] = 26,
    out: Out = None,
    shown: Annotated[int, typer.Option(min=1, help="Rows of samples.png.")] = 16,
    resamples: Resamples = 1000,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """PSNR in synthetic holes of held-out packshots: OpenCV, the network, projection."""
    torch.set_num_threads(threads)
    files = [path for path in (weights, generator) if path is not None]
    with StageProgress(progress_console) as progress:
        evaluation = evaluate_inpainting(
            data,
            network=None if weights is None else load_inpaint_net(weights),
            generator=None if generator is None else load_generator(generator),
            projected=projected,
            options=ProjectionOptions(steps=steps),
            studio=studio,
            resamples=resamples,
            shown=shown,
            advance=progress.advance,
        )
    numbers = {
        "weights": identity(files),
        "results": evaluation.results,
        "columns of samples.png": ["holed", *evaluation.methods, "original"],
    }
    show(inpainting_tables(evaluation), numbers, out, as_json)
    if out is not None:
        write_sheet(out / "samples.png", evaluation.shown)


def inpainting_tables(evaluation: InpaintingEvaluation) -> list[Table]:
    """PSNR by set, kind of hole and method."""
    table = Table(
        title="PSNR in the hole, dB, 95 % bootstrap intervals",
        caption=f"in brackets the gain over {BASELINE} on the same holes; 50 dB is the most that"
        " counts",
    )
    table.add_column("pictures", no_wrap=True)
    table.add_column("holes")
    table.add_column("count", justify="right")
    for method in evaluation.methods:
        table.add_column(method)
    for result in evaluation.results:
        cells = []
        for method in evaluation.methods:
            if method not in result.psnr:
                cells.append("")
                continue
            psnr = result.psnr[method]
            text = f"{psnr.value:.2f} [{psnr.low:.2f}, {psnr.high:.2f}]"
            if method in result.gain:
                gain = result.gain[method]
                text += f" ({gain.value:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}])"
            cells.append(text)
        table.add_row(result.pictures, result.kind, str(result.count), *cells)
    return [table]
