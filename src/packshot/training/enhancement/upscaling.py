"""Training the upscaling network: pairs of small and large patches, and the recipes.

Two kinds of small pictures: shrunk by bicubic resampling and nothing else, as the papers' test
sets are, and *photo* ones, as a shop's pictures are: softened by the lens, shrunk by whatever
software, with a camera's noise, and compressed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from packshot.models.upscaling import UpscaleNet, UpscaleNetConfig
from packshot.training.enhancement.capture import PhotoCapture
from packshot.training.enhancement.fidelity import psnr_y
from packshot.training.enhancement.losses import charbonnier, to_luma
from packshot.training.enhancement.photos import (
    PhotoSource,
    read_shrunk,
    shares,
    split_source,
    training_photos,
)
from packshot.training.enhancement.resampling import (
    bicubic_enlarge,
    bicubic_shrink,
    cut_to_multiple,
)
from packshot.training.enhancement.trainer import EnhancementTrainer, Pictures, TrainingPlan
from packshot.training.sheets import write_sheet

PixelArray = npt.NDArray[np.uint8]

_MARGIN = 16


@dataclass(frozen=True, kw_only=True)
class UpscaleRecipe:
    """Everything that decides the result of training an upscaling network.

    Attributes:
        name: What ``packshot-train upscale --recipe`` calls it.
        network: Scale and sizes.
        plan: Length and speed.
        patch: Side of a small patch, pixels.
        sources: The photos.
        capture: How small *photo* pictures come about; None: bicubic shrinking alone.
        luma_weight: Weight of the luma term beside that of the three channels.
    """

    name: str
    network: UpscaleNetConfig
    plan: TrainingPlan
    patch: int = 40
    sources: tuple[PhotoSource, ...] = (
        PhotoSource(name="bsds", shrink=1.0, share=0.45),
        PhotoSource(name="biq2021", shrink=0.75, share=0.4),
        PhotoSource(name="studio", shrink=0.5, share=0.15),
    )
    capture: PhotoCapture | None = None
    luma_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.patch < 8:
            raise ValueError(f"patch must be at least 8 pixels, got {self.patch}")


class PatchPairs(Dataset[Pictures]):
    """Batches of small and large patches, all photos held in memory.

    A batch depends only on (seed, index).
    """

    def __init__(self, recipe: UpscaleRecipe, data: Path) -> None:
        self.recipe = recipe
        scale = recipe.network.scale
        self.large = [
            [
                cut_to_multiple(image, scale)
                for image in training_photos(data, source, smallest=(recipe.patch + 1) * scale)
            ]
            for source in recipe.sources
        ]
        self.small = [
            [bicubic_shrink(image, scale) for image in images] if recipe.capture is None else []
            for images in self.large
        ]
        self.shares = shares(recipe.sources)

    def __len__(self) -> int:
        return self.recipe.plan.steps

    def __getitem__(self, index: int) -> Pictures:
        rng = np.random.default_rng((self.recipe.plan.seed, index))
        pairs = [self._pair(rng) for _ in range(self.recipe.plan.batch)]
        small, large = (torch.from_numpy(np.stack(images)) for images in zip(*pairs, strict=True))
        return small, large

    def _pair(self, rng: np.random.Generator) -> tuple[PixelArray, PixelArray]:
        source = int(rng.choice(len(self.shares), p=self.shares))
        number = int(rng.integers(len(self.large[source])))
        large = self.large[source][number]
        if self.recipe.capture is None:
            pair = _cut(self.small[source][number], large, self.recipe, rng)
        else:
            pair = self._captured(self.recipe.capture, large, rng)
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
        small, large = (np.rot90(image[:, ::-1] if mirror else image, turns) for image in pair)
        return small, large

    def _captured(
        self, capture: PhotoCapture, large: PixelArray, rng: np.random.Generator
    ) -> tuple[PixelArray, PixelArray]:
        """A window with a margin, made small, and the patch cut from its middle.

        The margin is random too, so that JPEG's blocks lie anywhere in the patch.
        """
        scale = self.recipe.network.scale
        wanted = self.recipe.patch + _MARGIN
        height, width = (min(wanted, side // scale) for side in large.shape[:2])
        top = int(rng.integers(large.shape[0] // scale - height + 1)) * scale
        left = int(rng.integers(large.shape[1] // scale - width + 1)) * scale
        window = large[top : top + height * scale, left : left + width * scale]
        return _cut(capture.small(window, scale, rng), window, self.recipe, rng)


def _cut(
    small: PixelArray, large: PixelArray, recipe: UpscaleRecipe, rng: np.random.Generator
) -> tuple[PixelArray, PixelArray]:
    patch, scale = recipe.patch, recipe.network.scale
    top = int(rng.integers(small.shape[0] - patch + 1))
    left = int(rng.integers(small.shape[1] - patch + 1))
    bottom, right = top + patch, left + patch
    return (
        small[top:bottom, left:right],
        large[top * scale : bottom * scale, left * scale : right * scale],
    )


@torch.inference_mode()
def upscaled(network: UpscaleNet, image_hwc_u8: PixelArray, device: torch.device) -> PixelArray:
    """One [H, W, 3] uint8 picture through the network."""
    batch = torch.from_numpy(np.ascontiguousarray(image_hwc_u8))[None].to(device)
    output: Tensor = network(batch)[0]
    return np.asarray(output.cpu().numpy(), np.uint8)


def validation_pairs(recipe: UpscaleRecipe, data: Path) -> list[tuple[PixelArray, PixelArray]]:
    """Small and large pictures from the validation part of BSDS and of the studio photos."""
    scale = recipe.network.scale
    pairs = []
    for source in recipe.sources:
        if source.name == "biq2021":
            continue
        for number, path in enumerate(split_source(data / source.name).validation[:8]):
            large = read_shrunk(path, source.shrink)
            height, width = (min(side, 256) for side in large.shape[:2])
            large = cut_to_multiple(large[:height, :width], scale)
            small = (
                bicubic_shrink(large, scale)
                if recipe.capture is None
                else recipe.capture.small(large, scale, np.random.default_rng(number))
            )
            pairs.append((small, large))
    return pairs


def upscale_trainer(
    recipe: UpscaleRecipe,
    *,
    data: Path,
    network: UpscaleNet,
    run_folder: Path,
    device: str = "cpu",
    workers: int = 0,
) -> EnhancementTrainer[UpscaleNet]:
    """The loop for a recipe, ready to ``fit``.

    Raises:
        TrainingError: Photos are missing.
    """
    pairs = validation_pairs(recipe, data)
    scale, where = recipe.network.scale, torch.device(device)

    def losses(trained: UpscaleNet, pictures: Pictures) -> dict[str, Tensor]:
        small, target = pictures
        output = trained.enhance(small)
        return {
            "rgb": charbonnier(output, target),
            "luma": recipe.luma_weight * charbonnier(to_luma(output), to_luma(target)),
        }

    def validate(candidate: UpscaleNet) -> float:
        values = [
            psnr_y(upscaled(candidate, small, where), large, border=scale) for small, large in pairs
        ]
        return float(np.mean(values))

    def draw_sheet(candidate: UpscaleNet, path: Path) -> None:
        write_sheet(
            path,
            [
                (bicubic_enlarge(small, scale), upscaled(candidate, small, where), large)
                for small, large in pairs[::4]
            ],
        )

    return EnhancementTrainer(
        recipe.plan,
        recipe=dataclasses.asdict(recipe),
        network=network,
        batches=PatchPairs(recipe, data),
        losses=losses,
        validate=validate,
        draw_sheet=draw_sheet,
        run_folder=run_folder,
        device=device,
        workers=workers,
    )


def bicubic_x2() -> UpscaleRecipe:
    """Twice as large, from bicubic shrinking alone: half an hour on two CPU cores."""
    return UpscaleRecipe(
        name="bicubic-x2",
        network=UpscaleNetConfig(scale=2),
        plan=TrainingPlan(steps=4_800, rate=1.2e-3, batch=8, validate_every=200),
    )


def bicubic_x4() -> UpscaleRecipe:
    """Four times as large; start it from the network for 2."""
    return UpscaleRecipe(
        name="bicubic-x4",
        network=UpscaleNetConfig(scale=4),
        plan=TrainingPlan(steps=2_000, rate=1e-3, batch=8, validate_every=200),
        patch=32,
    )


def photo_x2() -> UpscaleRecipe:
    """Twice as large, for real photos; start it from ``bicubic-x2``."""
    return UpscaleRecipe(
        name="photo-x2",
        network=UpscaleNetConfig(scale=2),
        plan=TrainingPlan(
            steps=300, rate=8e-4, warmup_steps=20, batch=8, ema_decay=0.98, validate_every=100
        ),
        capture=PhotoCapture(),
    )


def photo_x4() -> UpscaleRecipe:
    """Four times as large, for real photos; start it from ``bicubic-x4``."""
    return UpscaleRecipe(
        name="photo-x4",
        network=UpscaleNetConfig(scale=4),
        plan=TrainingPlan(
            steps=250, rate=8e-4, warmup_steps=20, batch=8, ema_decay=0.98, validate_every=100
        ),
        patch=32,
        capture=PhotoCapture(),
    )


UPSCALE_RECIPES = {recipe().name: recipe for recipe in (bicubic_x2, bicubic_x4, photo_x2, photo_x4)}
