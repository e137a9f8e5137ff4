"""The commands of ``packshot-edit`` that ask the generator; they need PyTorch."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console

from packshot.contracts import CATEGORIES, DEFAULT_TRUNCATION, GENERATION_SCALES, IMAGE_SIDE
from packshot.enhancement.upscaling import upscale
from packshot.errors import EditError
from packshot.generation.editing import interpolated, pictures_of
from packshot.generation.editing import variations as latent_variations
from packshot.generation.framing import squared
from packshot.generation.latents import latents
from packshot.generation.picture_files import output_format, read_photo, write_generated

if TYPE_CHECKING:
    from packshot.models.generator import Generator

PixelArray = npt.NDArray[np.uint8]

_PROGRESS_EVERY = 20

Out = Annotated[
    Path,
    typer.Option(help="Picture file: all side by side. Without a suffix a folder: one file each."),
]
Weights = Annotated[Path, typer.Option(help="Of the generator (safetensors).")]
Truncation = Annotated[float, typer.Option(help="0-1: 1 keeps the full variety.")]
Scale = Annotated[int, typer.Option(help=f"Enlarge by {', '.join(map(str, GENERATION_SCALES))}.")]
UpscaleFolder = Annotated[
    Path, typer.Option(help="Folder with upscale_x2.safetensors and upscale_x4.safetensors.")
]
CategoryArgument = Annotated[
    str, typer.Argument(help=f"One of {', '.join(CATEGORIES)}.", show_default=False)
]
GENERATOR_WEIGHTS = Path("weights/generator.safetensors")
WEIGHTS_FOLDER = Path("weights")


class Change(str, Enum):
    """What of a projected packshot varies."""

    all = "all"
    shape = "shape"
    colour = "colour"


def interpolate(
    category: CategoryArgument,
    out: Out,
    first: Annotated[int, typer.Option("--from", min=0, help="Seed of the first picture.")],
    last: Annotated[int, typer.Option("--to", min=0, help="Seed of the last picture.")],
    steps: Annotated[int, typer.Option(help="Pictures in all, both ends included.")] = 8,
    truncation: Truncation = DEFAULT_TRUNCATION,
    weights: Weights = GENERATOR_WEIGHTS,
    scale: Scale = 1,
    upscale_weights: UpscaleFolder = WEIGHTS_FOLDER,
) -> None:
    """Pictures on the way from one seed to another."""
    _check_out(out, scale)
    ends = latents([first, last])
    path = interpolated(ends[0], ends[1], steps)
    pictures = _generated(weights, path, category, truncation)
    written = write_generated(_enlarged(pictures, scale, upscale_weights), out)
    tell(written=written, category=category, seeds=[first, last], steps=steps)


def variations(
    out: Out,
    category: Annotated[
        str | None, typer.Argument(help="Category of --seed.", show_default=False)
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the picture to vary.")] = None,
    of: Annotated[
        Path | None, typer.Option(help="A packshot to vary: what `packshot-edit project` wrote.")
    ] = None,
    count: Annotated[int, typer.Option(help="Number of variations.")] = 8,
    strength: Annotated[
        float, typer.Option(help="0 repeats the picture, 1 has nothing of it left.")
    ] = 0.4,
    change: Annotated[Change, typer.Option(help="What of --of varies.")] = Change.all,
    variation_seed: Annotated[
        int, typer.Option(min=0, help="Another one gives other variations.")
    ] = 1_000_000,
    truncation: Truncation = DEFAULT_TRUNCATION,
    weights: Weights = GENERATOR_WEIGHTS,
    scale: Scale = 1,
    upscale_weights: UpscaleFolder = WEIGHTS_FOLDER,
) -> None:
    """Pictures around one: around a seed's, or around a packshot that was projected."""
    if (seed is None) == (of is None) or (category is None) != (seed is None):
        raise EditError("Variations are of a category and --seed, or of a projection: --of FILE.")
    _check_out(out, scale)
    if of is not None:
        if count < 1:
            raise EditError(f"The number of variations must be 1 or more, got {count}.")
        pictures = _projected_variations(of, weights, count, strength, change, variation_seed)
    else:
        if change is not Change.all:
            raise EditError("--change goes with --of: a seed varies as a whole.")
        around = latent_variations(
            latents([seed or 0])[0], count, strength=strength, seed=variation_seed
        )
        pictures = _generated(weights, around, category or "", truncation)
    written = write_generated(_enlarged(pictures, scale, upscale_weights), out)
    tell(
        written=written,
        of=str(of) if of is not None else {"category": category, "seed": seed},
        strength=strength,
        changed=change.value,
        seeds=[variation_seed, variation_seed + count - 1],
    )


