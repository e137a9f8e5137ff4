"""What the quality network says of photos, prepared exactly as serving prepares them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from packshot.errors import ImageError, TrainingError
from packshot.imaging.views import fragments, global_view
from packshot.models.quality import QualityNet
from packshot.training.metrics import FloatArray
from packshot.training.quality.photos import PixelArray, read_photo

BATCH_SIZE = 16

Advance = Callable[[int], None]
"""Called with the number of photos just finished."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Answers of the network, a row a photo.

    Attributes:
        scores: [N] 0-100.
        attributes: [N, 7] 0-1, in the order of ``LEARNED_ATTRIBUTES``.
        uncertainty: [N] expected absolute error of the score, in points.
    """

    scores: FloatArray
    attributes: FloatArray
    uncertainty: FloatArray


@torch.inference_mode()
def predict_pictures(network: QualityNet, pictures: Sequence[PixelArray]) -> Predictions:
    """The answers for decoded pictures, all in one batch."""
    scores, attributes, uncertainty, _ = network(
        torch.from_numpy(np.stack([global_view(picture) for picture in pictures])),
        torch.from_numpy(np.stack([fragments(picture) for picture in pictures])),
    )
    return Predictions(
        scores=scores.flatten().double().numpy(),
        attributes=attributes.double().numpy(),
        uncertainty=uncertainty.flatten().double().numpy(),
    )


def predict_photos(
    network: QualityNet, photos: Sequence[Path], advance: Advance = lambda _: None
) -> Predictions:
    """The answers for photo files.

    Raises:
        TrainingError: A photo cannot be decoded; it is named.
    """
    parts: list[Predictions] = []
    for start in range(0, len(photos), BATCH_SIZE):
        pictures = [open_photo(path) for path in photos[start : start + BATCH_SIZE]]
        parts.append(predict_pictures(network, pictures))
        advance(len(pictures))
    return Predictions(
        scores=np.concatenate([part.scores for part in parts]),
        attributes=np.concatenate([part.attributes for part in parts]),
        uncertainty=np.concatenate([part.uncertainty for part in parts]),
    )


def open_photo(path: Path) -> PixelArray:
    """Decode a photo file.

    Raises:
        TrainingError: It cannot be decoded.
    """
    try:
        return read_photo(path)
    except ImageError as error:
        raise TrainingError(f"cannot measure on {path}: {error}") from error
