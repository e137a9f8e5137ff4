"""Training the restoration network: spoilt photos, losses and recipes.

In two stages: the tone branch alone on thumbnails, which costs little and carries most of the
gain; then the detail branch, on windows at full resolution.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from packshot.imaging.views import global_view
from packshot.models.restoration import SIDE_MULTIPLE, RestoreNet, RestoreNetConfig, apply_tone
from packshot.training.enhancement.fault_chains import FaultChain, draw_chain
from packshot.training.enhancement.fidelity import psnr
from packshot.training.enhancement.losses import charbonnier, structural_dissimilarity
from packshot.training.enhancement.photos import PhotoSource, shares, split_source, training_photos
from packshot.training.enhancement.trainer import EnhancementTrainer, Pictures, TrainingPlan
from packshot.training.quality.photos import read_photo
from packshot.training.sheets import write_sheet

PixelArray = npt.NDArray[np.uint8]

_MARGIN = 16
# Nearer than this a picture counts as untouched: else clean photos would outweigh all spoilt ones.
_MAXIMUM_PSNR = 40.0


@dataclass(frozen=True, kw_only=True)
class RestoreRecipe:
    """Everything that decides the result of training the restoration network.

    Attributes:
        name: What ``packshot-train restore --recipe`` calls it.
        plan: Length and speed.
        network: Sizes.
        tone_only: Train the tone branch, on thumbnails; otherwise the detail branch, on windows.
        patch: Side of a training window, pixels.
        clean: Share of training photos with no fault, which are to stay as they are.
        minimum_faults: Fewest faults of the other photos.
        sources: The photos.
        similarity_weight: Weight of the SSIM term beside the Charbonnier term.
    """

    name: str
    plan: TrainingPlan
    network: RestoreNetConfig
    tone_only: bool = False
    patch: int = 96
    clean: float = 0.2
    minimum_faults: int = 1
    sources: tuple[PhotoSource, ...] = (
        PhotoSource(name="seller_photos", shrink=1.0, share=0.65),
        PhotoSource(name="biq2021", shrink=0.75, share=0.2),
        PhotoSource(name="studio", shrink=0.6, share=0.15),
    )
    similarity_weight: float = 0.1

    def __post_init__(self) -> None:
        if self.patch < 16 or self.patch % SIDE_MULTIPLE:
            raise ValueError(
                f"patch must be a multiple of {SIDE_MULTIPLE} and at least 16, got {self.patch}"
            )
        if not 0.0 <= self.clean <= 1.0:
            raise ValueError(f"clean is a share of 0-1, got {self.clean}")


class SpoiltWindows(Dataset[Pictures]):
    """Batches of (spoilt window, spoilt thumbnail, clean window, clean thumbnail).

    Without the windows where the recipe trains tone alone. All photos are held in memory. A batch
    depends only on (seed, index).
    """

    def __init__(self, recipe: RestoreRecipe, data: Path) -> None:
        self.recipe = recipe
        smallest = 1 if recipe.tone_only else recipe.patch + _MARGIN
        images = [training_photos(data, source, smallest=smallest) for source in recipe.sources]
        self.thumbnails = [[global_view(image) for image in source] for source in images]
        self.images = None if recipe.tone_only else images
        self.shares = shares(recipe.sources)

    def __len__(self) -> int:
        return self.recipe.plan.steps

    def __getitem__(self, index: int) -> Pictures:
        rng = np.random.default_rng((self.recipe.plan.seed, index))
        samples = [self._sample(rng) for _ in range(self.recipe.plan.batch)]
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True))

    def _sample(self, rng: np.random.Generator) -> tuple[PixelArray, ...]:
        source = int(rng.choice(len(self.shares), p=self.shares))
        number = int(rng.integers(len(self.thumbnails[source])))
        chain = FaultChain(())
        if rng.random() >= self.recipe.clean:
            chain = draw_chain(rng, minimum=self.recipe.minimum_faults)
        thumbnail = self.thumbnails[source][number]
        thumbnails = (chain.apply_tone(thumbnail), thumbnail)
        if self.images is None:
            return thumbnails
        spoilt, clean = self._windows(self.images[source][number], chain, rng)
        return spoilt, thumbnails[0], clean, thumbnails[1]

    def _windows(
        self, image: PixelArray, chain: FaultChain, rng: np.random.Generator
    ) -> tuple[PixelArray, PixelArray]:
        """A window, spoilt with a margin around it, so that no blur sees the cut."""
        side = self.recipe.patch + _MARGIN
        clean = _cut(image, side, rng)
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
        clean = np.ascontiguousarray(np.rot90(clean[:, ::-1] if mirror else clean, turns))
        # The cut is random within the margin, so that JPEG's blocks lie anywhere.
        start = rng.integers(4, _MARGIN - 3, size=2)
        window = tuple(slice(int(s), int(s) + self.recipe.patch) for s in start)
        return chain.apply(clean)[window], clean[window]


def _cut(image: PixelArray, side: int, rng: np.random.Generator) -> PixelArray:
    top = int(rng.integers(image.shape[0] - side + 1))
    left = int(rng.integers(image.shape[1] - side + 1))
    return image[top : top + side, left : left + side]


@torch.inference_mode()
def restored(network: RestoreNet, image_hwc_u8: PixelArray, device: torch.device) -> PixelArray:
    """One [H, W, 3] uint8 picture of any size through the network."""
    height, width = image_hwc_u8.shape[:2]
    missing = ((0, -height % SIDE_MULTIPLE), (0, -width % SIDE_MULTIPLE), (0, 0))
    padded = np.pad(image_hwc_u8, missing, "edge")
    batch, thumbnail = (
        torch.from_numpy(picture)[None].to(device)
        for picture in (padded, global_view(image_hwc_u8))
    )
    output: Tensor = network(batch, thumbnail)[0, :height, :width]
    return np.asarray(output.cpu().numpy(), np.uint8)


def spoilt_validation_photos(data: Path, count: int) -> list[tuple[PixelArray, PixelArray]]:
    """(spoilt, original) from the validation part of the sellers' photos; every fifth is clean."""
    pairs = []
    for number, path in enumerate(split_source(data / "seller_photos").validation[:count]):
        clean = read_photo(path)
        chain = draw_chain(np.random.default_rng(number)) if number % 5 else FaultChain(())
        pairs.append((chain.apply(clean), clean))
    return pairs


