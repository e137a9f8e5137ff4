"""``packshot-eval generator``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from packshot.training.evaluation.enhancement_commands import (
    AsJson,
    Out,
    Threads,
    identity,
    progress_console,
    show,
)
from packshot.training.evaluation.generator import (
    GeneratorEvaluation,
    evaluate_generators,
)
from packshot.training.evaluation.generator_features import FEATURES_NAME
from packshot.training.evaluation.generator_judges import read_real
from packshot.training.evaluation.generator_plots import (
    plot_by_category,
    plot_confusions,
    write_pairs,
)
from packshot.training.evaluation.generator_samples import TRUNCATIONS, pictures_seen
from packshot.training.evaluation.generator_tables import generator_tables
from packshot.training.generation.networks import AnyGenerator, load_any_generator
from packshot.training.generation.sheets import draw_sheet
from packshot.training.plotting import new_figure
from packshot.training.progress import StageProgress


def generator(
    data: Annotated[Path, typer.Option(help="Folder with packshots/.")],
    weights: Annotated[Path, typer.Option(help="Safetensors file of the one in question.")] = Path(
        "weights/generator.safetensors"
    ),
    name: Annotated[str, typer.Option(help="What the tables call it.")] = "generator",
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Weights to compare with (dcgan, an ablation, earlier ones); may be repeated."
            " Compare those that have seen as many pictures.",
        ),
    ] = None,
    out: Out = None,
    samples: Annotated[
        int, typer.Option(min=2, help="Samples of each category at each truncation.")
    ] = 128,
    draws: Annotated[int, typer.Option(min=2, help="Draws of each interval of a distance.")] = 20,
    pairs: Annotated[int, typer.Option(min=1, help="Closest pairs to show.")] = 12,
    cache: Annotated[Path, typer.Option(help="Folder that keeps features of real pictures.")] = (
        Path("runs/features")
    ),
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Samples recognised by category; FD and KID beside real pictures; nearest training pictures.

    With --out also sheets of samples and of the closest pairs, and plots.
    """
    torch.set_num_threads(threads)
    files = {name: weights, **_named(against or [], name)}
    if out is not None:
        new_figure(width=1, height=1)  # a missing matplotlib is said now, not after minutes
    networks = {name: load_any_generator(path) for name, path in files.items()}
    with StageProgress(progress_console) as progress:
        evaluation = evaluate_generators(
            {name: (network, pictures_seen(files[name])) for name, network in networks.items()},
            read_real(data, cache, progress.advance),
            per_category=samples,
            draws=draws,
            pairs=pairs,
            advance=progress.advance,
        )
    numbers = {
        "features": FEATURES_NAME,
        "networks": files,
        "weights": identity(list(files.values())),
        "evaluation": {key: value for key, value in vars(evaluation).items() if key != "closest"},
    }
    pictures = [] if out is None else _write_pictures(evaluation, networks, out)
    show(generator_tables(evaluation), numbers, out, as_json, pictures)


def _named(pairs: list[str], taken: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise typer.BadParameter(f"--against expects NAME=FILE, got {pair!r}")
        if name == taken or name in found:
            raise typer.BadParameter(f"--against: the name {name!r} is given twice")
        found[name] = Path(path)
    return found


def _write_pictures(
    evaluation: GeneratorEvaluation, networks: dict[str, AnyGenerator], out: Path
) -> list[str]:
    written = ["by_category.png", "confusion.png"]
    plot_by_category(evaluation, out / written[0])
    plot_confusions(evaluation, out / written[1])
    for name, network in networks.items():
        for truncation in TRUNCATIONS:
            written.append(f"samples_{_file_name(name)}_{truncation:g}.png")
            draw_sheet(network, out / written[-1], truncation=truncation)
    for name, closest in evaluation.closest.items():
        written.append(f"closest_{_file_name(name)}.png")
        write_pairs(closest, out / written[-1])
    return written


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in ".-" else "_" for c in name)
