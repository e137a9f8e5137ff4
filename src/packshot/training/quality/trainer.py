"""The training loop of the quality network: EMA, early stopping, checkpoints, resume, CSV log."""

from __future__ import annotations

import itertools
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from packshot.models.efficientnet_lite import imagenet_checkpoint
from packshot.models.quality import QualityNet
from packshot.training.checkpoint import load_checkpoint, save_checkpoint
from packshot.training.metrics import plcc, srcc
from packshot.training.quality.batches import MixedDataset, mixed_loader, stack
from packshot.training.quality.losses import quality_losses
from packshot.training.quality.photos import CleanPhoto, LabelledPhoto
from packshot.training.quality.samples import labelled_sample
from packshot.training.recipes import QualityRecipe
from packshot.training.report_file import write_json
from packshot.training.run_folder import RECIPE_NAME, refuse_other_recipe
from packshot.training.run_log import append_row
from packshot.training.schedules import warmup_cosine

ScoreArray = np.ndarray[tuple[int], np.dtype[np.float64]]

Report = Callable[[int, int, dict[str, float]], None]
"""Called after each step with (epoch, step, smoothed losses)."""

CHECKPOINT_EVERY_STEPS = 50
CALIBRATION_BATCHES = 24


class QualityTrainer:
    """Trains one ``QualityNet`` by a recipe, in a run folder that can be resumed.

    The run folder gets ``recipe.json``, ``log.csv`` (a row an epoch), ``checkpoint.pt`` (the
    latest state, written every 50 steps) and ``best.pt`` (the EMA weights of the epoch with the
    highest validation SRCC).
    """

    def __init__(
        self,
        recipe: QualityRecipe,
        *,
        train: Sequence[LabelledPhoto],
        validation: Sequence[LabelledPhoto],
        clean: dict[str, list[CleanPhoto]],
        run_folder: Path,
        device: str = "cpu",
        workers: int = 1,
        initial: QualityNet | None = None,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.run_folder = run_folder
        self.device = torch.device(device)
        self.validation = validation
        self.dataset = MixedDataset(train, clean, recipe.mix, recipe.augmentation, recipe.seed)
        self.loader = mixed_loader(self.dataset, workers=workers)
        if initial is None:
            initial = QualityNet(recipe.network)
            initial.backbone.load_imagenet_weights(imagenet_checkpoint())
        _freeze(initial, recipe)
        # channels_last: three times faster on CPU for depthwise convolutions.
        self.network = initial.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = AveragedModel(
            self.network,
            multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay),  # type: ignore[no-untyped-call]
        )
        backbone = [p for p in self.network.backbone.parameters() if p.requires_grad]
        heads = [
            parameter
            for name, parameter in self.network.named_parameters()
            if parameter.requires_grad and not name.startswith("backbone.")
        ]
        groups = [(backbone, recipe.backbone_rate), (heads, recipe.head_rate)]
        self.optimizer = torch.optim.AdamW(
            [{"params": members, "lr": rate} for members, rate in groups if members],
            weight_decay=recipe.weight_decay,
        )
        total = recipe.epochs * len(self.loader)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: warmup_cosine(step, recipe.warmup_steps, total)
        )
        self.epoch = 0
        self.step = 0
        self.best_srcc = -1.0
        self.best_epoch = -1

    def fit(self, report: Report | None = None) -> QualityNet:
        """Train to the end, or until patience runs out; returns the best averaged network.

        Raises:
            TrainingError: The run folder holds the run of another recipe.
        """
        if self._checkpoint_path.is_file():
            refuse_other_recipe(self.run_folder, self.recipe)
            self._resume()
        write_json(self.run_folder / RECIPE_NAME, self.recipe)
        while self.epoch < self.recipe.epochs:
            if self.epoch - self.best_epoch > self.recipe.patience:
                break
            self._train_epoch(report)
        best = QualityNet(self.recipe.network)
        best.load_state_dict(load_checkpoint(self.run_folder / "best.pt")["network"])
        best.eval()
        if self.recipe.learns == "everything":
            self._calibrate(best)
        return best

    def _train_epoch(self, report: Report | None) -> None:
        started = time.monotonic()
        self.dataset.epoch = self.epoch
        self._set_mode()
        sums: dict[str, float] = defaultdict(float)
        skip = self.step
        for index, batch in enumerate(self.loader):
            if index < skip:
                continue
            batch = batch.to(self.device)
            torch.manual_seed(self.recipe.seed + 1_000_003 * self.epoch + index)
            outputs = self.network.heads(*self.network.features(batch.global_view, batch.fragments))
            losses = quality_losses(outputs, batch, self.recipe.losses)
            self.optimizer.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            self.schedule.step()
            self.ema.update_parameters(self.network)
            self.step = index + 1
            for name, value in losses.items():
                sums[name] += value.item()
            if report is not None:
                done = index + 1 - skip
                report(self.epoch, self.step, {k: v / done for k, v in sums.items()})
            if self.step % CHECKPOINT_EVERY_STEPS == 0:
                self._save()
        steps = max(1, self.step - skip)
        self._finish_epoch({k: v / steps for k, v in sums.items()}, time.monotonic() - started)

    def _set_mode(self) -> None:
        self.network.train()
        # Batches mix views and faults: ImageNet's statistics serve better than theirs.
        for module in self.network.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        if self.recipe.learns == "attributes":
            # The score reads the normalised features too.
            self.network.feature_norm.eval()

    def _finish_epoch(self, losses: dict[str, float], seconds: float) -> None:
        averaged = self.averaged_network()
        predicted, _ = self._predict(averaged)
        human = np.array([photo.mos for photo in self.validation])
        scores = {"srcc": srcc(predicted / 100.0, human), "plcc": plcc(predicted / 100.0, human)}
        if scores["srcc"] >= self.best_srcc:  # where the score does not learn: the latest
            self.best_srcc, self.best_epoch = scores["srcc"], self.epoch
            save_checkpoint(self.run_folder / "best.pt", {"network": averaged.state_dict()})
        append_row(
            self.run_folder / "log.csv",
            {"epoch": self.epoch, "seconds": round(seconds, 1), **scores, **losses},
        )
        self.epoch, self.step = self.epoch + 1, 0
        self._save()

    def averaged_network(self) -> QualityNet:
        """The EMA network, with feature statistics of its own.

        Those of the trained network would not fit it: the two differ most while the learning
        rate is high, and a score could then be off by ten times its range.
        """
        averaged: QualityNet = QualityNet(self.recipe.network).to(
            self.device,
            memory_format=torch.channels_last,  # type: ignore[call-overload]
        )
        averaged.load_state_dict(self.ema.module.state_dict())
        averaged.eval()
        if self.recipe.learns == "attributes":
            return averaged
        norm = averaged.feature_norm
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
        norm.train()
        self.dataset.epoch = 0
        with torch.no_grad():
            for batch in itertools.islice(self.loader, CALIBRATION_BATCHES):
                views = batch.global_view.to(self.device), batch.fragments.to(self.device)
                norm(averaged.features(*views)[0])
        return averaged.eval()

    def _predict(self, network: QualityNet) -> tuple[ScoreArray, ScoreArray]:
        """Scores and uncertainties of the validation photos, 0-100."""
        return predict_scores(network, [photo.path for photo in self.validation], self.device)

    def _calibrate(self, network: QualityNet) -> None:
        """Scale the uncertainty to the mean absolute error on the validation photos."""
        scores, uncertainties = self._predict(network)
        human = np.array([photo.mos * 100.0 for photo in self.validation])
        network.uncertainty_scale *= float(np.abs(scores - human).mean() / uncertainties.mean())

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
                "schedule_step": self.schedule.last_epoch,
                "epoch": self.epoch,
                "step": self.step,
                "best_srcc": self.best_srcc,
                "best_epoch": self.best_epoch,
            },
        )

    def _resume(self) -> None:
        state = load_checkpoint(self._checkpoint_path)
        self.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.last_epoch = state["schedule_step"]
        self.epoch, self.step = state["epoch"], state["step"]
        self.best_srcc, self.best_epoch = state["best_srcc"], state["best_epoch"]


