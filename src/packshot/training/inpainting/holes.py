"""Holes as sellers' photos have them: stickers on the product, hangers above it."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

PixelArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

HOLE_KINDS: Final = ("sticker", "hanger")

_STICKER_SHARE: Final = (0.12, 0.4)
_STICKER_ASPECT: Final = (0.4, 1.0)
_ROUND_SHARE: Final = 0.3
_HANGER_WIDTH: Final = (0.3, 0.7)
_HANGER_THICKNESS: Final = (0.025, 0.06)
_WHITE_FROM: Final = 245
# Positions in 1/16 pixel, as OpenCV's drawing takes them.
_SHIFT: Final = 4


def draw_hole(image_hwc_u8: PixelArray, kind: str, rng: np.random.Generator) -> BoolArray:
    """A hole of a kind of ``HOLE_KINDS`` where a packshot on white may have it, [H, W] bool."""
    product = image_hwc_u8.min(axis=2) < _WHITE_FROM
    rows, columns = np.nonzero(product if product.any() else np.ones_like(product))
    canvas = np.zeros(product.shape, np.uint8)
    side = min(product.shape)
    if kind == "sticker":
        place = int(rng.integers(len(rows)))
        _draw_sticker(canvas, (float(columns[place]), float(rows[place])), side, rng)
    else:
        top = float(rows.min()) + float(rng.uniform(0.0, 0.25)) * float(np.ptp(rows))
        _draw_hanger(canvas, (float(columns.mean()), top), side, rng)
    return canvas > 0


def _draw_sticker(
    canvas: PixelArray, centre: tuple[float, float], side: int, rng: np.random.Generator
) -> None:
    """A label: a turned rectangle or an ellipse."""
    length = float(rng.uniform(*_STICKER_SHARE)) * side
    breadth = length * float(rng.uniform(*_STICKER_ASPECT))
    angle = float(rng.normal(0.0, 20.0))
    if rng.random() < _ROUND_SHARE:
        cv2.ellipse(canvas, (centre, (length, breadth), angle), 1, -1)
    else:
        corners = cv2.boxPoints((centre, (length, breadth), angle))
        cv2.fillConvexPoly(canvas, _fixed(corners), 1, cv2.LINE_8, _SHIFT)


def _draw_hanger(
    canvas: PixelArray, apex: tuple[float, float], side: int, rng: np.random.Generator
) -> None:
    """Shoulders that slope down from the apex, and a hook above it."""
    half = float(rng.uniform(*_HANGER_WIDTH)) * side / 2
    slope = float(rng.uniform(0.2, 0.5))
    thickness = max(1, round(float(rng.uniform(*_HANGER_THICKNESS)) * side))
    radius = float(rng.uniform(0.04, 0.09)) * side
    x, y = apex
    shoulders = [(x - half, y + slope * half), (x, y), (x + half, y + slope * half)]
    turns = np.linspace(math.pi / 2, -math.pi, 12)
    hook = [(x + radius * math.cos(a), y - 2 * radius + radius * math.sin(a)) for a in turns]
    for line in (shoulders, [(x, y), *hook]):
        points = _fixed(np.array(line))
        cv2.polylines(canvas, [points], False, 1, thickness, cv2.LINE_8, _SHIFT)


def _fixed(points: npt.NDArray[np.float32] | npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    return np.asarray(np.rint(points * 2**_SHIFT), np.int32)
