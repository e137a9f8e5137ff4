"""The product of a photo on a plain background: what differs from the plane of its colour.

Colours are CIE L*a*b*, differences CIE76. A hard shadow counts as product; so does nothing where
the product has the background's own colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from packshot.imaging.background import Background, FloatArray, estimate_background

PixelArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

_RING_SHARE: Final = 0.025
"""Thickness of the border ring, as a share of the photo's shorter side."""

_MIN_DELTA_E: Final = 4.0
_ROUGHNESS_FACTOR: Final = 4.0
_MIN_AREA_SHARE: Final = 0.001
_MIN_PART_SHARE: Final = 0.03

_OPENING: Final = np.ones((2, 2), np.uint8)


@dataclass(frozen=True, kw_only=True, eq=False)
class ProductParts:
    """Connected parts that are the product, specks left out.

    Attributes:
        outstanding: [H, W] bool: every pixel unlike the background, specks and noise included.
        labels: [H, W] int32: the part of each pixel; 0 is background.
        numbers: Labels of the parts that are no specks.
        stats: Their rows of ``cv2.connectedComponentsWithStats``.
    """

    outstanding: BoolArray
    labels: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.intp]
    stats: npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Product:
    """A product and what surrounds it.

    Attributes:
        mask: [H, W] bool: the product's pixels.
        background: The background.
    """

    mask: BoolArray
    background: Background


def find_product(image_hwc_u8: PixelArray) -> Product | None:
    """The product of a photo at its own resolution; None where the background is not plain.

    Args:
        image_hwc_u8: [H, W, 3] uint8, sRGB.

    Returns:
        The product, its mask empty where nothing stands out.
    """
    height, width = image_hwc_u8.shape[:2]
    lab = lab_planes(image_hwc_u8)
    ring = ring_thickness(width, height, image_hwc_u8.shape)
    background = estimate_background(lab, image_hwc_u8, ring)
    if not background.plain:
        return None
    parts = product_parts(lab, background)
    # Thin parts (arms of sunglasses, straps) do not survive what removes noise: whatever hangs
    # together with a part that did is product too.
    count, labels = cv2.connectedComponents(parts.outstanding.view(np.uint8), connectivity=8)
    kept = np.zeros(count, bool)
    kept[labels[np.isin(parts.labels, parts.numbers)]] = True
    kept[0] = False
    return Product(mask=np.asarray(kept[labels], np.bool_), background=background)


def product_parts(lab_chw_f32: FloatArray, background: Background) -> ProductParts:
    """The parts of a picture that stand out from its background.

    Args:
        lab_chw_f32: [3, H, W] float32, see ``lab_planes``.
        background: Of this picture.
    """
    _, height, width = lab_chw_f32.shape
    difference = lab_chw_f32 - background.colour_on_grid(height, width)
    difference *= difference
    squared = difference[0] + difference[1] + difference[2]
    threshold = max(_MIN_DELTA_E, _ROUGHNESS_FACTOR * background.roughness)
    outstanding = np.asarray(squared > threshold * threshold, np.bool_)
    mask = cv2.morphologyEx(outstanding.view(np.uint8), cv2.MORPH_OPEN, _OPENING)
    mask = mask.astype(np.uint8, copy=False)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    smallest = max(_MIN_AREA_SHARE * mask.size, _MIN_PART_SHARE * float(areas.max(initial=0)))
    numbers = 1 + np.flatnonzero(areas >= smallest)
    return ProductParts(
        outstanding=outstanding,
        labels=np.asarray(labels, np.int32),
        numbers=numbers,
        stats=np.asarray(stats[numbers], np.int32),
    )


def ring_thickness(width: int, height: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """Thickness (rows, columns) of the border ring in a view of [rows, columns, ...] ``shape``."""
    shorter = min(width, height)
    rows = round(shape[0] * _RING_SHARE * shorter / height)
    columns = round(shape[1] * _RING_SHARE * shorter / width)
    return max(1, rows), max(1, columns)


def lab_planes(rgb_hwc_u8: PixelArray) -> FloatArray:
    """[H, W, 3] uint8 sRGB to [3, H, W] float32 CIE L*a*b*, L 0-100."""
    # Planes, not pixels: broadcasting over a last axis of three is ten times slower.
    lab = np.stack(cv2.split(cv2.cvtColor(rgb_hwc_u8, cv2.COLOR_RGB2LAB))).astype(np.float32)
    lab[0] *= 100.0 / 255.0
    lab[1:] -= 128.0
    return lab
