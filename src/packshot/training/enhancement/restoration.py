"""Training the restoration network: losses, validation and the loop for a recipe."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from packshot.enhancement.restoration import apply_tone_matrix
from packshot.imaging.views import global_view
from packshot.models.efficientnet_lite import EfficientNetLite0
from packshot.models.restoration import SIDE_MULTIPLE, RestoreNet, apply_tone
from packshot.training.enhancement.fault_chains import FaultChain, draw_chain
from packshot.training.enhancement.fidelity import psnr
from packshot.training.enhancement.losses import (
    cautious_log_error,
    charbonnier,
    structural_dissimilarity,
)
from packshot.training.enhancement.perceptual import FeatureDistance
from packshot.training.enhancement.photos import split_source
from packshot.training.enhancement.restore_recipes import RestoreRecipe
from packshot.training.enhancement.spoilt_photos import SpoiltPhotos
from packshot.training.enhancement.trainer import EnhancementTrainer, Pictures
from packshot.training.quality.photos import read_photo
from packshot.training.sheets import write_sheet

PixelArray = npt.NDArray[np.uint8]
Losses = Callable[[RestoreNet, Pictures], dict[str, Tensor]]

# Nearer than this a picture counts as untouched: else clean photos would outweigh all spoilt ones.
_MAXIMUM_PSNR = 40.0
# What noise and blur leave of a photo whose tone is right, in squared grey levels.
_NOISE_FLOOR = 40.0
_CAUTION = 1.0
# Gradients are clipped to a norm of 1, which the logarithm would else exceed at each step.
_TONE_WEIGHT = 0.1
_THUMBNAILS_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class ValidationPhoto:
    """One photo, [H, W, 3] uint8 sRGB each.

    Attributes:
        spoilt: With all its faults.
        wrong_tone: With those of tone alone.
        clean: As it was.
    """

    spoilt: PixelArray
    wrong_tone: PixelArray
    clean: PixelArray


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


@torch.inference_mode()
def toned(
    network: RestoreNet,
    image_hwc_u8: PixelArray,
    device: torch.device,
    *,
    seen_hwc_u8: PixelArray | None = None,
) -> PixelArray:
    """The tone branch alone, at full size; ``seen_hwc_u8`` is what it sees, the picture if None."""
    seen = global_view(image_hwc_u8 if seen_hwc_u8 is None else seen_hwc_u8)
    thumbnail_nchw = torch.from_numpy(seen)[None].to(device).permute(0, 3, 1, 2) / 255.0
    return apply_tone_matrix(image_hwc_u8, network.tone(thumbnail_nchw)[0].cpu().numpy())


def validation_photos(data: Path, count: int | None) -> list[ValidationPhoto]:
    """So many of the validation part of the sellers' photos, or all; every fifth is clean."""
    photos = []
    for number, path in enumerate(split_source(data / "seller_photos").validation[:count]):
        clean = read_photo(path)
        chain = draw_chain(np.random.default_rng(number)) if number % 5 else FaultChain(())
        photos.append(
            ValidationPhoto(
                spoilt=chain.apply(clean), wrong_tone=chain.apply_tone(clean), clean=clean
            )
        )
    return photos


def tone_losses(network: RestoreNet, pictures: Pictures) -> dict[str, Tensor]:
    """The loss terms of the tone branch on a batch of ``SpoiltPhotos``."""
    spoilt, clean = pictures
    # In parts: histograms take 1.2 MB a thumbnail, and a CPU's cache is five times as fast.
    parts = spoilt.chunk(math.ceil(len(spoilt) / _THUMBNAILS_AT_ONCE))
    tone = torch.cat([network.tone(part) for part in parts])
    before, target = _small(spoilt), _small(clean)
    error = cautious_log_error(
        apply_tone(before, tone), before, target, floor=_NOISE_FLOOR, caution=_CAUTION
    )
    return {"tone": _TONE_WEIGHT * error}


def detail_losses(recipe: RestoreRecipe, features: FeatureDistance | None) -> Losses:
    """The loss terms of the detail branch on a batch of ``SpoiltPhotos``.

    Args:
        recipe: Weights of the terms.
        features: Needed where the recipe gives that distance a weight.
    """

    def losses(network: RestoreNet, pictures: Pictures) -> dict[str, Tensor]:
        spoilt, given, wanted = pictures
        output = given + network.detail(spoilt, given)
        terms = {
            "picture": charbonnier(output, wanted),
            "similarity": recipe.similarity_weight * structural_dissimilarity(output, wanted),
        }
        if features is not None:
            terms["features"] = recipe.perceptual_weight * features(output, wanted)
        return terms

    return losses


def _small(thumbnail_nchw: Tensor) -> Tensor:
    return nn.functional.avg_pool2d(thumbnail_nchw, 4)


def restore_trainer(
    recipe: RestoreRecipe,
    *,
    data: Path,
    network: RestoreNet,
    run_folder: Path,
    judge: EfficientNetLite0 | None = None,
    device: str = "cpu",
    workers: int = 0,
) -> EnhancementTrainer[RestoreNet]:
    """The loop for a recipe, ready to ``fit``.

    Args:
        recipe: Everything that decides the result.
        data: Folder of the recipe's photos.
        network: Trained in place, the one branch of the recipe.
        run_folder: Made where missing.
        judge: Backbone of the quality network, where the recipe has a perceptual term.
        device: ``cpu`` or ``cuda``.
        workers: Processes that make batches.

    Raises:
        TrainingError: Photos are missing.
        ValueError: The recipe has a perceptual term, and there is no ``judge``.
    """
    where = torch.device(device)
    # Tone costs little, and differs so much between photos that 40 tell next to nothing.
    photos = validation_photos(data, None if recipe.tone_only else 40)

    def validate_tone(candidate: RestoreNet) -> float:
        return _mean_psnr([(toned(candidate, p.spoilt, where), p.clean) for p in photos])

    def validate_detail(candidate: RestoreNet) -> float:
        return _mean_psnr(
            [
                (
                    restored(candidate, p.spoilt, where),
                    toned(candidate, p.wrong_tone, where, seen_hwc_u8=p.spoilt),
                )
                for p in photos
            ]
        )

    def draw_sheet(candidate: RestoreNet, path: Path) -> None:
        rows = [(p.spoilt, restored(candidate, p.spoilt, where), p.clean) for p in photos[:4]]
        write_sheet(path, rows)

    features = None
    if recipe.perceptual_weight:
        if judge is None:
            raise ValueError(f"recipe {recipe.name} needs the backbone of a quality network")
        features = FeatureDistance(judge).to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return EnhancementTrainer(
        recipe.plan,
        recipe=dataclasses.asdict(recipe),
        network=network,
        batches=SpoiltPhotos(recipe, data),
        losses=tone_losses if recipe.tone_only else detail_losses(recipe, features),
        validate=validate_tone if recipe.tone_only else validate_detail,
        draw_sheet=draw_sheet,
        run_folder=run_folder,
        device=device,
        workers=workers,
    )


def _mean_psnr(pairs: list[tuple[PixelArray, PixelArray]]) -> float:
    return float(np.mean([min(psnr(image, wanted), _MAXIMUM_PSNR) for image, wanted in pairs]))
