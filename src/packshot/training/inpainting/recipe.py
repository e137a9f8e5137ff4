"""Recipes of the inpainting network, and the loop that trains one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from packshot.contracts import IMAGE_SIDE
from packshot.generation.framing import squared
from packshot.generation.inpainting import navier_stokes
from packshot.generation.networks import inpaint_function
from packshot.models.inpainting import InpaintNet, InpaintNetConfig
from packshot.training.enhancement.losses import charbonnier
from packshot.training.enhancement.photos import split_source
from packshot.training.enhancement.trainer import EnhancementTrainer, Pictures, TrainingPlan
from packshot.training.generation.packshots import Packshots
from packshot.training.inpainting.fidelity import psnr_in_hole
from packshot.training.inpainting.holes import HOLE_KINDS, BoolArray, PixelArray, draw_hole
from packshot.training.quality.photos import read_photo
from packshot.training.sheets import write_sheet

_VALIDATION_EVERY = 12
_SHEET_COLUMNS = 12


@dataclass(frozen=True, kw_only=True)
class InpaintRecipe:
    """Everything that decides the result of training the inpainting network.

    Attributes:
        name: What ``packshot-train inpaint --recipe`` calls it.
        network: Sizes of the network.
        plan: How long and how fast.
        photo_share: Share of other photos among the pictures, sellers' and a studio's: what the
            network learns of them keeps it from guessing at what is no packshot.
    """

    name: str
    plan: TrainingPlan
    photo_share: float = 0.4
    network: InpaintNetConfig = field(default_factory=InpaintNetConfig)

    def __post_init__(self) -> None:
        if not 0.0 <= self.photo_share < 1.0:
            raise ValueError(f"photo_share must be in [0, 1), got {self.photo_share}")


def inpaint_default() -> InpaintRecipe:
    """The shipped network: a quarter of an hour on two CPU cores."""
    return InpaintRecipe(
        name="default", plan=TrainingPlan(steps=8_000, rate=1e-3, batch=16, validate_every=500)
    )


def inpaint_smoke() -> InpaintRecipe:
    """A few steps that prove the machinery, not the network."""
    return InpaintRecipe(
        name="smoke",
        photo_share=0.0,
        plan=TrainingPlan(steps=2, rate=1e-3, warmup_steps=1, batch=2, validate_every=1),
        network=InpaintNetConfig(width=4, inner_blocks=1),
    )


INPAINT_RECIPES = {recipe().name: recipe for recipe in (inpaint_default, inpaint_smoke)}


class HoledPackshots(Dataset[Pictures]):
    """Batches of (picture with its hole filled by Navier-Stokes, hole, picture).

    A batch depends only on (seed, index).
    """

    def __init__(self, recipe: InpaintRecipe, packshots: Packshots, photos: PixelArray) -> None:
        self.plan = recipe.plan
        self.photo_share = recipe.photo_share if len(photos) else 0.0
        self.packshots = packshots
        self.photos = photos
        counts = np.bincount(packshots.categories)
        chances = 1.0 / counts[packshots.categories]
        self.chances = chances / chances.sum()

    def __len__(self) -> int:
        return self.plan.steps

    def __getitem__(self, index: int) -> Pictures:
        rng = np.random.default_rng((self.plan.seed, index))
        rows = rng.choice(len(self.packshots), self.plan.batch, p=self.chances)
        samples = []
        for row in rows:
            picture = self.packshots.pictures[row]
            if rng.random() < self.photo_share:
                picture = self.photos[int(rng.integers(len(self.photos)))]
            if rng.random() < 0.5:
                picture = np.ascontiguousarray(picture[:, ::-1])
            hole = draw_hole(picture, HOLE_KINDS[int(rng.integers(len(HOLE_KINDS)))], rng)
            filled = navier_stokes(picture, hole) if hole.any() else picture
            samples.append((filled, hole[:, :, None].astype(np.uint8) * 255, picture))
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True))


def training_views(data: Path) -> PixelArray:
    """Photos of sellers and of a studio, none that is held back, as [N, 64, 64, 3] uint8.

    Raises:
        TrainingError: There are none.
    """
    paths = [
        path for source in ("seller_photos", "studio") for path in split_source(data / source).train
    ]
    return np.stack([squared(read_photo(path), IMAGE_SIDE) for path in paths])


def inpaint_losses(network: InpaintNet, pictures: Pictures) -> dict[str, Tensor]:
    """The difference inside the holes, a mean over their pixels."""
    filled, hole, original = pictures
    output = network.fill(filled, hole)
    return {"hole": charbonnier(output, original) / hole.mean().clamp(min=1e-3)}


def inpaint_trainer(
    recipe: InpaintRecipe,
    *,
    train: Packshots,
    photos: PixelArray,
    network: InpaintNet,
    run_folder: Path,
    device: str = "cpu",
    workers: int = 0,
) -> EnhancementTrainer[InpaintNet]:
    """The loop for a recipe, ready to ``fit``; every twelfth packshot validates."""
    rows = np.arange(len(train))
    validating = rows % _VALIDATION_EVERY == 0
    holed = [
        (picture, draw_hole(picture, HOLE_KINDS[number % 2], np.random.default_rng(number)))
        for number, picture in enumerate(train.pictures[validating])
    ]
    triples = [
        (navier_stokes(picture, hole), hole, picture) for picture, hole in holed if hole.any()
    ]
    filled, holes, pictures = (np.stack(part) for part in zip(*triples, strict=True))

    def outputs(candidate: InpaintNet) -> PixelArray:
        fill = inpaint_function(candidate)
        return fill(filled, (holes * np.uint8(255))[:, :, :, None])

    def validate(candidate: InpaintNet) -> float:
        found = zip(outputs(candidate), pictures, holes, strict=True)
        return float(np.mean([psnr_in_hole(*one) for one in found]))

    def draw_sheet(candidate: InpaintNet, path: Path) -> None:
        step = max(1, len(filled) // _SHEET_COLUMNS)
        better = outputs(candidate)
        shown = [_holed(pictures, holes), filled, better, pictures]
        write_sheet(path, [list(row[::step][:_SHEET_COLUMNS]) for row in shown])

    return EnhancementTrainer(
        recipe.plan,
        recipe=dataclasses.asdict(recipe),
        network=network,
        batches=HoledPackshots(recipe, train.chosen(np.flatnonzero(~validating)), photos),
        losses=inpaint_losses,
        validate=validate,
        draw_sheet=draw_sheet,
        run_folder=run_folder,
        device=device,
        workers=workers,
    )


def _holed(pictures: PixelArray, holes: BoolArray) -> PixelArray:
    return np.where(holes[:, :, :, None], np.uint8(128), pictures)