def project(
    photo: Annotated[Path, typer.Argument(help="A product photo, the product whole on white.")],
    category: CategoryArgument,
    out: Annotated[Path, typer.Option(help="JSON file for `packshot-edit variations --of`.")],
    picture: Annotated[
        Path | None, typer.Option(help="Also write what the generator makes of it.")
    ] = None,
    steps: Annotated[int, typer.Option(help="More come nearer and take longer.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Of the random styles to start from.")] = 0,
    weights: Weights = GENERATOR_WEIGHTS,
) -> None:
    """Find a product in the generator's space, so that it can be varied."""
    generator = _load(weights)
    from packshot.generation.projection import ProjectionOptions, Projector
    from packshot.generation.styles import pictures_of_styles

    options = ProjectionOptions(steps=steps, seed=seed)
    if picture is not None:
        output_format(picture)
    seen = squared(read_photo(photo).pixels, IMAGE_SIDE)
    console = Console(stderr=True)

    def report(step: int, loss: float) -> None:
        if step % _PROGRESS_EVERY == 0 or step == steps:
            console.print(f"step {step}/{steps} loss {loss:.4f}", markup=False)

    found = Projector(generator).project(seen, category, options, report=report)
    found.save(out)
    written: list[dict[str, Any]] = [{"file": str(out)}]
    if picture is not None:
        made = pictures_of_styles(generator, found.styles[None])
        written += write_generated(list(made), picture)
    tell(written=written, category=category, psnr=round(found.psnr, 2), steps=steps)


def tell(**facts: Any) -> None:
    """Print what a command did."""
    typer.echo(json.dumps(facts, indent=2))


def _load(weights: Path) -> Generator:
    # The first to ask for PyTorch, and so the one that says what to install where it is missing.
    from packshot.models.weights import load_generator

    return load_generator(weights)


def _generated(
    weights: Path, vectors: npt.NDArray[np.float32], category: str, truncation: float
) -> PixelArray:
    generator = _load(weights)
    from packshot.generation.networks import generate_function

    return pictures_of(
        generate_function(generator), vectors, category=category, truncation=truncation
    )


def _projected_variations(
    of: Path, weights: Path, count: int, strength: float, change: Change, seed: int
) -> PixelArray:
    generator = _load(weights)
    from packshot.generation.projection import Projection
    from packshot.generation.styles import pictures_of_styles, varied_styles

    projection = Projection.load(of)
    styles = varied_styles(
        generator,
        projection.styles,
        projection.category,
        latents(range(seed, seed + count)),
        strength=strength,
        changed=change.value,
    )
    return pictures_of_styles(generator, styles)


def _check_out(out: Path, scale: int) -> None:
    """Bad options are said before minutes of work, not after."""
    if out.suffix:
        output_format(out)
    if scale not in GENERATION_SCALES:
        known = ", ".join(map(str, GENERATION_SCALES))
        raise EditError(f"The scale must be one of {known}, got {scale}.")


def _enlarged(pictures: PixelArray, scale: int, folder: Path) -> list[PixelArray]:
    if scale == 1:
        return list(pictures)
    from packshot.generation.networks import upscale_function

    network = upscale_function(folder / f"upscale_x{scale}.safetensors", scale)
    return [upscale(picture, network, scale=scale) for picture in pictures]