def restore_losses(recipe: RestoreRecipe) -> Callable[[RestoreNet, Pictures], dict[str, Tensor]]:
    """The loss terms of a recipe, of a ``RestoreNet`` on a batch of ``SpoiltWindows``."""

    def tone_losses(network: RestoreNet, pictures: Pictures) -> dict[str, Tensor]:
        spoilt, clean = pictures
        toned = apply_tone(_small(spoilt), network.tone(spoilt))
        return {"tone": charbonnier(toned, _small(clean))}

    def losses(network: RestoreNet, pictures: Pictures) -> dict[str, Tensor]:
        spoilt, spoilt_thumbnail, clean, _ = pictures
        # The tone branch is done: small batches of windows would only unsettle it.
        with torch.no_grad():
            toned = apply_tone(spoilt, network.tone(spoilt_thumbnail))
        output = toned + network.detail(spoilt, toned)
        return {
            "picture": charbonnier(output, clean),
            "similarity": recipe.similarity_weight * structural_dissimilarity(output, clean),
        }

    return tone_losses if recipe.tone_only else losses


def _small(thumbnail_nchw: Tensor) -> Tensor:
    return nn.functional.avg_pool2d(thumbnail_nchw, 4)


def restore_trainer(
    recipe: RestoreRecipe,
    *,
    data: Path,
    network: RestoreNet,
    run_folder: Path,
    device: str = "cpu",
    workers: int = 0,
) -> EnhancementTrainer[RestoreNet]:
    """The loop for a recipe, ready to ``fit``.

    Raises:
        TrainingError: Photos are missing.
    """
    pairs = spoilt_validation_photos(data, 40)
    where = torch.device(device)

    def validate(candidate: RestoreNet) -> float:
        values = [psnr(restored(candidate, spoilt, where), clean) for spoilt, clean in pairs]
        return float(np.minimum(values, _MAXIMUM_PSNR).mean())

    def draw_sheet(candidate: RestoreNet, path: Path) -> None:
        write_sheet(
            path,
            [(spoilt, restored(candidate, spoilt, where), clean) for spoilt, clean in pairs[:4]],
        )

    return EnhancementTrainer(
        recipe.plan,
        recipe=dataclasses.asdict(recipe),
        network=network,
        batches=SpoiltWindows(recipe, data),
        losses=restore_losses(recipe),
        validate=validate,
        draw_sheet=draw_sheet,
        run_folder=run_folder,
        device=device,
        workers=workers,
    )


def restore_tone() -> RestoreRecipe:
    """The first stage: tone and colour, from thumbnails."""
    return RestoreRecipe(
        name="tone",
        network=RestoreNetConfig(),
        plan=TrainingPlan(steps=4_000, rate=1e-3, batch=32, validate_every=500),
        tone_only=True,
    )


def restore_default() -> RestoreRecipe:
    """The second stage, started from the first: the detail branch."""
    return RestoreRecipe(
        name="default",
        network=RestoreNetConfig(),
        plan=TrainingPlan(steps=6_000, rate=8e-4, batch=8, validate_every=400),
    )


RESTORE_RECIPES = {recipe().name: recipe for recipe in (restore_tone, restore_default)}
