"""Restoring a picture of any size: whole, in tone alone, or in part.

The network takes tiles, each with the same thumbnail of the whole picture, so that all tiles get
the same tone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from packshot.imaging.tiling import Tiling, map_tiles
from packshot.imaging.views import global_view

PixelArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

RestoreFunction = Callable[[PixelArray, PixelArray], PixelArray]
"""Tiles [N, h, w, 3] and thumbnails [N, 224, 224, 3] to restored tiles [N, h, w, 3], all uint8."""

RESTORE_TILING = Tiling(max_side=640, margin=32)
"""The network looks 46 pixels far, but beyond 32 there is next to nothing: see the tests."""

_TERMS: Final = 7
_BAND_ROWS: Final = 128
_RIDGE: Final = 1e-4
_DARKEST, _BRIGHTEST = 2, 253


def restore(
    image_hwc_u8: PixelArray, network: RestoreFunction, *, tiling: Tiling = RESTORE_TILING
) -> PixelArray:
    """Mend tone, colour, noise, blur and compression.

    Args:
        image_hwc_u8: [H, W, 3] uint8, sRGB, H and W >= 1.
        network: The restoration network.
        tiling: How the picture is cut.

    Returns:
        [H, W, 3] uint8, sRGB.
    """
    thumbnail = global_view(image_hwc_u8)[None]
    return map_tiles(
        image_hwc_u8,
        lambda tiles: network(tiles, np.repeat(thumbnail, len(tiles), axis=0)),
        tiling,
    )


def restore_tone(image_hwc_u8: PixelArray, network: RestoreFunction) -> PixelArray:
    """Mend exposure, contrast and colour, and touch no detail.

    The network restores the thumbnail alone. What it did to the thumbnail's tone is fitted with
    the form of its own tone branch, one 3x7 matrix over the channels, their squares and 1, and
    applied to the whole picture. So it costs one small inference at any size.

    Args:
        image_hwc_u8: [H, W, 3] uint8, sRGB, H and W >= 1.
        network: The restoration network.

    Returns:
        [H, W, 3] uint8, sRGB.
    """
    thumbnail = global_view(image_hwc_u8)
    restored = network(thumbnail[None], thumbnail[None])[0]
    return apply_tone_matrix(image_hwc_u8, tone_matrix(thumbnail, restored))


def tone_matrix(before_hwc_u8: PixelArray, after_hwc_u8: PixelArray) -> FloatArray:
    """The 3x7 matrix that best turns one picture's tone into the other's; least squares.

    Args:
        before_hwc_u8: [H, W, 3] uint8.
        after_hwc_u8: [H, W, 3] uint8.

    Returns:
        [3, 7] float32, for channels of 0-1. The identity where nothing can be learned.
    """
    terms = _tone_terms(before_hwc_u8.reshape(-1, 3)).astype(np.float64)
    wanted = after_hwc_u8.reshape(-1, 3)
    identity = np.eye(3, _TERMS)
    matrix = identity.copy()
    for channel in range(3):
        # Clipped values tell only that the true one lies beyond.
        values = wanted[:, channel]
        seen = (values >= _DARKEST) & (values <= _BRIGHTEST)
        chosen = terms[seen]
        change = values[seen] / 255.0 - chosen @ identity[channel]
        normal = chosen.T @ chosen + _RIDGE * max(1, len(chosen)) * np.eye(_TERMS)
        matrix[channel] += np.linalg.solve(normal, chosen.T @ change)
    return matrix.astype(np.float32)


def apply_tone_matrix(image_hwc_u8: PixelArray, matrix: FloatArray) -> PixelArray:
    """The [H, W, 3] uint8 picture toned by a 3x7 matrix, as ``tone_matrix`` gives it."""
    result = np.empty_like(image_hwc_u8)
    # In bands, as the seven float terms of 12 megapixels would take 340 MB.
    for top in range(0, len(image_hwc_u8), _BAND_ROWS):
        band = image_hwc_u8[top : top + _BAND_ROWS]
        toned = _tone_terms(band.reshape(-1, 3)) @ matrix.T
        result[top : top + _BAND_ROWS] = np.rint(toned.clip(0.0, 1.0) * 255.0).reshape(band.shape)
    return result


def blend(first_hwc_u8: PixelArray, second_hwc_u8: PixelArray, share: float) -> PixelArray:
    """``share`` (0-1) of the second picture over the first; both [H, W, 3] uint8."""
    mixed = cv2.addWeighted(first_hwc_u8, 1.0 - share, second_hwc_u8, share, 0.0)
    return np.asarray(mixed, dtype=np.uint8)


def _tone_terms(pixels_nc_u8: npt.NDArray[np.uint8]) -> FloatArray:
    channels = pixels_nc_u8.astype(np.float32) / 255.0
    ones = np.ones((len(channels), 1), np.float32)
    return np.concatenate([channels, np.square(channels), ones], axis=1)
