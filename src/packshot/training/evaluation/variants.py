"""Smaller and larger variants of the quality network, by one and the same cheap method.

Training every variant would cost hours each. Frozen ImageNet features with ridge regression, the
penalty chosen on the validation part, rank them in minutes: what counts is the difference between
the rows, not their height, which fine-tuning raises for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from packshot.contracts import VIEW_SIZE
from packshot.imaging.views import fragments, global_view
from packshot.models.efficientnet_lite import (
    TAP_CHANNELS,
    TAPPED_BLOCKS,
    EfficientNetLite0,
    imagenet_checkpoint,
)
from packshot.models.quality import QualityNet
from packshot.training.evaluation.cost import count_macs
from packshot.training.evaluation.predictions import open_photo
from packshot.training.metrics import Estimate, FloatArray, bootstrap, plcc, srcc
from packshot.training.quality.photos import LabelledPhoto, Split

BATCH_SIZE = 16
PENALTIES = (1e1, 1e2, 1e3, 1e4, 1e5)
MOSAIC_POSITIONS = ((0.5, 0.5), (0.0, 0.0), (1.0, 1.0))
_EARLY = 2 * sum(TAP_CHANNELS[:-1])
_ALL = 2 * sum(TAP_CHANNELS)

FeatureArray = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A network that sees some views through some depth of the backbone.

    Attributes:
        name: What the table calls it.
        views: How many of (global view, mosaic, mosaic, mosaic) it sees, from the left.
        whole: Whether the backbone ends with its head or at its last tapped block (stride 16).
    """

    name: str
    views: int
    whole: bool


VARIANTS = (
    Variant(name="smaller: both views, backbone cut at stride 16", views=2, whole=False),
    Variant(name="global view alone", views=1, whole=True),
    Variant(name="shipped: both views", views=2, whole=True),
    Variant(name="larger: two more mosaics", views=4, whole=True),
)


@dataclass(frozen=True, kw_only=True)
class VariantResult:
    """What a variant costs and how it agrees with people on the test part.

    Attributes:
        name: Of the variant.
        backbone_parameters: Parameters of the backbone part it runs.
        macs: Multiply-accumulates a photo, all views together, heads left out.
        metrics: SRCC and PLCC with bootstrap intervals.
    """

    name: str
    backbone_parameters: int
    macs: int
    metrics: dict[str, Estimate]


def compare_variants(
    split: Split,
    *,
    resamples: int = 1000,
    advance: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[VariantResult]:
    """Ridge regression on frozen features of every variant, fitted to the train part.

    Raises:
        ImportError: The package with the ImageNet weights is not installed.
        TrainingError: A photo cannot be decoded.
    """
    network = QualityNet()
    network.backbone.load_imagenet_weights(imagenet_checkpoint())
    frozen: QualityNet = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parts = (split.train, split.validation, split.test)
    photos = [photo for part in parts for photo in part]
    features = _features(frozen, photos, advance)
    human = np.array([photo.mos for photo in photos])
    ends = np.cumsum([len(part) for part in parts])
    rows = tuple(np.split(np.arange(len(photos)), ends[:-1]))
    return [
        VariantResult(
            name=variant.name,
            backbone_parameters=sum(
                parameter.numel() for parameter in _backbone_part(variant).parameters()
            ),
            macs=_backbone_macs(variant),
            metrics={
                name: bootstrap(
                    metric,
                    fit_and_predict(_of_variant(features, variant), human, rows),
                    human[rows[2]],
                    resamples=resamples,
                )
                for name, metric in (("SRCC", srcc), ("PLCC", plcc))
            },
        )
        for variant in VARIANTS
    ]


def fit_and_predict(
    features: FeatureArray, human: FloatArray, rows: Sequence[npt.NDArray[np.int64]]
) -> FloatArray:
    """Ridge regression: fitted to ``rows[0]``, penalty by ``rows[1]``; answers for ``rows[2]``.

    Args:
        features: [N, D] features.
        human: [N] scores.
        rows: Row numbers of the train, validation and test parts.
    """
    train, validation, test = rows
    mean, spread = features[train].mean(axis=0), features[train].std(axis=0) + 1e-6
    standard = ((features - mean) / spread).astype(np.float64)
    offset = human[train].mean()
    # The dual form: fewer photos than features.
    gram = standard[train] @ standard[train].T
    predictions = []
    for penalty in PENALTIES:
        dual = np.linalg.solve(gram + penalty * np.eye(len(train)), human[train] - offset)
        predictions.append(standard @ (standard[train].T @ dual) + offset)
    best = max(predictions, key=lambda found: srcc(found[validation], human[validation]))
    return np.asarray(best[test], np.float64)


@torch.inference_mode()
def _features(
    network: QualityNet, photos: Sequence[LabelledPhoto], advance: Callable[[int, int], None]
) -> FeatureArray:
    """[N, 4, F] pooled features of the global view and of three mosaics."""
    parts: list[FeatureArray] = []
    for start in range(0, len(photos), BATCH_SIZE):
        pictures = [open_photo(photo.path) for photo in photos[start : start + BATCH_SIZE]]
        views = [np.stack([global_view(picture) for picture in pictures])] + [
            np.stack([fragments(picture, position) for picture in pictures])
            for position in MOSAIC_POSITIONS
        ]
        first, second = (
            network.features(torch.from_numpy(views[i]), torch.from_numpy(views[i + 1]))[0]
            for i in (0, 2)
        )
        parts.append(torch.cat([first, second], dim=1).reshape(len(pictures), 4, -1).numpy())
        advance(min(start + BATCH_SIZE, len(photos)), len(photos))
    return np.concatenate(parts)


def _of_variant(features: FeatureArray, variant: Variant) -> FeatureArray:
    depth = _ALL if variant.whole else _EARLY
    return features[:, : variant.views, :depth].reshape(len(features), -1)


def _backbone_part(variant: Variant) -> nn.Module:
    backbone = EfficientNetLite0().eval()
    if variant.whole:
        return backbone
    return nn.Sequential(
        backbone._conv_stem, backbone._bn0, *backbone._blocks[: TAPPED_BLOCKS[-1] + 1]
    )


def _backbone_macs(variant: Variant) -> int:
    one_view = torch.zeros(1, 3, VIEW_SIZE, VIEW_SIZE)
    return variant.views * count_macs(_backbone_part(variant), one_view)
