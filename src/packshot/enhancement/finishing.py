"""Finishing a restored picture: some of the photo's own grain back, edges crisper, within bounds.

A restoration network answers with the average of what might have been there, which is a little
too smooth. What is given back here is the photo's own, and what is sharpened was there:

- a tenth to half of the detail that restoring took away comes back;
- an unsharp mask of luminance brings no pixel outside the darkest and the brightest of its own
  neighbours, so that edges get steeper, not haloes;
- all of the sharpening together stays within a bound of the picture it starts from, at 46 dB half
  of the change within which a picture counts as unharmed (40 dB): a photo full of texture, which
  sharpening would change most and needs least, is sharpened less.

In bands, so that 12 megapixels need no more memory than their result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from packshot.enhancement.restoration import blend

PixelArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

_BAND_ROWS = 128
# OpenCV cuts a Gaussian on floats off at four sigmas.
_SIGMAS = 4
_NEIGHBOURS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, kw_only=True)
class Finish:
    """How a restored picture is finished.

    Attributes:
        own_detail: Share, 0-1, of what restoring changed in the photo's own detail that is undone.
        amount: Strength of the unsharp mask.
        sigma: Of its Gaussian, pixels.
        nearest_db: The sharpened picture's least PSNR to the unsharpened one, in luminance;
            0 for no bound.
    """

    own_detail: float
    amount: float = 1.0
    sigma: float = 1.0
    nearest_db: float = 46.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.own_detail <= 1.0:
            raise ValueError(f"own_detail must be a share of 0-1, got {self.own_detail}")
        if self.amount < 0 or self.sigma <= 0 or self.nearest_db < 0:
            raise ValueError(
                "amount and nearest_db must not be negative and sigma must be positive, got "
                f"{self.amount}, {self.nearest_db} and {self.sigma}"
            )


def finished(toned_hwc_u8: PixelArray, restored_hwc_u8: PixelArray, finish: Finish) -> PixelArray:
    """A restored picture with some of its own detail back, and sharpened within bounds.

    Args:
        toned_hwc_u8: [H, W, 3] uint8, sRGB: the photo with the restored tone and its own detail.
        restored_hwc_u8: [H, W, 3] uint8, sRGB.
        finish: How.

    Returns:
        [H, W, 3] uint8, sRGB.
    """
    result = np.empty_like(restored_hwc_u8)
    strength = _strength(toned_hwc_u8, restored_hwc_u8, finish)
    for seen, inner, kept in _bands(len(result), finish):
        mixed = blend(toned_hwc_u8[seen], restored_hwc_u8[seen], 1.0 - finish.own_detail)
        step = strength * _sharpening(mixed, finish)[inner, :, None]
        result[kept] = np.rint(mixed[inner] + step).clip(0, 255)
    return result


def _strength(toned: PixelArray, restored: PixelArray, finish: Finish) -> float:
    """What keeps the sharpening within its bound, 0-1; the same for the whole picture."""
    if not finish.nearest_db or not finish.amount:
        return 1.0
    square = 0.0
    for seen, inner, _ in _bands(len(restored), finish):
        mixed = blend(toned[seen], restored[seen], 1.0 - finish.own_detail)
        square += float(np.square(_sharpening(mixed, finish)[inner], dtype=np.float64).sum())
    size = math.sqrt(square / restored[..., 0].size)
    bound = 255.0 * 10 ** (-finish.nearest_db / 20)
    return bound / size if size > bound else 1.0


def _sharpening(image: PixelArray, finish: Finish) -> FloatArray:
    """What is added to all three channels, [H, W] float32 in grey levels."""
    luminance = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2GRAY)
    blurred = cv2.GaussianBlur(luminance, (0, 0), finish.sigma)
    sharp = luminance + finish.amount * (luminance - blurred)
    darkest = cv2.erode(luminance, _NEIGHBOURS)
    brightest = cv2.dilate(luminance, _NEIGHBOURS)
    return np.asarray(np.clip(sharp, darkest, brightest) - luminance, np.float32)


def _bands(height: int, finish: Finish) -> Iterator[tuple[slice, slice, slice]]:
    """Rows to look at; those of them that a band keeps; and where these are in the picture."""
    margin = math.ceil(_SIGMAS * finish.sigma) + 1
    for top in range(0, height, _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, height)
        first = max(0, top - margin)
        yield (
            slice(first, min(height, bottom + margin)),
            slice(top - first, bottom - first),
            slice(top, bottom),
        )
