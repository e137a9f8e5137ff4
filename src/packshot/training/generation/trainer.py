"""The training loop of the generator: opponents, averaged weights, sheets, resume."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from packshot.errors import TrainingError
from packshot.models.generator import LATENT_SIZE
from packshot.models.weights import save_weights
from packshot.training.checkpoint import load_checkpoint, save_checkpoint
from packshot.training.generation.discriminator import GROUP
from packshot.training.generation.networks import AnyGenerator, new_generator
from packshot.training.generation.opponents import Batch, new_opponents
from packshot.training.generation.packshots import Packshots
from packshot.training.generation.recipe import GeneratorRecipe
from packshot.training.generation.sheets import draw_sheet
from packshot.training.report_file import write_json
from packshot.training.run_folder import RECIPE_NAME, refuse_other_recipe
from packshot.training.run_log import RunningMeans, append_row

Report = Callable[[int, dict[str, float]], None]
"""Called after each step with (step, smoothed losses)."""

CHECKPOINT_EVERY_STEPS = 100

_EARLIER_BATCH = 32
"""Pictures in a batch of the runs whose checkpoints do not say how many were seen."""


class GeneratorTrainer:
    """Trains a generator against its opponents, in a run folder that can be resumed.

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
        self._order = torch.argsort(self.categories, stable=True)
        self._counts = torch.bincount(self.categories, minlength=recipe.network.categories)
        self.generator = new_generator(recipe.network).to(self.device)
        # The quicker layout of small convolutions, on CPU and on GPU.
        self.generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.opponents = new_opponents(recipe, self.device)
        self.ema = AveragedModel(
            self.generator,
            multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay),  # type: ignore[no-untyped-call]
            # Batch statistics, which only the baseline has, must fit the averaged weights.
            use_buffers=True,
        )
        self.generator_optimizer = torch.optim.Adam(
            self.generator.parameters(), lr=recipe.rate, betas=recipe.betas
        )
        self.step = 0
        self.pictures_seen = 0
        self._begun_from: str | None = None

    def fit(self, report: Report | None = None) -> AnyGenerator:
        """Train to the end; returns the averaged generator with its mean styles.

        Raises:
            TrainingError: The run folder holds the run of another recipe.
        """
        if self.has_checkpoint:
            # More steps may be asked for: no rate depends on how many there are in all.
            refuse_other_recipe(self.run_folder, self.recipe, apart_from=["steps"])
            self._resume()
        write_json(self.run_folder / RECIPE_NAME, self.recipe)
        started, recent = time.monotonic(), self._running_means()
        while self.step < self.recipe.steps:
            recent.add(self._train_step())
            self.step += 1
            if report is not None:
                report(self.step, recent.means())
            if self.step % self.recipe.sheet_every == 0 or self.step == self.recipe.steps:
                append_row(
                    self.run_folder / "log.csv",
                    {"step": self.step, "seconds": time.monotonic() - started, **recent.means()},
                )
                averaged = self.averaged_generator()
                draw_sheet(averaged, self.run_folder / "samples" / f"{self.step:06}.png")
                save_weights(
                    averaged,
                    self.run_folder / "weights" / f"{self.step:06}.safetensors",
                    metadata=self.metadata,
                )
                started, recent = time.monotonic(), self._running_means()
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
    def has_checkpoint(self) -> bool:
        """Whether the run folder has a state that ``fit`` goes on from."""
        return self._checkpoint_path.is_file()

    @property
    def metadata(self) -> dict[str, str]:
        """What a weights file says of its training."""
        return {
            "recipe": self.recipe.name,
            "seed": str(self.recipe.seed),
            "steps": str(self.step),
            "pictures_seen": str(self.pictures_seen),
            **({} if self._begun_from is None else {"begun_from": self._begun_from}),
        }

    def begin_from(self, checkpoint: Path) -> list[str]:
        """Take over the weights of another run's checkpoint, of the same sizes, before ``fit``.

        Optimizers and the count of steps begin anew. A run that has a checkpoint of its own goes
        on from that instead.

        Returns:
            What begins with fresh weights, as the other run had none of it.

        Raises:
            TrainingError: The checkpoint is damaged, or of networks of other sizes.
        """
        state = load_checkpoint(checkpoint)
        networks = {"generator": self.generator, "ema": self.ema}
        networks |= {opponent.name: opponent.network for opponent in self.opponents}
        fresh: list[str] = []
        try:
            for name, network in networks.items():
                if name not in state:
                    fresh.append(name)
                    continue
                fresh += network.load_state_dict(state[name], strict=False).missing_keys
            seen = state.get("pictures_seen", state["step"] * _EARLIER_BATCH)
            begun_from = f"step {state['step']} of {checkpoint}"
        except (KeyError, RuntimeError) as error:
            raise TrainingError(
                f"{checkpoint} does not fit the recipe {self.recipe.name}: {error}"
            ) from error
        self.pictures_seen, self._begun_from = seen, begun_from
        return fresh

    def _train_step(self) -> dict[str, float]:
        torch.manual_seed(self.recipe.seed + 1_000_003 * (self.step + 1))
        real, category = self._real_batch()
        # One fake batch serves all: another generator pass would cost a fifth of the step.
        latent = torch.randn(len(category), LATENT_SIZE, device=self.device)
        fake = self.generator.synthesize(self.generator.styles(latent, category))
        losses: dict[str, float] = {}
        terms: list[Tensor] = []
        for opponent in self.opponents:
            if self.step % opponent.every == 0:
                term, found = opponent.meet(Batch(real, fake, category, self.step))
                terms.append(term)
                losses |= found
        self.generator_optimizer.zero_grad(set_to_none=True)
        torch.stack(terms).sum().backward()  # type: ignore[no-untyped-call]
        self.generator_optimizer.step()
        self.ema.update_parameters(self.generator)
        self.pictures_seen += len(category)
        return losses

    def _running_means(self) -> RunningMeans:
        return RunningMeans(name for opponent in self.opponents for name in opponent.logged)

    def _rows(self) -> Tensor:
        """Pictures of a batch: every category is as likely, however many pictures it has."""
        group = GROUP if self.recipe.grouped else 1
        there = (self._counts > 0).double()
        drawn = torch.multinomial(there, self.recipe.batch // group, replacement=True)
        category = drawn.repeat(group)
        counts = self._counts[category]
        within = (torch.rand(len(category), dtype=torch.float64) * counts).long()
        return self._order[self._counts.cumsum(0)[category] - counts + within]

    def _real_batch(self) -> tuple[Tensor, Tensor]:
        rows = self._rows()
        real = self.pictures[rows].permute(0, 3, 1, 2).float() / 127.5 - 1.0
        if self.recipe.mirror:
            mirrored = torch.rand(len(rows)) < 0.5
            real = torch.where(mirrored[:, None, None, None], real.flip(3), real)
        real = real.to(self.device, memory_format=torch.channels_last)
        return real, self.categories[rows].to(self.device)

    @property
    def _checkpoint_path(self) -> Path:
        return self.run_folder / "checkpoint.pt"

    def _save(self) -> None:
        state = {
            "generator": self.generator.state_dict(),
            "ema": self.ema.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "step": self.step,
            "pictures_seen": self.pictures_seen,
            "begun_from": self._begun_from,
        }
        for opponent in self.opponents:
            state[opponent.name] = opponent.network.state_dict()
            state[f"{opponent.name}_optimizer"] = opponent.optimizer.state_dict()
        save_checkpoint(self._checkpoint_path, state)

    def _resume(self) -> None:
        state = load_checkpoint(self._checkpoint_path)
        for opponent in self.opponents:
            opponent.network.load_state_dict(state[opponent.name])
            opponent.optimizer.load_state_dict(state[f"{opponent.name}_optimizer"])
        for name in ("generator", "ema", "generator_optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.step = state["step"]
        self.pictures_seen = state.get("pictures_seen", self.step * _EARLIER_BATCH)
        self._begun_from = state.get("begun_from")
