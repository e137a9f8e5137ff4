"""How near a filled hole is to what was there."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

PixelArray = npt.NDArray[np.uint8]

_PEAK = 255.0
MAXIMUM_PSNR = 50.0
"""What a hole counts at most, in dB: on plain white every method is right to the last bit."""


def psnr_in_hole(image: PixelArray, original: PixelArray, hole: npt.NDArray[np.bool_]) -> float:
    """Peak signal-to-noise ratio in dB over the pixels of a hole and all channels, at most 50.

    Args:
        image: [H, W, 3] uint8.
        original: [H, W, 3] uint8.
        hole: [H, W] bool, not empty.
    """
    difference = image[hole].astype(np.float64) - original[hole].astype(np.float64)
    error = float(np.mean(np.square(difference)))
    if error == 0.0:
        return MAXIMUM_PSNR
    return min(MAXIMUM_PSNR, 10.0 * math.log10(_PEAK**2 / error))
