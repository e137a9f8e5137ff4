"""Composition of a product photo: background, fill, centring, cut-off and frames.

A classical method, on the 224x224 global view at half its size (CIE L*a*b*, CIE76 differences):

1. A frame or bars of one colour are found and set aside (``packshot.imaging.frame``).
2. A plane of colour is fitted through a ring along the border (``packshot.imaging.background``).
   Where the ring is not one smooth colour, the background is "not plain": nothing is said of
   the product, and the score is the neutral ``NEUTRAL_SCORE``.
3. Pixels that differ from the plane are the product, specks removed
   (``packshot.imaging.product``); its bounding box gives fill, centring and whether it is cut off.

Fill ratio is the larger of box width / frame width and box height / frame height. Marketplaces
ask for "85 % of the frame" without defining it, and their examples (shoes, bottles) reach it on
one side only, so the area of the box would be the wrong measure. A hard shadow counts as product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from packshot.imaging.background import Background, FloatArray, estimate_background
from packshot.imaging.frame import Frame, find_frame
from packshot.imaging.product import lab_planes, product_parts, ring_thickness

PixelArray = npt.NDArray[np.uint8]

NEUTRAL_SCORE: Final = 0.6
"""Score where the background is not plain: neither praise nor blame."""

EMPTY_SCORE: Final = 0.1
"""Score of a plain background with nothing on it."""

# How much each part weighs in the score of a plain photo; they add up to 1.
_WEIGHTS: Final = {"fill": 0.4, "centre": 0.25, "uniformity": 0.2, "whiteness": 0.15}
_CUT_OFF_FACTOR: Final = 0.75
_BORDER_FACTOR: Final = 0.7


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What marketplaces ask of a product's place in the frame.

    Attributes:
        score: 0-1, 1 is good; ``NEUTRAL_SCORE`` where the background is not plain.
        background_plain: One smooth colour surrounds the product.
        background_uniformity: 0-1; 1 is one colour all along the border.
        background_whiteness: 0-1; 1 is pure white.
        fill_ratio: 0-1, larger of the product box's shares of width and height; 0 where nothing
            stands out. None where the background is not plain.
        centre_offset: Distance of the box's centre from the photo's, 0 centred to 1 in a corner.
            None where the background is not plain or empty.
        touches_edge: The product reaches the edge: it is cut off. None like ``fill_ratio``.
        border: A frame or bars of one colour surround the photo.
    """

    score: float
    background_plain: bool
    background_uniformity: float
    background_whiteness: float
    fill_ratio: float | None
    centre_offset: float | None
    touches_edge: bool | None
    border: bool


@dataclass(frozen=True, kw_only=True)
class _Box:
    left: int
    top: int
    right: int
    bottom: int


def measure_composition(view_hwc_u8: PixelArray, width: int, height: int) -> Composition:
    """Measure the composition of a photo.

    Args:
        view_hwc_u8: [224, 224, 3] uint8, sRGB: the photo's global view, its aspect not kept.
        width: True width of the photo; ratios along one side do not need it, distances do.
        height: True height of the photo.

    Returns:
        The measures, rounded to three decimals.
    """
    frame = find_frame(view_hwc_u8)
    side = view_hwc_u8.shape[0] // 2
    half = cv2.resize(view_hwc_u8, (side, side), interpolation=cv2.INTER_AREA)
    rows, columns = _inside(frame, side)
    rgb = np.ascontiguousarray(half[rows, columns], dtype=np.uint8)
    lab = lab_planes(rgb)
    background = estimate_background(lab, rgb, ring_thickness(width, height, rgb.shape))
    if not background.plain:
        return _composition(background, frame, None, None, None)
    box, touches = _product_box(lab, background)
    if box is None:
        return _composition(background, frame, 0.0, None, False)
    fill = max(box.right - box.left, box.bottom - box.top) / side
    centre_x = (columns.start + (box.left + box.right) / 2) / side - 0.5
    centre_y = (rows.start + (box.top + box.bottom) / 2) / side - 0.5
    offset = math.hypot(centre_x * width, centre_y * height) / (math.hypot(width, height) / 2)
    return _composition(background, frame, fill, offset, touches)


def _inside(frame: Frame, side: int) -> tuple[slice, slice]:
    if not frame.present:
        return slice(0, side), slice(0, side)
    # One pixel more than the frame, at half size: the resize has blended its inner edge.
    top, bottom, left, right = (
        thickness // 2 + 2 if thickness else 0
        for thickness in (frame.top, frame.bottom, frame.left, frame.right)
    )
    return slice(top, side - bottom), slice(left, side - right)


def _product_box(lab_chw_f32: FloatArray, background: Background) -> tuple[_Box | None, bool]:
    _, height, width = lab_chw_f32.shape
    parts = product_parts(lab_chw_f32, background).stats
    if len(parts) == 0:
        return None, False
    box = _Box(
        left=int(parts[:, cv2.CC_STAT_LEFT].min()),
        top=int(parts[:, cv2.CC_STAT_TOP].min()),
        right=int((parts[:, cv2.CC_STAT_LEFT] + parts[:, cv2.CC_STAT_WIDTH]).max()),
        bottom=int((parts[:, cv2.CC_STAT_TOP] + parts[:, cv2.CC_STAT_HEIGHT]).max()),
    )
    touches = box.left <= 0 or box.top <= 0 or box.right >= width or box.bottom >= height
    return box, touches


def _composition(
    background: Background,
    frame: Frame,
    fill: float | None,
    offset: float | None,
    touches: bool | None,
) -> Composition:
    if fill is None:
        score = NEUTRAL_SCORE
    elif offset is None:
        score = EMPTY_SCORE
    else:
        parts = {
            "fill": _fill_score(fill),
            "centre": float(np.interp(offset, (0.05, 0.4), (1.0, 0.0))),
            "uniformity": background.uniformity,
            "whiteness": background.whiteness,
        }
        score = sum(weight * parts[name] for name, weight in _WEIGHTS.items())
        if touches:
            score *= _CUT_OFF_FACTOR
    if frame.present:
        score *= _BORDER_FACTOR
    return Composition(
        score=round(score, 3),
        background_plain=background.plain,
        background_uniformity=round(background.uniformity, 3),
        background_whiteness=round(background.whiteness, 3),
        fill_ratio=None if fill is None else round(fill, 3),
        centre_offset=None if offset is None else round(offset, 3),
        touches_edge=touches,
        border=frame.present,
    )


def _fill_score(fill: float) -> float:
    # Google advises 75-90 %, Amazon asks for 85 % and more: full marks from 75 to 95 %.
    return float(np.interp(fill, (0.15, 0.5, 0.75, 0.95, 1.0), (0.0, 0.5, 1.0, 1.0, 0.85)))