def _freeze(network: QualityNet, recipe: QualityRecipe) -> None:
    if recipe.learns == "attributes":
        network.requires_grad_(False)
        of_attributes = network.attribute_shared, network.attribute_head
        of_colour = network.colour_shared, network.colour_head
        for head in (*of_attributes, *of_colour):
            head.requires_grad_(True)
        return
    backbone = network.backbone
    frozen = backbone._blocks[: recipe.frozen_blocks]
    for module in (backbone._conv_stem, backbone._bn0, *frozen):
        module.requires_grad_(False)


@torch.inference_mode()
def predict_scores(
    network: QualityNet, photos: Sequence[Path], device: torch.device, *, batch_size: int = 16
) -> tuple[ScoreArray, ScoreArray]:
    """Scores and uncertainties, 0-100, of photos prepared as serving prepares them."""
    rng = np.random.default_rng(0)
    scores: list[float] = []
    uncertainties: list[float] = []
    for start in range(0, len(photos), batch_size):
        samples = [
            labelled_sample(LabelledPhoto(path=path, mos=math.nan), None, rng)
            for path in photos[start : start + batch_size]
        ]
        batch = stack(samples)
        score, _, uncertainty, _ = network(batch.global_view.to(device), batch.fragments.to(device))
        scores.extend(score.flatten().tolist())
        uncertainties.extend(uncertainty.flatten().tolist())
    return np.array(scores, np.float64), np.array(uncertainties, np.float64)
