"""A judge of generated packshots that shares nothing with their training: a CNN of its own.

Generators are trained against heads on EfficientNet-Lite0 (``packshot.training.generation.
backbone``), and may please its features more than the eye. This small network has learned from
the pixels of real packshots alone, from random weights, with other augmentation than the
discriminators'. Both what it recognises and the distances in the space of its last layer stand
beside those of Lite0.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from packshot.models.weights import load_weights, save_weights
from packshot.training.evaluation.generator_classifier import CategoryClassifier
from packshot.training.evaluation.generator_features import (
    Advance,
    FloatArray,
    PixelArray,
)

IntArray = npt.NDArray[np.int64]

_WIDTHS: Final = (16, 32, 64, 128)
_EPOCHS: Final = 10
_BATCH: Final = 64
_RATE: Final = 4e-3
_WEIGHT_DECAY: Final = 0.05
_SMOOTHING: Final = 0.05
_SEED: Final = 0
_REACH: Final = 4
"""Pixels by which training pictures are moved at most, either way."""


class PixelJudge:
    """The trained network."""

    def __init__(self, network: PixelNetwork) -> None:
        self._network = network.eval()

    @property
    def classifier(self) -> CategoryClassifier:
        """Of what ``of`` gives."""
        nothing, one = torch.zeros(_WIDTHS[-1]), torch.ones(_WIDTHS[-1])
        return CategoryClassifier(self._network.head, nothing, one)

    @torch.inference_mode()
    def of(self, pictures_nhwc_u8: PixelArray, advance: Advance = lambda *_: None) -> FloatArray:
        """[N, 64, 64, 3] uint8 sRGB pictures to [N, 128] float32, its last layer."""
        parts = []
        for start in range(0, len(pictures_nhwc_u8), _BATCH):
            parts.append(self._network.body(_centred(pictures_nhwc_u8[start : start + _BATCH])))
            advance(min(start + _BATCH, len(pictures_nhwc_u8)), len(pictures_nhwc_u8))
        return np.asarray(torch.cat(parts).numpy(), np.float32)


class PixelNetwork(nn.Module):
    """Pictures to 128 features to logits of the categories: 0.3 M parameters."""

    def __init__(self, categories: int) -> None:
        super().__init__()
        layers = [*_layer(3, _WIDTHS[0], stride=2)]
        for inputs, outputs in pairwise(_WIDTHS):
            layers += [*_layer(inputs, outputs, stride=2), *_layer(outputs, outputs, stride=1)]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(_WIDTHS[-1], categories)

    def forward(self, x_nchw: Tensor) -> Tensor:
        """[N, 3, 64, 64] floats of -1 to 1 to [N, K] logits."""
        logits: Tensor = self.head(self.body(x_nchw))
        return logits


def pixel_judge(
    pictures_nhwc_u8: PixelArray,
    categories: IntArray,
    *,
    cache: Path | None = None,
    advance: Advance = lambda *_: None,
) -> PixelJudge:
    """The judge that has learned from these pictures; from the cache where it has before.

    Args:
        pictures_nhwc_u8: [N, 64, 64, 3] real pictures.
        categories: [N], each of which is there.
        cache: Folder; None keeps nothing.
        advance: Called with (epochs done, in all).
    """
    network = PixelNetwork(int(categories.max()) + 1)
    if cache is None:
        _train(network, pictures_nhwc_u8, categories, advance)
        return PixelJudge(network)
    settings = (_WIDTHS, _EPOCHS, _BATCH, _RATE, _WEIGHT_DECAY, _SMOOTHING, _SEED, _REACH)
    digest = hashlib.sha256(repr(settings).encode())
    digest.update(np.ascontiguousarray(pictures_nhwc_u8).data)
    digest.update(np.ascontiguousarray(categories).data)
    path = cache / f"judge_{digest.hexdigest()[:24]}.safetensors"
    if not path.is_file():
        _train(network, pictures_nhwc_u8, categories, advance)
        save_weights(network, path, metadata={})
    # Read even when just written: weights on disk are of half precision.
    load_weights(network, path)
    return PixelJudge(network)


def _train(
    network: PixelNetwork, pictures: PixelArray, categories: IntArray, advance: Advance
) -> None:
    """The same arguments give the same network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                module.reset_parameters()
        y = torch.from_numpy(categories)
        # Each category counts alike, as in the measure.
        weights = len(y) / (network.head.out_features * torch.bincount(y).clamp(min=1))
        optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_WEIGHT_DECAY)
        steps = _EPOCHS * -(-len(y) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
        network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for epoch in range(_EPOCHS):
            for rows in torch.split(torch.randperm(len(y)), _BATCH):
                logits = network(_varied(_centred(pictures[rows.numpy()])))
                loss = F.cross_entropy(logits, y[rows], weight=weights, label_smoothing=_SMOOTHING)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            advance(epoch + 1, _EPOCHS)
        network.eval()


def _centred(pictures_nhwc_u8: PixelArray) -> Tensor:
    return torch.from_numpy(pictures_nhwc_u8).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def _varied(x_nchw: Tensor) -> Tensor:
    """Mirrored half of the time, moved, paler or stronger, at random.

    The batch is moved as one: which batch a picture is in changes from epoch to epoch.
    """
    count, _, height, width = x_nchw.shape
    x_nchw = torch.where(torch.rand(count, 1, 1, 1) < 0.5, x_nchw.flip(3), x_nchw)
    padded = F.pad(x_nchw, (_REACH,) * 4, mode="replicate")
    top, left = torch.randint(0, 2 * _REACH + 1, (2,)).tolist()
    moved = padded[:, :, top : top + height, left : left + width]
    strength = torch.rand(count, 1, 1, 1) * 0.4 + 0.8
    noise = torch.randn_like(moved) * 0.05 * torch.rand(count, 1, 1, 1)
    return (moved - 1.0) * strength + 1.0 + noise


def _layer(inputs: int, outputs: int, *, stride: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()
