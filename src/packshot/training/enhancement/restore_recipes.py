"""Recipes of the restoration network: which photos, which faults, which losses, how long.

In two stages: the tone branch alone on thumbnails, which costs little and carries most of the
gain; then the detail branch, on windows at full resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

from packshot.models.restoration import SIDE_MULTIPLE, RestoreNetConfig
from packshot.training.enhancement.photos import PhotoSource
from packshot.training.enhancement.trainer import TrainingPlan


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
        drawn: Share of windows that are drawn prints instead, for fine stripes and text.
        sources: The photos.
        similarity_weight: Weight of the SSIM term beside the Charbonnier term.
        perceptual_weight: Weight of the distance between features of the quality network.
    """

    name: str
    plan: TrainingPlan
    network: RestoreNetConfig
    tone_only: bool = False
    patch: int = 96
    clean: float = 0.2
    minimum_faults: int = 1
    drawn: float = 0.0
    sources: tuple[PhotoSource, ...] = (
        PhotoSource(name="seller_photos", shrink=1.0, share=0.65),
        PhotoSource(name="biq2021", shrink=0.75, share=0.2),
        PhotoSource(name="studio", shrink=0.6, share=0.15),
    )
    similarity_weight: float = 0.1
    perceptual_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.patch < 16 or self.patch % SIDE_MULTIPLE:
            raise ValueError(
                f"patch must be a multiple of {SIDE_MULTIPLE} and at least 16, got {self.patch}"
            )
        if not (0.0 <= self.clean <= 1.0 and 0.0 <= self.drawn <= 1.0):
            raise ValueError(f"clean and drawn are shares of 0-1, got {self.clean}, {self.drawn}")


def restore_tone() -> RestoreRecipe:
    """The first stage: tone and colour, from thumbnails."""
    return RestoreRecipe(
        name="tone",
        network=RestoreNetConfig(),
        plan=TrainingPlan(steps=5_000, rate=7e-4, batch=64, validate_every=500),
        tone_only=True,
        clean=0.1,
    )


def restore_default() -> RestoreRecipe:
    """The second stage, started from the first: the detail branch."""
    return RestoreRecipe(
        name="default",
        network=RestoreNetConfig(),
        plan=TrainingPlan(steps=10_000, rate=1e-3, batch=8, ema_decay=0.999, validate_every=1_000),
        drawn=0.15,
        perceptual_weight=0.04,
    )


RESTORE_RECIPES = {recipe().name: recipe for recipe in (restore_tone, restore_default)}
