"""Features of the photos a network learns from labels by: computed once, the backbone frozen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from packshot.imaging.views import fragments, global_view
from packshot.models.quality import QualityNet
from packshot.training.degradations import FAULTS
from packshot.training.evaluation.predictions import open_photo
from packshot.training.feedback.recipe import FeedbackRecipe
from packshot.training.quality.photos import PixelArray
from packshot.training.quality.samples import augment

Views = tuple[PixelArray, PixelArray]
Advance = Callable[[int], None]
"""Called with the number of photos just finished."""


@dataclass(frozen=True, kw_only=True)
class LabelledFeatures:
    """What is known of the labelled photos.

    Attributes:
        views: [photos, views, features]; the first view is the one that serving sees.
        spoilt: [photos, copies, features] of copies with one fault each.
    """

    views: Tensor
    spoilt: Tensor


def labelled_features(
    network: QualityNet,
    photos: Sequence[Path],
    recipe: FeedbackRecipe,
    advance: Advance = lambda _: None,
) -> LabelledFeatures:
    """Features of each photo in several views and with a fault.

    Raises:
        TrainingError: A photo cannot be decoded; it is named.
    """
    rows: list[Tensor] = []
    for index, path in enumerate(photos):
        picture = open_photo(path)
        rng = np.random.default_rng((recipe.seed, index))
        views = [_serving_views(picture)]
        for _ in range(recipe.views - 1):
            changed = augment(picture, recipe.augmentation, rng)
            position = (float(rng.random()), float(rng.random()))
            views.append((global_view(changed), fragments(changed, position)))
        for _ in range(recipe.spoilt_copies):
            fault = FAULTS[int(rng.integers(len(FAULTS)))]
            views.append(_serving_views(fault.apply(picture, float(rng.uniform(0.2, 1.0)), rng)))
        rows.append(_features(network, views))
        advance(1)
    stacked = torch.stack(rows)
    return LabelledFeatures(views=stacked[:, : recipe.views], spoilt=stacked[:, recipe.views :])


def serving_features(
    network: QualityNet, photos: Sequence[Path], advance: Advance = lambda _: None
) -> Tensor:
    """[photos, features] of the views that serving sees.

    Raises:
        TrainingError: A photo cannot be decoded; it is named.
    """
    rows: list[Tensor] = []
    for path in photos:
        rows.append(_features(network, [_serving_views(open_photo(path))])[0])
        advance(1)
    return torch.stack(rows)


def scores_of(network: QualityNet, features: Tensor) -> tuple[Tensor, Tensor]:
    """Score (about 0-1, not clamped) and uncertainty (0-1) of [N, features], each [N]."""
    # The map head is not asked: one empty cell keeps the network's own ``heads`` in use.
    cells = features.new_zeros(1, network.map_reduce.in_channels, 1, 1)
    score, _, uncertainty, _ = network.heads(features, cells)
    return score.flatten(), uncertainty.flatten()


def _serving_views(picture: PixelArray) -> Views:
    return global_view(picture), fragments(picture)


@torch.no_grad()
def _features(network: QualityNet, views: Sequence[Views]) -> Tensor:
    whole, patches = (torch.from_numpy(np.stack(column)) for column in zip(*views, strict=True))
    device = network.shared.weight.device
    return network.features(whole.to(device), patches.to(device))[0]
