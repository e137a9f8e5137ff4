"""Whether samples are copies: how near the nearest training picture is, beside real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from packshot.training.evaluation.generator_distances import FloatArray, squared_distances

PixelArray = npt.NDArray[np.uint8]

QUANTILES: Final = {"nearest": 0.0, "1 %": 0.01, "5 %": 0.05, "median": 0.5}
NEAR_QUANTILE: Final = 0.01
"""A sample is suspiciously near when it is nearer than this share of real held-out pictures."""

_BLOCK: Final = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbours:
    """The nearest training picture of each of a set.

    Attributes:
        rows: [N] positions in the training set.
        distances: [N] distances to them.
    """

    rows: npt.NDArray[np.intp]
    distances: FloatArray


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """How near a set of pictures is to training.

    Attributes:
        quantiles: Of the distances to the nearest training picture.
        suspicious: Share nearer than 99 % of the real held-out pictures are (1 % of which are).
    """

    quantiles: dict[str, float]
    suspicious: float


def nearest(queries: FloatArray, references: FloatArray) -> Neighbours:
    """Nearest of [M, D] references to each of [N, D] queries, Euclidean."""
    rows, distances = [], []
    for start in range(0, len(queries), _BLOCK):
        squared = squared_distances(queries[start : start + _BLOCK], references)
        rows.append(squared.argmin(axis=1))
        distances.append(np.sqrt(squared.min(axis=1)))
    return Neighbours(rows=np.concatenate(rows), distances=np.concatenate(distances))


def nearest_by_pixels(pictures: PixelArray, references: PixelArray) -> Neighbours:
    """Nearest by root mean square difference of pixels (0-255), mirrored or not."""
    both = [
        nearest(_flat(pictures[:, :, ::step]), _flat(references))
        for step in (1, -1)  # training mirrors its pictures, so a copy may be mirrored too
    ]
    scale = 1.0 / np.sqrt(np.prod(pictures.shape[1:]))
    mirrored = both[1].distances < both[0].distances
    return Neighbours(
        rows=np.where(mirrored, both[1].rows, both[0].rows),
        distances=np.minimum(both[0].distances, both[1].distances) * scale,
    )


def nearness(found: Neighbours, held_back: Neighbours) -> Nearness:
    """Quantiles of the distances, and how many are suspicious."""
    limit = float(np.quantile(held_back.distances, NEAR_QUANTILE))
    return Nearness(
        quantiles={
            name: float(np.quantile(found.distances, share)) for name, share in QUANTILES.items()
        },
        suspicious=float((found.distances < limit).mean()),
    )


def _flat(pictures: PixelArray) -> FloatArray:
    return pictures.reshape(len(pictures), -1).astype(np.float32)
