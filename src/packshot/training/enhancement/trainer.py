"""The training loop of both enhancement networks: by steps, averaged weights, resumable."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from packshot.training.checkpoint import load_checkpoint, save_checkpoint
from packshot.training.report_file import write_json
from packshot.training.run_folder import RECIPE_NAME, refuse_other_recipe
from packshot.training.run_log import append_row
from packshot.training.schedules import warmup_cosine

CHECKPOINT_EVERY_STEPS = 200

Pictures = tuple[Tensor, ...]
"""A batch: inputs and targets, [N, H, W, 3] uint8 each."""

Report = Callable[[int, dict[str, float]], None]
"""Called after each step with (step, smoothed losses)."""


Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How long and how fast to train.

    Attributes:
        steps: Optimiser steps in all.
        rate: Peak learning rate of Adam.
        warmup_steps: Linear warm-up, before a cosine to zero.
        batch: Pictures in a batch.
        ema_decay: Decay of the moving average of the weights, which is what ships.
        validate_every: Steps between two validations.
        patience: Validations without a better result after which training stops.
        gradient_norm: Gradients are clipped to this norm.
        seed: Of the samples and of the initial weights.
    """

    steps: int
    rate: float
    warmup_steps: int = 100
    batch: int = 16
    ema_decay: float = 0.998
    validate_every: int = 500
    patience: int = 10
    gradient_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (self.steps, self.batch, self.validate_every, self.patience)
        if min(counts) < 1:
            raise ValueError(
                f"steps, batch, validate_every and patience must be at least 1, got {counts}"
            )
        if self.rate <= 0 or self.gradient_norm <= 0:
            raise ValueError(
                f"rate and gradient_norm must be positive, got {self.rate}, {self.gradient_norm}"
            )
        if not 0.0 <= self.ema_decay < 1.0:
            raise ValueError(f"ema_decay must be in [0, 1), got {self.ema_decay}")


class EnhancementTrainer(Generic[Network]):
    """Trains a network on pairs of pictures, in a run folder that can be resumed.

    The run folder gets ``recipe.json``, ``log.csv`` (a row a validation), ``checkpoint.pt`` (the
    latest state), ``best.pt`` (the averaged weights of the best validation) and ``samples/`` (a
    sheet a validation). A batch depends only on the seed and its step, so that a resumed run sees
    what the stopped one would have seen.

    Args:
        plan: How long and how fast.
        recipe: Everything that decides the result, for ``recipe.json``.
        network: Trained in place.
        batches: A batch for each step.
        losses: Network and batch, the latter as [N, 3, H, W] floats of 0-1, to weighted terms.
        validate: The averaged network to a number, higher is better.
        draw_sheet: Writes a sample sheet of the averaged network.
        run_folder: Made where missing.
        device: ``cpu`` or ``cuda``.
        workers: Processes that make batches; 0 makes them in this one.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        *,
        recipe: Mapping[str, Any],
        network: Network,
        batches: Dataset[Pictures],
        losses: Callable[[Network, Pictures], dict[str, Tensor]],
        validate: Callable[[Network], float],
        draw_sheet: Callable[[Network, Path], None],
        run_folder: Path,
        device: str = "cpu",
        workers: int = 0,
    ) -> None:
        self.plan = plan
        self.recipe = recipe
        self.run_folder = run_folder
        self.device = torch.device(device)
        self.batches = batches
        self.losses = losses
        self.validate = validate
        self.draw_sheet = draw_sheet
        self.workers = workers
        # channels_last: the layout in which oneDNN and cuDNN convolve fastest.
        self.network: Network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = AveragedModel(
            self.network,
            multi_avg_fn=get_ema_multi_avg_fn(plan.ema_decay),  # type: ignore[no-untyped-call]
        )
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=plan.rate)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: warmup_cosine(step, plan.warmup_steps, plan.steps)
        )
        self.step = 0
        self.best = -math.inf
        self.best_step = 0

    def fit(self, report: Report | None = None) -> Network:
        """Train to the end, or until patience runs out; returns the best averaged network.

        Raises:
            TrainingError: The run folder holds the run of another recipe.
        """
        if self._checkpoint_path.is_file():
            refuse_other_recipe(self.run_folder, self.recipe)
            self._resume()
        write_json(self.run_folder / RECIPE_NAME, self.recipe)
        while self.step < self.plan.steps:
            if self.step - self.best_step > self.plan.patience * self.plan.validate_every:
                break
            self._train_until_validation(report)
        averaged = cast(Network, self.ema.module)
        averaged.load_state_dict(load_checkpoint(self.run_folder / "best.pt")["network"])
        return averaged.eval()

    def _train_until_validation(self, report: Report | None) -> None:
        started = time.monotonic()
        every = self.plan.validate_every
        end = min(self.plan.steps, (self.step // every + 1) * every)
        loader: DataLoader[Any] = DataLoader(
            self.batches, batch_size=None, sampler=range(self.step, end), num_workers=self.workers
        )
        sums: dict[str, float] = defaultdict(float)
        self.network.train()
        for done, pictures in enumerate(loader, start=1):
            for name, value in self._train_step(pictures).items():
                sums[name] += value
            self.step += 1
            if report is not None:
                report(self.step, {name: value / done for name, value in sums.items()})
            if self.step % CHECKPOINT_EVERY_STEPS == 0 and self.step != end:
                self._save()
        self._finish({k: v / done for k, v in sums.items()}, time.monotonic() - started)

    def _train_step(self, pictures: Pictures) -> dict[str, float]:
        floats = tuple(_to_float_nchw(batch.to(self.device)) for batch in pictures)
        losses = self.losses(self.network, floats)
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.gradient_norm)
        self.optimizer.step()
        self.schedule.step()
        self.ema.update_parameters(self.network)
        return {name: value.item() for name, value in losses.items()}

    def _finish(self, losses: dict[str, float], seconds: float) -> None:
        averaged = cast(Network, self.ema.module.eval())
        score = self.validate(averaged)
        if score > self.best:
            self.best, self.best_step = score, self.step
            save_checkpoint(self.run_folder / "best.pt", {"network": averaged.state_dict()})
        append_row(
            self.run_folder / "log.csv",
            {"step": self.step, "seconds": seconds, "validation": score, **losses},
        )
        self.draw_sheet(averaged, self.run_folder / "samples" / f"{self.step:06d}.png")
        self._save()

    @property
    def _checkpoint_path(self) -> Path:
        return self.run_folder / "checkpoint.pt"

    def _save(self) -> None:
        save_checkpoint(
            self._checkpoint_path,
            {
                "network": self.network.state_dict(),
                "ema": self.ema.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "step": self.step,
                "best": self.best,
                "best_step": self.best_step,
            },
        )

    def _resume(self) -> None:
        state = load_checkpoint(self._checkpoint_path)
        self.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step, self.best, self.best_step = state["step"], state["best"], state["best_step"]


def _to_float_nchw(image_nhwc_u8: Tensor) -> Tensor:
    # A permuted NHWC tensor is channels_last already.
    return image_nhwc_u8.permute(0, 3, 1, 2).float() / 255.0
