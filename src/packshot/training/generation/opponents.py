"""Whom the generator trains against: discriminators with their optimizers and losses.

An opponent first learns from a batch of real and of generated pictures, then says what the
generator loses by it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from packshot.training.generation.augmentation import augmented
from packshot.training.generation.backbone import BackboneConfig, BackboneHeads, FrozenBackbone
from packshot.training.generation.discriminator import Verdict
from packshot.training.generation.losses import (
    category_loss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
)
from packshot.training.generation.networks import new_discriminator
from packshot.training.generation.recipe import GeneratorRecipe


class Batch(NamedTuple):
    """What an opponent is shown in a step.

    Attributes:
        real: [N, 3, 64, 64] floats of -1 to 1.
        fake: Likewise, with the graph that leads to the generator.
        category: [N] class numbers of both.
        step: The number of the step.
    """

    real: Tensor
    fake: Tensor
    category: Tensor
    step: int


class Opponent(ABC):
    """A discriminator in training.

    Attributes:
        name: Of its rows in the log and of its state in checkpoints.
        network: What is learned.
        optimizer: Of its parameters.
        every: Steps between two of its turns.
    """

    name: str
    every: int = 1

    def __init__(self, recipe: GeneratorRecipe, network: nn.Module) -> None:
        self.recipe = recipe
        # The quicker layout of small convolutions, on CPU and on GPU.
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(network.parameters(), lr=recipe.rate, betas=recipe.betas)

    @abstractmethod
    def meet(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Learn from both halves of a batch, then judge the generated one anew.

        Returns:
            The generator's loss, whose gradients reach ``batch.fake`` alone, and what to log.
        """

    @property
    def logged(self) -> tuple[str, ...]:
        """Names of what ``meet`` logs."""
        sides = ["_real", "_fake", "_generator"]
        if self.recipe.category_weight > 0:
            sides.append("_category")
        return (self.name, *(f"{self.name}{side}" for side in sides))

    def _learn(
        self, real: Verdict, fake: Verdict, category: Tensor, penalty: Tensor | None = None
    ) -> dict[str, float]:
        loss = discriminator_loss(real.logits, fake.logits)
        losses = {
            self.name: loss.item(),
            f"{self.name}_real": real.logits.mean().item(),
            f"{self.name}_fake": fake.logits.mean().item(),
        }
        if real.categories is not None:
            # Generated pictures would teach it the generator's confusions.
            of_category = category_loss(real.categories, category)
            losses[f"{self.name}_category"] = of_category.item()
            loss = loss + of_category
        if penalty is not None:
            loss = loss + penalty
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return losses

    def _generator_loss(self, fake: Verdict, category: Tensor) -> Tensor:
        loss = generator_loss(fake.logits)
        if fake.categories is not None:
            loss = loss + self.recipe.category_weight * category_loss(fake.categories, category)
        return loss


class PixelOpponent(Opponent):
    """The discriminator that learns all it knows from the shop's pictures."""

    name = "discriminator"

    def __init__(self, recipe: GeneratorRecipe, device: torch.device) -> None:
        network = new_discriminator(
            recipe.network,
            conditional=recipe.conditional,
            category_head=recipe.category_weight > 0,
        )
        super().__init__(recipe, network.to(device))
        self.every = recipe.discriminator_every

    def meet(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        turn = batch.step // self.every
        penalized = self.recipe.r1_weight > 0 and turn % self.recipe.r1_every == 0
        real = batch.real.detach().requires_grad_(penalized)
        of_real = self._judged(real, batch.category)
        of_fake = self._judged(batch.fake.detach(), batch.category)
        penalty = None
        if penalized:
            weight = self.recipe.r1_weight * self.recipe.r1_every
            penalty = gradient_penalty(of_real.logits, real) * weight
        losses = self._learn(of_real, of_fake, batch.category, penalty)
        self.network.requires_grad_(False)
        of_fake = self._judged(batch.fake, batch.category)
        loss = self._generator_loss(of_fake, batch.category)
        self.network.requires_grad_(True)
        return loss, losses | {f"{self.name}_generator": loss.item()}

    def _judged(self, x_nchw: Tensor, category: Tensor) -> Verdict:
        verdict: Verdict = self.network(augmented(x_nchw, self.recipe.augment_share), category)
        return verdict


class BackboneOpponent(Opponent):
    """Heads on the frozen backbone."""

    name = "backbone_heads"

    def __init__(
        self, recipe: GeneratorRecipe, config: BackboneConfig, device: torch.device
    ) -> None:
        heads = BackboneHeads(
            config,
            categories=recipe.network.categories,
            conditional=recipe.conditional,
            category_head=recipe.category_weight > 0,
        )
        super().__init__(recipe, heads.to(device))
        self.config = config
        self.backbone = FrozenBackbone(config).to(device)

    def meet(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        with torch.no_grad():
            of_real = self.backbone(augmented(batch.real, self.recipe.augment_share))
        # The backbone does not change between the heads' turn and the generator's: its maps of
        # the generated batch, which cost the most, serve both.
        of_fake = self.backbone(augmented(batch.fake, self.recipe.augment_share))
        losses = self._learn(
            self.network(of_real, batch.category),
            self.network(tuple(found.detach() for found in of_fake), batch.category),
            batch.category,
        )
        self.network.requires_grad_(False)
        loss = self._generator_loss(self.network(of_fake, batch.category), batch.category)
        self.network.requires_grad_(True)
        return loss * self.config.weight, losses | {f"{self.name}_generator": loss.item()}


def new_opponents(recipe: GeneratorRecipe, device: torch.device) -> tuple[Opponent, ...]:
    """Those a recipe asks for, with fresh weights.

    Raises:
        TrainingError: See ``FrozenBackbone``.
    """
    opponents: list[Opponent] = [PixelOpponent(recipe, device)]
    if recipe.backbone is not None:
        opponents.append(BackboneOpponent(recipe, recipe.backbone, device))
    return tuple(opponents)
