"""``packshot-eval screening``: what the quality score says of generated pictures, and of real ones.

The quality network learnt from photos of half a megapixel. Whether it can choose among pictures
that began with 64 pixels is measured here: by the scores of real catalogue pictures of that size,
and by how often a real one scores above a generated one (0.5 is a coin toss).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.table import Table

from packshot.contracts import DEFAULT_TRUNCATION, GENERATION_SCALES, SCALES
from packshot.imaging.views import fragments, global_view
from packshot.models.quality import QualityNet
from packshot.models.weights import load_generator, load_quality_net, load_upscale_net
from packshot.training.evaluation.enhancement_commands import (
    AsJson,
    Out,
    Threads,
    identity,
    progress_console,
    show,
)
from packshot.training.evaluation.watermark import enlarged, generated
from packshot.training.generation.packshots import read_packshots, split_packshots
from packshot.training.progress import StageProgress

PixelArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]

REAL: Final = "catalogue, held back"
TRUNCATIONS: Final = (DEFAULT_TRUNCATION, 1.0)
_BATCH: Final = 16
_QUANTILES: Final = (5, 25, 50, 75, 95)


@dataclass(frozen=True, kw_only=True)
class ScoreSpread:
    """Scores of pictures of one source and size.

    Attributes:
        pictures: What they are.
        scale: Of the enlargement.
        count: How many.
        quantiles: 5th, 25th, 50th, 75th and 95th percentile, points.
        real_above: How often a real picture of the same size scores above one of these.
    """

    pictures: str
    scale: int
    count: int
    quantiles: tuple[float, ...]
    real_above: float


def screening(
    data: Annotated[Path, typer.Option(help="Folder with packshots/.")],
    weights: Annotated[Path, typer.Option(help="Safetensors file of the generator.")] = Path(
        "weights/generator.safetensors"
    ),
    quality: Annotated[Path, typer.Option(help="Safetensors file of the judge.")] = Path(
        "weights/quality.safetensors"
    ),
    out: Out = None,
    pictures: Annotated[int, typer.Option(min=13, help="Of each source at each scale.")] = 260,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Quality scores of generated and of real catalogue pictures of the same size."""
    torch.set_num_threads(threads)
    files = {scale: Path("weights") / f"upscale_x{scale}.safetensors" for scale in SCALES}
    upscalers = {scale: load_upscale_net(path) for scale, path in files.items()}
    generator, judge = load_generator(weights), load_quality_net(quality)
    held_back = split_packshots(read_packshots(data / "packshots"))[1].pictures
    rows = np.linspace(0, len(held_back) - 1, min(pictures, len(held_back)), dtype=int)
    sources = {REAL: held_back[rows]}
    for truncation in TRUNCATIONS:
        sources[f"generated, truncation {truncation:g}"] = generated(
            generator, pictures, truncation
        )
    found = []
    with StageProgress(progress_console) as progress:
        for done, scale in enumerate(GENERATION_SCALES):
            real: FloatArray | None = None
            for name, small in sources.items():
                progress.advance("scoring", done, len(GENERATION_SCALES), f"{name} x{scale}")
                points = scores(judge, enlarged(small, upscalers.get(scale)))
                real = points if real is None else real
                found.append(_spread(name, scale, points, real))
    numbers = {"weights": identity([weights, quality, *files.values()]), "evaluation": found}
    show([screening_table(found)], numbers, out, as_json, pictures=())


def scores(network: QualityNet, pictures: PixelArray) -> FloatArray:
    """[N, H, W, 3] uint8 to [N] scores, 0-100."""
    parts = []
    for start in range(0, len(pictures), _BATCH):
        batch = pictures[start : start + _BATCH]
        with torch.inference_mode():
            score = network(
                torch.from_numpy(np.stack([global_view(picture) for picture in batch])),
                torch.from_numpy(np.stack([fragments(picture) for picture in batch])),
            )[0]
        parts.append(score.numpy().ravel())
    return np.asarray(np.concatenate(parts), np.float64)


def chance_above(first: FloatArray, second: FloatArray) -> float:
    """How often one of ``first`` is above one of ``second``, ties counting half (Mann-Whitney)."""
    difference = first[:, None] - second[None, :]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def screening_table(found: list[ScoreSpread]) -> Table:
    """One row a source and size."""
    table = Table(title="Quality scores, points")
    quantiles = [f"{quantile} %" for quantile in _QUANTILES]
    for heading in ("pictures", "scale", "count", *quantiles, "a real one is above"):
        table.add_column(heading)
    for item in found:
        table.add_row(
            item.pictures,
            f"×{item.scale}",
            str(item.count),
            *(f"{value:.1f}" for value in item.quantiles),
            f"{item.real_above:.0%}",
        )
    return table


def _spread(name: str, scale: int, points: FloatArray, real: FloatArray) -> ScoreSpread:
    return ScoreSpread(
        pictures=name,
        scale=scale,
        count=len(points),
        quantiles=tuple(float(value) for value in np.percentile(points, _QUANTILES)),
        real_above=chance_above(real, points),
    )
