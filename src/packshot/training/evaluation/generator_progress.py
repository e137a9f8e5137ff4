"""``packshot-eval generator-progress``: the weights that a training kept, measured one by one."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.table import Table

from packshot.contracts import DEFAULT_TRUNCATION
from packshot.errors import TrainingError
from packshot.training.evaluation.enhancement_commands import (
    AsJson,
    Threads,
    progress_console,
    show,
)
from packshot.training.evaluation.generator_distances import MEASURES
from packshot.training.evaluation.generator_features import FEATURES_NAME
from packshot.training.evaluation.generator_judges import (
    BACKBONE_JUDGE,
    JUDGES,
    PIXEL_JUDGE,
    RealPackshots,
    read_real,
)
from packshot.training.evaluation.generator_samples import draw_samples, pictures_seen
from packshot.training.evaluation.generator_spread import spread
from packshot.training.generation.networks import load_any_generator
from packshot.training.metrics import Estimate
from packshot.training.plotting import new_figure, save_figure
from packshot.training.progress import StageProgress

_NOT_DRAWN = ("step", "seconds")
_DRAWS = 5


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What was measured of the weights at one step of a training.

    Attributes:
        weights: The file.
        step: Its name's number.
        pictures_seen: Real pictures shown until then, where the file says so.
        recognised: At the truncation that is served, by judge.
        distances: To real held-out pictures, at full variety, by judge.
        spread: Within the categories, at full variety, see ``generator_spread``.
    """

    weights: Path
    step: int
    pictures_seen: int | None
    recognised: dict[str, Estimate]
    distances: dict[str, dict[str, Estimate]]
    spread: Estimate


def generator_progress(
    data: Annotated[Path, typer.Option(help="Folder with packshots/.")],
    run: Annotated[Path, typer.Option(help="Run folder of `packshot-train generator`.")] = Path(
        "runs/generator"
    ),
    out: Annotated[
        Path | None, typer.Option(help="Report folder: report.txt, report.json, curves.png.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Only each so-manieth of the weights.")] = 1,
    samples: Annotated[
        int, typer.Option(min=2, help="Samples of each category at each truncation.")
    ] = 32,
    cache: Annotated[Path, typer.Option(help="Folder that keeps features of real pictures.")] = (
        Path("runs/features")
    ),
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Recognition and distances through a training; may be asked while it runs.

    Choose weights by it, then measure those with `packshot-eval generator`, on more samples.
    """
    torch.set_num_threads(threads)
    files = sorted((run / "weights").glob("*.safetensors"))
    # The last one always: it is what the training has come to.
    files = files[::-1][::every][::-1]
    if not files:
        raise TrainingError(f"{run / 'weights'} holds no weights; the first sheet writes them")
    with StageProgress(progress_console) as progress:
        real = read_real(data, cache, progress.advance)
        stages = measure_stages(
            files,
            real,
            per_category=samples,
            advance=lambda done, total: progress.advance("weights", done, total),
        )
    numbers = {"features": FEATURES_NAME, "samples": samples, "stages": stages}
    show([progress_table(stages)], numbers, out, as_json, ["curves.png"])
    if out is not None:
        plot_progress(stages, run / "log.csv", out / "curves.png")


def measure_stages(
    files: list[Path],
    real: RealPackshots,
    *,
    per_category: int,
    advance: Callable[[int, int], None],
) -> list[Stage]:
    """Measure weights files, each on as many samples of the same latents."""
    stages = []
    for number, path in enumerate(files):
        network = load_any_generator(path)
        served = draw_samples(network, per_category=per_category, truncation=DEFAULT_TRUNCATION)
        varied = draw_samples(network, per_category=per_category, truncation=1.0)
        recognised: dict[str, Estimate] = {}
        distances: dict[str, dict[str, Estimate]] = {}
        for judge in real.judges:
            of_served = judge.features(served.pictures, lambda *_: None)
            of_varied = judge.features(varied.pictures, lambda *_: None)
            recognised[judge.name] = judge.recognition(of_served, served).overall
            distances[judge.name] = judge.distances(of_varied, varied, _DRAWS)["all"].measures
        stages.append(
            Stage(
                weights=path,
                step=int(path.stem) if path.stem.isdigit() else number,
                pictures_seen=pictures_seen(path),
                recognised=recognised,
                distances=distances,
                spread=spread(varied)["all"],
            )
        )
        advance(number + 1, len(files))
    return stages


def progress_table(stages: list[Stage]) -> Table:
    """A row for each weights file."""
    table = Table(
        title="Through the training",
        caption=f"recognised at truncation {DEFAULT_TRUNCATION}, by {' and by '.join(JUDGES)};"
        f" distances at 1, on {FEATURES_NAME} but the FD of {PIXEL_JUDGE}, and spread at 1, of a"
        " picture from its category's mean picture (0-255); few samples: for choosing weights, not"
        " for quoting",
    )
    recognised = (f"recognised, {judge}" for judge in JUDGES)
    headings = ("step", "pictures seen", *recognised, *MEASURES, f"FD, {PIXEL_JUDGE}", "spread")
    for heading in headings:
        table.add_column(heading, justify="right")
    for stage in stages:
        distances = stage.distances[BACKBONE_JUDGE]
        seen = "unknown" if stage.pictures_seen is None else f"{stage.pictures_seen:,}"
        table.add_row(
            str(stage.step),
            seen,
            *(f"{stage.recognised[judge].value:.1%}" for judge in JUDGES),
            *(f"{distances[name].value:.2f}" for name in MEASURES),
            f"{stage.distances[PIXEL_JUDGE]['FD'].value:.2f}",
            f"{stage.spread.value:.1f}",
        )
    return table


def plot_progress(stages: list[Stage], log: Path, path: Path) -> None:
    """Recognition, FD and, where there is a log, the losses against steps."""
    figure = new_figure(width=14, height=4)
    recognised, distance, losses = figure.subplots(1, 3)
    steps = [stage.step for stage in stages]
    for judge in JUDGES:
        shares = [stage.recognised[judge].value for stage in stages]
        recognised.plot(steps, shares, marker="o", label=judge)
        values = [stage.distances[judge]["FD"].value for stage in stages]
        distance.plot(steps, values, marker="o", label=judge)
    recognised.set(title=f"recognised, truncation {DEFAULT_TRUNCATION}", ylim=(0, 1))
    recognised.legend(fontsize="small")
    distance.set(title="FD on features of both judges", yscale="log")
    distance.legend(fontsize="small")
    rows = []
    if log.is_file():
        with log.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
    for name in rows[0] if rows else ():
        if name not in _NOT_DRAWN:
            logged = [float(row["step"]) for row in rows]
            losses.plot(logged, [float(row[name]) for row in rows], label=name)
    if rows:
        losses.legend(fontsize="small")
    losses.set(title="training losses and mean logits")
    for axes in (recognised, distance, losses):
        axes.set(xlabel="step")
        axes.grid(alpha=0.3)
    save_figure(figure, path)
