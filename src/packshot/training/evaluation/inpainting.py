"""Measuring how holes in packshots are filled: OpenCV's methods, a network, and projection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from packshot.contracts import CATEGORIES
from packshot.errors import TrainingError
from packshot.generation.inpainting import inpaint, navier_stokes, telea
from packshot.generation.networks import inpaint_function
from packshot.generation.projection import ProjectionOptions, Projector
from packshot.generation.styles import pictures_of_styles
from packshot.models.generator import Generator
from packshot.models.inpainting import InpaintNet
from packshot.training.enhancement.photos import split_source
from packshot.training.generation.packshots import Packshots, read_packshots, split_packshots
from packshot.training.inpainting.fidelity import psnr_in_hole
from packshot.training.inpainting.holes import HOLE_KINDS, draw_hole
from packshot.training.metrics import Estimate, mean_estimate
from packshot.training.quality.photos import read_photo

PixelArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
Advance = Callable[[str, int, int], None]
Item = TypeVar("Item")
Method = Callable[["HoledPicture"], PixelArray]

BASELINE = "Navier-Stokes"
_SEED = 11


@dataclass(frozen=True, kw_only=True, eq=False)
class HoledPicture:
    """A picture, its category where it has one, and a hole."""

    picture: PixelArray
    hole: BoolArray
    kind: str
    category: str | None


@dataclass(frozen=True, kw_only=True)
class FillResult:
    """PSNR in the holes of a set of pictures, in dB.

    Attributes:
        pictures: Which set.
        kind: The kind of hole; "all" is every kind.
        count: Number of holes.
        psnr: By method.
        gain: Over ``BASELINE``, of the same holes, by the other methods.
    """

    pictures: str
    kind: str
    count: int
    psnr: dict[str, Estimate]
    gain: dict[str, Estimate]


@dataclass(frozen=True, kw_only=True, eq=False)
class InpaintingEvaluation:
    """What was measured, and rows of pictures to show: holed, by each method, original."""

    results: list[FillResult]
    methods: list[str]
    shown: list[list[PixelArray]]


def evaluate_inpainting(
    data: Path,
    *,
    network: InpaintNet | None,
    generator: Generator | None,
    projected: int,
    options: ProjectionOptions,
    studio: int,
    resamples: int,
    shown: int,
    advance: Advance,
) -> InpaintingEvaluation:
    """Fill synthetic holes of held-out packshots, and of studio photos at their own size.

    Args:
        data: Folder with packshots/ and, where photos of it are wanted, studio/.
        network: The inpainting network.
        generator: To project into.
        projected: Packshots to fill by projection, which takes seconds each; the results of the
            first set are then also told for these alone.
        options: How to project.
        studio: Studio photos to fill; 0 leaves them out.
        resamples: Draws of each bootstrap interval.
        shown: Rows of pictures to show.
        advance: Called with (stage, done, in all).

    Raises:
        TrainingError: Pictures are missing.
    """
    _, held_back = split_packshots(read_packshots(data / "packshots"))
    methods: dict[str, Method] = {
        "Telea": lambda holed: telea(holed.picture, holed.hole),
        BASELINE: lambda holed: navier_stokes(holed.picture, holed.hole),
    }
    if network is not None:
        fill = inpaint_function(network)
        methods["network"] = lambda holed: inpaint(holed.picture, holed.hole, fill)
    sets = {"packshots 64x64": (holed_packshots(held_back), methods)}
    if generator is not None and projected:
        chosen = _spread(sets["packshots 64x64"][0], projected)
        projector = Projector(generator)
        by_projection = methods | {"projection": partial(filled_by_projection, projector, options)}
        sets[f"{len(chosen)} of these"] = chosen, by_projection
    sheet_of = list(sets)[-1]  # the one with every method
    if studio:
        sets["studio photos"] = _studio_photos(data / "studio", studio), methods
    results: list[FillResult] = []
    rows: list[list[PixelArray]] = []
    for name, (pictures, used) in sets.items():
        values: dict[str, list[float]] = {method: [] for method in used}
        for done, holed in enumerate(pictures):
            filled = {method: fill_by(holed) for method, fill_by in used.items()}
            for method, picture in filled.items():
                values[method].append(psnr_in_hole(picture, holed.picture, holed.hole))
            if name == sheet_of and len(rows) < shown:
                rows.append([_grey_hole(holed), *filled.values(), holed.picture])
            advance(name, done + 1, len(pictures))
        kinds = [holed.kind for holed in pictures]
        results += _results(name, kinds, values, resamples)
    return InpaintingEvaluation(results=results, methods=list(sets[sheet_of][1]), shown=rows)


def holed_packshots(packshots: Packshots) -> list[HoledPicture]:
    """Every packshot with one hole, the kinds in turn, the same in every evaluation."""
    found = []
    for number, picture in enumerate(packshots.pictures):
        kind = HOLE_KINDS[number % len(HOLE_KINDS)]
        hole = draw_hole(picture, kind, np.random.default_rng((_SEED, number)))
        if hole.any():
            category = CATEGORIES[packshots.categories[number]]
            found.append(HoledPicture(picture=picture, hole=hole, kind=kind, category=category))
    return found


def filled_by_projection(
    projector: Projector, options: ProjectionOptions, holed: HoledPicture
) -> PixelArray:
    """A 64x64 packshot with its hole as the nearest picture of the generator has it."""
    if holed.category is None:
        raise TrainingError("a packshot is projected into its category, which is not known")
    seen = navier_stokes(holed.picture, holed.hole)  # no feature may see what was there
    found = projector.project(seen, holed.category, options, known=~holed.hole)
    made = pictures_of_styles(projector.generator, found.styles[None])[0]
    return np.where(holed.hole[:, :, None], made, holed.picture)


def _studio_photos(folder: Path, count: int) -> list[HoledPicture]:
    split = split_source(folder)
    found = []
    # None that the network learned from.
    for number, path in enumerate(_spread((*split.test, *split.validation), count)):
        picture = read_photo(path)
        kind = HOLE_KINDS[number % len(HOLE_KINDS)]
        hole = draw_hole(picture, kind, np.random.default_rng((_SEED, number)))
        found.append(HoledPicture(picture=picture, hole=hole, kind=kind, category=None))
    return found


def _spread(items: Sequence[Item], count: int) -> list[Item]:
    # An odd stride, so that the kinds of holes, which take turns, are all among them.
    stride = max(1, len(items) // count)
    return list(items[:: stride if stride % 2 else stride - 1][:count])


def _results(
    name: str, kinds: list[str], values: dict[str, list[float]], resamples: int
) -> list[FillResult]:
    results = []
    for kind in ("all", *HOLE_KINDS):
        rows = [row for row, found in enumerate(kinds) if kind in ("all", found)]
        if len(rows) < 2:
            continue
        chosen = {method: np.array(found)[rows] for method, found in values.items()}
        results.append(
            FillResult(
                pictures=name,
                kind=kind,
                count=len(rows),
                psnr={
                    method: mean_estimate(found.tolist(), resamples=resamples)
                    for method, found in chosen.items()
                },
                gain={
                    method: mean_estimate((found - chosen[BASELINE]).tolist(), resamples=resamples)
                    for method, found in chosen.items()
                    if method != BASELINE
                },
            )
        )
    return results


def _grey_hole(holed: HoledPicture) -> PixelArray:
    return np.where(holed.hole[:, :, None], np.uint8(128), holed.picture)
