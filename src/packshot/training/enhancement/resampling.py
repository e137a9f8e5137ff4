"""Bicubic resampling as the super-resolution papers do it: MATLAB's ``imresize``.

Keys' kernel with a = -0.5, widened by the scale when shrinking (antialiasing), pixels beyond the
border mirrored. Pillow's bicubic is the same kernel but renormalises at the border; mirroring a few
pixels on before and cutting them off after makes the two agree.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

PixelArray = npt.NDArray[np.uint8]

# Keys' kernel reaches two pixels of the coarser grid.
_REACH = 4


def bicubic_shrink(image_hwc_u8: PixelArray, scale: int) -> PixelArray:
    """Shrink [H, W, 3] uint8 by a whole factor that divides H and W.

    Raises:
        ValueError: A side is no multiple of ``scale``.
    """
    height, width = image_hwc_u8.shape[:2]
    if height % scale or width % scale:
        raise ValueError(f"sides must be multiples of {scale}, got {width}x{height}")
    return _resized(image_hwc_u8, _REACH * scale, _REACH, 1.0 / scale)


def bicubic_enlarge(image_hwc_u8: PixelArray, scale: int) -> PixelArray:
    """Enlarge [H, W, 3] uint8 by a whole factor."""
    return _resized(image_hwc_u8, _REACH, _REACH * scale, float(scale))


def cut_to_multiple(image_hwc_u8: PixelArray, scale: int) -> PixelArray:
    """Drop the rows and columns at the bottom and right that exceed a multiple of ``scale``."""
    height, width = (side - side % scale for side in image_hwc_u8.shape[:2])
    return np.ascontiguousarray(image_hwc_u8[:height, :width])


def _resized(image: PixelArray, before: int, after: int, factor: float) -> PixelArray:
    mirrored = cv2.copyMakeBorder(image, before, before, before, before, cv2.BORDER_REFLECT)
    size = (round(mirrored.shape[1] * factor), round(mirrored.shape[0] * factor))
    # A channel at a time in floats: Pillow rounds pictures of bytes between its two passes.
    channels = [
        np.asarray(
            Image.fromarray(mirrored[..., channel].astype(np.float32)).resize(
                size, Image.Resampling.BICUBIC
            )
        )
        for channel in range(mirrored.shape[2])
    ]
    inner = np.stack(channels, axis=2)[after:-after, after:-after]
    return np.asarray(np.clip(np.rint(inner), 0, 255), np.uint8)
