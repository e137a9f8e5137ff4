"""Attributes that find fault with clean studio photos of products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from packshot.contracts import LEARNED_ATTRIBUTES
from packshot.models.quality import QualityNet
from packshot.training.evaluation.predictions import open_photo, predict_pictures

PixelArray = npt.NDArray[np.uint8]

ALARM_BELOW = 0.5
WHITE_LEVEL, WHITE_SHARE = 240, 0.3
BLACK_LEVEL, BLACK_SHARE = 45, 0.15
TEXTURE_LEVEL, TEXTURE_SHARE = 15.0, 0.25
_BLOCK = 32


@dataclass(frozen=True, kw_only=True)
class FalseAlarms:
    """Alarms on one group of clean photos.

    Attributes:
        group: Which photos: all, or those where it is easiest to be mistaken.
        photos: How many.
        any_attribute: Share of them with any attribute below ``ALARM_BELOW``.
        by_attribute: Share of them with each attribute below it.
        mean_score: Their mean overall score.
    """

    group: str
    photos: int
    any_attribute: float
    by_attribute: dict[str, float]
    mean_score: float


def has_white_areas(picture: PixelArray) -> bool:
    """Whether white (every channel >= 240) covers 30 % or more."""
    return float((picture.min(axis=2) >= WHITE_LEVEL).mean()) >= WHITE_SHARE


def has_black_product(picture: PixelArray) -> bool:
    """Whether black (every channel <= 45) covers 15 % or more."""
    return float((picture.max(axis=2) <= BLACK_LEVEL).mean()) >= BLACK_SHARE


def has_fine_texture(picture: PixelArray) -> bool:
    """Whether a quarter of its 32x32 blocks are textured (Laplacian deviation >= 15)."""
    laplacian = cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_32F)
    rows, columns = (side // _BLOCK for side in laplacian.shape)
    if rows == 0 or columns == 0:
        return False
    blocks = laplacian[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    return float((blocks.std(axis=(1, 3)) >= TEXTURE_LEVEL).mean()) >= TEXTURE_SHARE


def false_alarms(network: QualityNet, photos: Sequence[Path]) -> list[FalseAlarms]:
    """Alarms on clean photos: on all, and on white, black and finely textured ones.

    A group without photos is left out.
    """
    groups: dict[str, list[int]] = {
        "all": [],
        "large white areas": [],
        "black product": [],
        "fine texture": [],
    }
    scores, attributes = [], []
    for index, path in enumerate(photos):
        picture = open_photo(path)
        answer = predict_pictures(network, [picture])
        scores.append(float(answer.scores[0]))
        attributes.append(answer.attributes[0])
        members = (True, has_white_areas(picture), has_black_product(picture))
        for group, member in zip(groups, (*members, has_fine_texture(picture)), strict=True):
            if member:
                groups[group].append(index)
    return [
        summarize_alarms(group, np.array(scores)[chosen], np.stack(attributes)[chosen])
        for group, chosen in groups.items()
        if chosen
    ]


def summarize_alarms(
    group: str,
    scores: npt.NDArray[np.float64],
    attributes: npt.NDArray[np.float64],
) -> FalseAlarms:
    """Alarms among [N] scores and [N, 7] attributes of clean photos."""
    alarms = attributes < ALARM_BELOW
    return FalseAlarms(
        group=group,
        photos=len(scores),
        any_attribute=float(alarms.any(axis=1).mean()),
        by_attribute={
            name: float(share)
            for name, share in zip(LEARNED_ATTRIBUTES, alarms.mean(axis=0), strict=True)
        },
        mean_score=float(scores.mean()),
    )
