"""Recipes of the generator: functions that return a full, frozen configuration."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from packshot.models.generator import GeneratorConfig
from packshot.training.generation.backbone import BackboneConfig
from packshot.training.generation.dcgan import DcganConfig
from packshot.training.generation.discriminator import GROUP


@dataclass(frozen=True, kw_only=True)
class GeneratorRecipe:
    """Everything that decides the result of training the generator.

    Attributes:
        name: What ``packshot-train generator --size`` calls it.
        steps: Steps of both networks.
        batch: Pictures in a batch.
        rate: Learning rate of Adam, for both networks.
        betas: Adam's decay of the mean gradient and of its square.
        ema_decay: Decay of the moving average of the generator's weights, which is what ships.
        r1_weight: Weight of the squared gradient of the discriminator at real pictures (R1,
            arXiv 1801.04406); 0 leaves it out.
        r1_every: Steps between two R1 terms, whose weight grows by as much.
        augment_share: Share of the pictures that are augmented before the discriminator sees
            them; 0 augments none.
        conditional: Whether the discriminator knows the category (projection).
        discriminator_every: Steps between two turns of the discriminator on pixels, where another
            has its turn in each.
        backbone: The second discriminator, heads on a frozen ImageNet backbone; None leaves it
            out.
        category_weight: Weight, in the generator's loss, of the cross entropy of the category as
            the discriminators' second heads see it; 0 leaves those heads out.
        grouped: Whether the pictures of a batch that the discriminators compare with each other,
            four at a time, are of one category: only so is sameness within a category seen.
        mirror: Whether real pictures are mirrored half of the time. Not where products face one
            way, as shoes and glasses of a catalogue do: between both ways lies a product of two
            toes.
        sheet_every: Steps between two sample sheets, rows of the log and kept weights.
        seed: Of everything drawn.
        network: Which networks, ours or the baseline's, and their sizes; our discriminator has
            the width of the generator.
    """

    name: str
    steps: int
    batch: int = 32
    rate: float = 2e-3
    betas: tuple[float, float] = (0.0, 0.99)
    ema_decay: float = 0.998
    r1_weight: float = 0.2
    r1_every: int = 16
    augment_share: float = 0.5
    conditional: bool = True
    discriminator_every: int = 1
    backbone: BackboneConfig | None = None
    category_weight: float = 0.0
    grouped: bool = True
    mirror: bool = False
    sheet_every: int = 500
    seed: int = 0
    network: GeneratorConfig | DcganConfig = field(default_factory=GeneratorConfig)

    def __post_init__(self) -> None:
        counts = (self.steps, self.batch, self.r1_every, self.discriminator_every, self.sheet_every)
        if min(counts) < 1:
            raise ValueError(
                "steps, batch, r1_every, discriminator_every and sheet_every must be at least 1,"
                f" got {counts}"
            )
        if self.grouped and self.batch % GROUP:
            raise ValueError(
                f"batch must be a multiple of {GROUP} where it is grouped, got {self.batch}"
            )
        if self.discriminator_every > 1 and self.backbone is None:
            raise ValueError(
                "discriminator_every may be above 1 only beside a backbone, got"
                f" {self.discriminator_every}"
            )
        if self.category_weight < 0:
            raise ValueError(f"category_weight must not be negative, got {self.category_weight}")
        if self.category_weight > 0 and isinstance(self.network, DcganConfig):
            raise ValueError(
                "the baseline's discriminator has no head for categories: expected a"
                f" category_weight of 0, got {self.category_weight}"
            )
        if self.rate <= 0 or self.r1_weight < 0:
            raise ValueError(
                f"rate must be positive and r1_weight not negative, got {self.rate} and"
                f" {self.r1_weight}"
            )
        if not 0.0 <= self.augment_share <= 1.0:
            raise ValueError(f"augment_share must be in [0, 1], got {self.augment_share}")
        decays = (self.ema_decay, *self.betas)
        if not all(0.0 <= decay < 1.0 for decay in decays):
            raise ValueError(f"ema_decay and betas must be in [0, 1), got {decays}")


def generator_small() -> GeneratorRecipe:
    """For two CPU cores: some hours."""
    return GeneratorRecipe(
        name="small",
        steps=16_000,
        batch=16,
        ema_decay=0.995,
        discriminator_every=2,
        backbone=BackboneConfig(),
        category_weight=0.1,
    )


def generator_full() -> GeneratorRecipe:
    """For one GPU: about half an hour."""
    return GeneratorRecipe(
        name="full",
        steps=30_000,
        batch=64,
        ema_decay=0.9995,
        backbone=BackboneConfig(side=128),
        category_weight=0.1,
        sheet_every=1000,
        network=GeneratorConfig(width=48, style_size=256),
    )


def generator_without_augmentation() -> GeneratorRecipe:
    """Ablation: the discriminator sees every picture as it is."""
    return replace(generator_small(), name="without-augmentation", augment_share=0.0)


def generator_without_r1() -> GeneratorRecipe:
    """Ablation: nothing holds the discriminator's gradient."""
    return replace(generator_small(), name="without-r1", r1_weight=0.0)


def generator_without_projection() -> GeneratorRecipe:
    """Ablation: the discriminator does not know the category."""
    return replace(generator_small(), name="without-projection", conditional=False)


def generator_without_backbone() -> GeneratorRecipe:
    """Ablation: one discriminator, that knows the shop's pictures alone."""
    recipe = generator_small()
    return replace(recipe, name="without-backbone", backbone=None, discriminator_every=1)


def generator_without_category_head() -> GeneratorRecipe:
    """Ablation: no discriminator names the category."""
    return replace(generator_small(), name="without-category-head", category_weight=0.0)


def generator_mirrored() -> GeneratorRecipe:
    """Ablation: products face both ways."""
    return replace(generator_small(), name="mirrored", mirror=True)


def generator_without_groups() -> GeneratorRecipe:
    """Ablation: pictures of any categories are compared with each other."""
    return replace(generator_small(), name="without-groups", grouped=False)


def generator_dcgan() -> GeneratorRecipe:
    """The baseline: as many parameters, pictures and averaged weights, all else as in its paper."""
    return replace(
        generator_small(),
        name="dcgan",
        rate=2e-4,
        betas=(0.5, 0.999),
        r1_weight=0.0,
        augment_share=0.0,
        discriminator_every=1,
        backbone=None,
        category_weight=0.0,
        network=DcganConfig(),
    )


def generator_smoke() -> GeneratorRecipe:
    """A few steps that prove the machinery, not the network."""
    return GeneratorRecipe(
        name="smoke",
        steps=4,
        batch=4,
        r1_every=2,
        sheet_every=2,
        backbone=BackboneConfig(side=32, head_width=4),
        category_weight=0.2,
        network=GeneratorConfig(width=2, style_size=8),
    )


GENERATOR_RECIPES = {
    recipe().name: recipe
    for recipe in (
        generator_small,
        generator_full,
        generator_dcgan,
        generator_without_augmentation,
        generator_without_r1,
        generator_without_projection,
        generator_without_backbone,
        generator_without_category_head,
        generator_without_groups,
        generator_mirrored,
        generator_smoke,
    )
}
