"""Artificial frames: a uniform coloured border, or bars, that a seller's software has added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

PixelArray = npt.NDArray[np.uint8]

_COLOUR_TOLERANCE: Final = 14
"""Largest channel difference (of 255) from the edge's colour that still is that colour."""

_CLEAN_SHARE: Final = 0.03
"""A line of the frame may differ in this share of its pixels: JPEG ripple, a small logo."""

_DENSE_SHARE: Final = 0.85
"""Where the frame ends, this share of the line must differ at once: a product never does so."""

_MAX_FRAME: Final = 0.06
"""Thickest four-sided frame, as a share of the side: most box-shaped products leave more."""

_MAX_BAR: Final = 0.4
"""Thickest bar, as a share of the side."""

_MAX_UNEVENNESS: Final = 0.25
_MIN_UNEVENNESS: Final = 0.01
"""Opposite sides may differ by this share of the thicker, or of the side: software is exact."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Thickness of an artificial border on each side, in pixels of the view; 0 is none."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    @property
    def present(self) -> bool:
        """Whether any side has a border."""
        return max(self.top, self.bottom, self.left, self.right) > 0


def find_frame(view_hwc_u8: PixelArray) -> Frame:
    """Find a frame on all four sides, or bars on two opposite ones.

    Pixels unlike the median colour of the outermost line are boxed. It is a frame when the box is
    densely filled along its edges and lies as close to the sides as only frames do. A picture of
    one colour has none. A rectangular product that is centred and fills more than 88 % of both
    sides cannot be told from a framed photo, and is taken for one.

    Args:
        view_hwc_u8: [S, S, 3] uint8, sRGB.

    Returns:
        The thickness on each side, all 0 without a frame.
    """
    height, width = view_hwc_u8.shape[:2]
    sides = (view_hwc_u8[0], view_hwc_u8[-1], view_hwc_u8[:, 0], view_hwc_u8[:, -1])
    edge = np.ascontiguousarray(np.concatenate(sides).T)
    middle = edge.shape[1] // 2
    colour = np.partition(edge, middle, axis=1)[:, middle]
    from_colour = np.abs(edge.astype(np.int16) - colour[:, None]).max(axis=0)
    if np.count_nonzero(from_colour > _COLOUR_TOLERANCE) > middle:
        return Frame()
    scalar = (float(colour[0]), float(colour[1]), float(colour[2]), 0.0)
    difference = cv2.absdiff(view_hwc_u8, scalar)
    red, green, blue = cv2.split(difference)
    differs = (cv2.max(cv2.max(red, green), blue) > _COLOUR_TOLERANCE).view(np.uint8)
    rows = differs.sum(axis=1, dtype=np.uint16)
    columns = differs.sum(axis=0, dtype=np.uint16)
    row_span = np.flatnonzero(rows > _CLEAN_SHARE * width)
    column_span = np.flatnonzero(columns > _CLEAN_SHARE * height)
    if row_span.size == 0 or column_span.size == 0:
        return Frame()
    top, last_row = int(row_span[0]), int(row_span[-1])
    left, last_column = int(column_span[0]), int(column_span[-1])
    frame = Frame(top=top, bottom=height - 1 - last_row, left=left, right=width - 1 - last_column)
    if not _shaped_like_a_frame(frame, height, width):
        return Frame()
    box_width, box_height = last_column - left + 1, last_row - top + 1
    dense = {
        "top": _is_dense(rows[top : top + 3], box_width),
        "bottom": _is_dense(rows[max(0, last_row - 2) : last_row + 1], box_width),
        "left": _is_dense(columns[left : left + 3], box_height),
        "right": _is_dense(columns[max(0, last_column - 2) : last_column + 1], box_height),
    }
    if all(dense[side] for side in dense if getattr(frame, side)):
        return frame
    return Frame()


def _shaped_like_a_frame(frame: Frame, height: int, width: int) -> bool:
    sides = (frame.top / height, frame.bottom / height, frame.left / width, frame.right / width)
    vertical, horizontal = sides[:2], sides[2:]
    if not (_is_even(vertical) and _is_even(horizontal)):
        return False
    if min(sides) > 0:
        return max(sides) <= _MAX_FRAME
    if min(vertical) > 0:
        return max(horizontal) == 0 and max(vertical) <= _MAX_BAR
    return min(horizontal) > 0 and max(vertical) == 0 and max(horizontal) <= _MAX_BAR


def _is_even(pair: tuple[float, ...]) -> bool:
    return max(pair) - min(pair) <= max(_MIN_UNEVENNESS, _MAX_UNEVENNESS * max(pair))


def _is_dense(counts: npt.NDArray[np.uint16], length: int) -> bool:
    # The first line of the content may be a blend of both: the resize smooths the edge.
    return bool(counts.max(initial=0) >= _DENSE_SHARE * length)
