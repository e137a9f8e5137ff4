"""Training recipes: functions that return a full, frozen configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from packshot.models.quality import QualityNetConfig
from packshot.training.quality.batches import MixConfig
from packshot.training.quality.losses import LossWeights
from packshot.training.quality.samples import Augmentation


@dataclass(frozen=True, kw_only=True)
class QualityRecipe:
    """Everything that decides the result of training the quality network.

    Attributes:
        name: What ``packshot-train quality --recipe`` calls it.
        epochs: Passes over the labelled photos.
        backbone_rate: Peak learning rate of the backbone, whose BatchNorm statistics stay
            those of ImageNet.
        head_rate: Peak learning rate of everything else.
        weight_decay: Of AdamW.
        warmup_steps: Linear warm-up, before a cosine to zero.
        ema_decay: Decay of the moving average of the weights, which is what ships.
        patience: Epochs without a better validation SRCC after which training stops.
        frozen_blocks: The stem and this many first blocks keep their ImageNet weights: they work
            at 112 px, cost a third of a training step and hold generic edge filters.
        learns: Everything, or the heads of the attributes alone, which leaves the score as it is.
        seed: Of data order, faults, augmentation and initial heads.
        mix: What a batch is made of.
        augmentation: Changes that leave quality as it is.
        losses: Weights of the loss terms.
        network: Sizes of the network's heads.
    """

    name: str
    epochs: int = 8
    backbone_rate: float = 2e-4
    head_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup_steps: int = 100
    ema_decay: float = 0.998
    patience: int = 4
    frozen_blocks: int = 3
    learns: Literal["everything", "attributes"] = "everything"
    seed: int = 0
    mix: MixConfig = field(default_factory=MixConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    losses: LossWeights = field(default_factory=LossWeights)
    network: QualityNetConfig = field(default_factory=QualityNetConfig)

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {self.epochs}")
        if min(self.backbone_rate, self.head_rate) <= 0:
            raise ValueError(
                f"learning rates must be positive, got {self.backbone_rate} and {self.head_rate}"
            )
        if not 0.0 <= self.ema_decay < 1.0:
            raise ValueError(f"ema_decay must be in [0, 1), got {self.ema_decay}")


def quality_default() -> QualityRecipe:
    """The shipped network: about an hour and a half on two CPU cores."""
    return QualityRecipe(name="default")


def quality_refine() -> QualityRecipe:
    """More of the same at a lower rate and with more faults, from weights that are good already."""
    return QualityRecipe(
        name="refine",
        epochs=3,
        backbone_rate=6e-5,
        head_rate=3e-4,
        warmup_steps=50,
        mix=MixConfig(labelled=16, faulty=12),
    )


def quality_rank() -> QualityRecipe:
    """The attributes alone, on pairs of photos that differ in the severity of their faults."""
    return QualityRecipe(
        name="rank",
        epochs=1,
        head_rate=3e-4,
        warmup_steps=30,
        ema_decay=0.99,
        learns="attributes",
        mix=MixConfig(labelled=16, faulty=24, paired=True),
    )


def quality_smoke() -> QualityRecipe:
    """A minute's run that proves the machinery, not the network."""
    return QualityRecipe(
        name="smoke", epochs=1, warmup_steps=2, mix=MixConfig(labelled=4, faulty=4)
    )


QUALITY_RECIPES = {
    recipe().name: recipe
    for recipe in (quality_default, quality_refine, quality_rank, quality_smoke)
}
