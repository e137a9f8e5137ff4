"""The training loop of the generator: both networks, averaged weights, sheets, resume."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from packshot.models.generator import LATENT_SIZE
from packshot.models.weights import save_weights
from packshot.training.checkpoint import load_checkpoint, save_checkpoint
from packshot.training.generation.augmentation import augmented
from packshot.training.generation.losses import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
)
from packshot.training.generation.networks import AnyGenerator, new_discriminator, new_generator
from packshot.training.generation.packshots import Packshots
from packshot.training.generation.recipe import GeneratorRecipe
from packshot.training.generation.sheets import draw_sheet
from packshot.training.run_log import append_row

Report = Callable[[int, dict[str, float]], None]
"""Called after each step with (step, smoothed losses)."""

CHECKPOINT_EVERY_STEPS = 100


class GeneratorTrainer:
    """Trains a generator against a discriminator, in a run folder that can be resumed.

    The run folder gets ``recipe.json``, ``log.csv``, ``checkpoint.pt`` (the latest state) and
    ``samples/`` (a sheet of every category, the same latents through time). What a step draws
    depends only on the seed and its number, so that a resumed run goes on as it would have.
    """

    def __init__(
        self, recipe: GeneratorRecipe, *, train: Packshots, run_folder: Path, device: str = "cpu"
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.run_folder = run_folder
        self.device = torch.device(device)
        self.pictures = torch.from_numpy(train.pictures)
        self.categories = torch.from_numpy(train.categories)
        # Every category is shown as often as any other, however many pictures it has.
        counts = torch.bincount(self.categories, minlength=recipe.network.categories)
        self.weights = 1.0 / counts[self.categories].double()
        self.generator = new_generator(recipe.network).to(self.device)
        self.discriminator = new_discriminator(recipe.network, conditional=recipe.conditional).to(
            self.device
        )
        # The quicker layout of small convolutions, on CPU and on GPU.
        for network in (self.generator, self.discriminator):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = AveragedModel(
            self.generator,
            multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay),  # type: ignore[no-untyped-call]
            # Batch statistics, which only the baseline has, must fit the averaged weights.
            use_buffers=True,
        )
        self.generator_optimizer = torch.optim.Adam(
            self.generator.parameters(), lr=recipe.rate, betas=recipe.betas
        )
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=recipe.rate, betas=recipe.betas
        )
        self.step = 0

    def fit(self, report: Report | None = None) -> AnyGenerator:
        """Train to the end; returns the averaged generator with its mean styles."""
        self.run_folder.mkdir(parents=True, exist_ok=True)
        recipe_json = json.dumps(dataclasses.asdict(self.recipe), indent=2)
        (self.run_folder / "recipe.json").write_text(recipe_json + "\n")
        if self._checkpoint_path.is_file():
            self._resume()
        started, sums = time.monotonic(), defaultdict[str, float](float)
        first = self.step
        while self.step < self.recipe.steps:
            for name, value in self._train_step().items():
                sums[name] += value
            self.step += 1
            done = self.step - first
            if report is not None:
                report(self.step, {name: value / done for name, value in sums.items()})
            if self.step % self.recipe.sheet_every == 0 or self.step == self.recipe.steps:
                means = {name: value / done for name, value in sums.items()}
                append_row(
                    self.run_folder / "log.csv",
                    {"step": self.step, "seconds": time.monotonic() - started, **means},
                )
                averaged = self.averaged_generator()
                draw_sheet(averaged, self.run_folder / "samples" / f"{self.step:06}.png")
                save_weights(
                    averaged,
                    self.run_folder / "weights" / f"{self.step:06}.safetensors",
                    metadata=self.metadata,
                )
                started, first = time.monotonic(), self.step
                sums.clear()
            if self.step % CHECKPOINT_EVERY_STEPS == 0 or self.step == self.recipe.steps:
                self._save()
        return self.averaged_generator()

    def averaged_generator(self) -> AnyGenerator:
        """The EMA generator, its mean styles measured."""
        averaged = new_generator(self.recipe.network).to(self.device)
        averaged.load_state_dict(self.ema.module.state_dict())
        averaged.measure_mean_styles()
        return averaged.eval()

    @property
    def metadata(self) -> dict[str, str]:
        """What a weights file says of its training."""
        return {
            "recipe": self.recipe.name,
            "seed": str(self.recipe.seed),
            "steps": str(self.step),
            "pictures_seen": str(self.step * self.recipe.batch),
        }

    def _train_step(self) -> dict[str, float]:
        torch.manual_seed(self.recipe.seed + 1_000_003 * (self.step + 1))
        real, category = self._real_batch()
        # One fake batch serves both: the second generator pass would cost a fifth of the step.
        latent = torch.randn(len(category), LATENT_SIZE, device=self.device)
        fake = self.generator.synthesize(self.generator.styles(latent, category))
        losses = self._train_discriminator(real, fake.detach(), category)
        losses["generator"] = self._train_generator(fake, category)
        self.ema.update_parameters(self.generator)
        return losses

    def _real_batch(self) -> tuple[Tensor, Tensor]:
        rows = torch.multinomial(self.weights, self.recipe.batch, replacement=True)
        real = self.pictures[rows].permute(0, 3, 1, 2).float() / 127.5 - 1.0
        if self.recipe.mirror:
            mirrored = torch.rand(len(rows)) < 0.5
            real = torch.where(mirrored[:, None, None, None], real.flip(3), real)
        real = real.to(self.device, memory_format=torch.channels_last)
        return real, self.categories[rows].to(self.device)

    def _judged(self, x_nchw: Tensor, category: Tensor) -> Tensor:
        logits: Tensor = self.discriminator(augmented(x_nchw, self.recipe.augment_share), category)
        return logits

    def _train_discriminator(
        self, real: Tensor, fake: Tensor, category: Tensor
    ) -> dict[str, float]:
        penalized = self.recipe.r1_weight > 0 and self.step % self.recipe.r1_every == 0
        real.requires_grad_(penalized)
        real_logits = self._judged(real, category)
        fake_logits = self._judged(fake, category)
        loss = discriminator_loss(real_logits, fake_logits)
        losses = {
            "discriminator": loss.item(),
            "real_logit": real_logits.mean().item(),
            "fake_logit": fake_logits.mean().item(),
        }
        if penalized:
            penalty = gradient_penalty(real_logits, real)
            loss = loss + penalty * self.recipe.r1_weight * self.recipe.r1_every
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.discriminator_optimizer.step()
        return losses

    def _train_generator(self, fake: Tensor, category: Tensor) -> float:
        self.discriminator.requires_grad_(False)
        loss = generator_loss(self._judged(fake, category))
        self.discriminator.requires_grad_(True)
        self.generator_optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.generator_optimizer.step()
        return loss.item()

    @property
    def _checkpoint_path(self) -> Path:
        return self.run_folder / "checkpoint.pt"

    def _save(self) -> None:
        save_checkpoint(
            self._checkpoint_path,
            {
                "generator": self.generator.state_dict(),
                "discriminator": self.discriminator.state_dict(),
                "ema": self.ema.state_dict(),
                "generator_optimizer": self.generator_optimizer.state_dict(),
                "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
                "step": self.step,
            },
        )

    def _resume(self) -> None:
        state = load_checkpoint(self._checkpoint_path)
        for name in (
            "generator",
            "discriminator",
            "ema",
            "generator_optimizer",
            "discriminator_optimizer",
        ):
            getattr(self, name).load_state_dict(state[name])
        self.step = state["step"]
