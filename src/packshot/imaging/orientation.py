"""EXIF orientation: reading the tag cheaply, and turning the pixels upright."""

from __future__ import annotations

import struct
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

PixelArray = npt.NDArray[np.uint8]

UPRIGHT: Final = 1
"""The orientation of a picture that needs no turning, and of one that names none."""

_ORIENTATION_TAG: Final = 0x0112
_SHORT: Final = 3
_MAX_ENTRIES: Final = 512


def read_orientation(exif: bytes) -> int:
    """The orientation tag of an EXIF block (EXIF 2.32, tag 0x0112 of IFD 0).

    A damaged block must not fail a picture whose pixels are sound, so anything odd reads as
    ``UPRIGHT``.

    Args:
        exif: The block, with or without its leading ``Exif\\0\\0``.

    Returns:
        1-8.
    """
    tiff = exif[6:] if exif[:6] == b"Exif\x00\x00" else exif
    order = {b"II": "<", b"MM": ">"}.get(bytes(tiff[:2]))
    if order is None:
        return UPRIGHT
    try:
        (offset,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, offset)
        for index in range(min(entries, _MAX_ENTRIES)):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, offset + 2 + 12 * index)
            if tag == _ORIENTATION_TAG:
                return int(value) if kind == _SHORT and 1 <= value <= 8 else UPRIGHT
    except struct.error:
        return UPRIGHT
    return UPRIGHT


def swaps_sides(orientation: int) -> bool:
    """Whether turning upright exchanges width and height."""
    return orientation >= 5


def turn_upright(image_hwc_u8: PixelArray, orientation: int) -> PixelArray:
    """Undo an EXIF orientation.

    Args:
        image_hwc_u8: [H, W, 3] uint8, as stored.
        orientation: 1-8.

    Returns:
        [H, W, 3] or [W, H, 3] uint8, C-contiguous; the argument itself for orientation 1.
    """
    if orientation == UPRIGHT:
        return image_hwc_u8
    turned: cv2.typing.MatLike
    if orientation == 2:
        turned = cv2.flip(image_hwc_u8, 1)
    elif orientation == 3:
        turned = cv2.rotate(image_hwc_u8, cv2.ROTATE_180)
    elif orientation == 4:
        turned = cv2.flip(image_hwc_u8, 0)
    elif orientation == 5:
        turned = cv2.transpose(image_hwc_u8)
    elif orientation == 6:
        turned = cv2.rotate(image_hwc_u8, cv2.ROTATE_90_CLOCKWISE)
    elif orientation == 7:
        turned = cv2.flip(cv2.transpose(image_hwc_u8), -1)
    else:
        turned = cv2.rotate(image_hwc_u8, cv2.ROTATE_90_COUNTERCLOCKWISE)
    return np.ascontiguousarray(turned, dtype=np.uint8)
