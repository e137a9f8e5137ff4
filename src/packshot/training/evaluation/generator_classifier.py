"""A classifier of product categories, trained on real packshots, that judges generated ones.

A small network on features; who else has trained on those is said in ``generator_judges``. It has
faults of its own, which its accuracy on real held-out pictures states: what it cannot tell apart
there (casual from sports shoes, say) it cannot be expected to tell apart in samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import binomtest
from torch import Tensor, nn
from torch.nn import functional as F

from packshot.training.evaluation.generator_features import FloatArray
from packshot.training.metrics import Estimate

IntArray = npt.NDArray[np.int64]

_HIDDEN: Final = 512
_DROPOUT: Final = 0.5
_EPOCHS: Final = 30
_BATCH: Final = 128
_RATE: Final = 1e-3
_WEIGHT_DECAY: Final = 0.05
_SMOOTHING: Final = 0.05
_SEED: Final = 0


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """Shares of pictures taken for the category they are of, 95 % Wilson intervals.

    Attributes:
        overall: The mean over categories, each counted alike.
        by_category: By name.
        confusion: [K][K] shares of what pictures of a category (rows) are taken for (columns).
    """

    overall: Estimate
    by_category: dict[str, Estimate]
    confusion: list[list[float]]


class CategoryClassifier:
    """Features to categories."""

    def __init__(self, network: nn.Module, mean: Tensor, deviation: Tensor) -> None:
        self._network, self._mean, self._deviation = network, mean, deviation

    @torch.inference_mode()
    def classify(self, features: FloatArray) -> IntArray:
        """[N, D] features to [N] positions of categories."""
        x = (torch.from_numpy(features) - self._mean) / self._deviation
        return np.asarray(self._network(x).argmax(dim=1).numpy(), np.int64)

    def recognition(
        self, features: FloatArray, categories: IntArray, names: tuple[str, ...]
    ) -> Recognition:
        """How many of [N, D] features of pictures of [N] categories are taken for those."""
        found = self.classify(features)
        confusion = np.zeros((len(names), len(names)))
        np.add.at(confusion, (categories, found), 1)
        counts = confusion.sum(axis=1)
        right = np.diag(confusion)
        shares = confusion / np.maximum(counts, 1)[:, None]
        # The interval is that of a share of as many pictures in one pot.
        mean = float(np.diag(shares)[counts > 0].mean())
        return Recognition(
            overall=_wilson(mean * counts.sum(), counts.sum(), mean),
            by_category={
                name: _wilson(right[number], counts[number], shares[number, number])
                for number, name in enumerate(names)
                if counts[number] > 0
            },
            confusion=shares.tolist(),
        )


def train_classifier(features: FloatArray, categories: IntArray) -> CategoryClassifier:
    """Learn from [N, D] features and [N] categories; the same arguments give the same network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        x, y = torch.from_numpy(features), torch.from_numpy(categories)
        mean, deviation = x.mean(dim=0), x.std(dim=0) + 1e-3
        x = (x - mean) / deviation
        classes = int(y.max()) + 1
        network = nn.Sequential(
            nn.Linear(x.shape[1], _HIDDEN),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(_HIDDEN, classes),
        )
        # Each category counts alike, as in the measure.
        weights = len(y) / (classes * torch.bincount(y, minlength=classes).clamp(min=1))
        optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_WEIGHT_DECAY)
        steps = _EPOCHS * -(-len(y) // _BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(_EPOCHS):
            for rows in torch.split(torch.randperm(len(y)), _BATCH):
                loss = F.cross_entropy(
                    network(x[rows]), y[rows], weight=weights, label_smoothing=_SMOOTHING
                )
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
    return CategoryClassifier(network.eval(), mean, deviation)


def _wilson(right: float, count: float, value: float) -> Estimate:
    interval = binomtest(round(right), int(count)).proportion_ci(method="wilson")
    return Estimate(value=value, low=float(interval.low), high=float(interval.high))
