"""An invisible mark in generated pictures: spread spectrum, found without the original.

Cox, Kilian, Leighton, Shamoon, "Secure Spread Spectrum Watermarking for Multimedia", IEEE Trans.
Image Processing 6(12), 1997: a pattern of random signs is laid on the middle frequencies of the
whole picture's cosine transform, each sign far below what is seen, thousands of them far above
chance. Three things are added, each known from the same school:

- The picture is brought to a fixed size first, so that resizing does not move the frequencies.
- The detector is blind: the coefficients are divided by the size of their neighbours and clipped,
  after which those of unmarked pictures correlate with the pattern as coin tosses do. The
  correlation is then in standard deviations, and a threshold in them is a rate of false alarms.
- The embedder is informed (Miller, Doerr, Cox, IEEE Trans. Image Processing 13(6), 2004): it
  hears what the detector would say after JPEG and shrinking, and takes the least strength that
  is heard well. It marks texture more than smooth parts, pale ones less, and white not at all:
  shops ask for pure white.

The pattern is public, as this code is: the mark tells honest people what a picture is. It does not
survive cropping or turning, and who wants to be rid of it can be.

No library was taken: blind-watermark, invisible-watermark's DWT-DCT methods and RivaGAN were tried
(docs/generation.md); none holds on a product on white at 64 pixels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

PixelArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

WATERMARK: Final = "packshot-1"
"""Name of the mark: pattern and method. Another pattern or method gets another name."""

THRESHOLD: Final = 4.5
"""Standard deviations from which a picture counts as marked; docs/generation.md has the rates."""

_KEY: Final = 20261121
_LOWEST: Final = 8
_CANONICAL_SIDES: Final = (64, 128)
# The target after JPEG and shrinking, by the least shorter side. Large pictures have room to spare,
# which WebP needs.
_HEARD_WELL: Final = ((192, 10.0), (96, 8.0), (1, 6.0))
_LARGE_FROM: Final = 96
_HIGHEST_SHARE: Final = 0.875
_NEIGHBOURS: Final = (7, 7)
_CLIP: Final = 1.5

_WHITE: Final = 250.0
_PALE: Final = 25.0
_SMOOTH_STRENGTH: Final = 1.0
_TEXTURE_STRENGTH: Final = 0.25
_TEXTURE_WINDOW: Final = (5, 5)
_FIRST_STRENGTH: Final = 0.5
_GROWTH: Final = (1.1, 4.0)
_MOST_TRIES: Final = 8
_LARGEST_STRENGTH: Final = 8.0
_TRIAL_QUALITY: Final = 75
_TRIAL_SHRINK: Final = 0.9


def confidence(image_hwc_u8: PixelArray) -> float:
    """How far above chance the mark is heard.

    Args:
        image_hwc_u8: [H, W, 3] uint8, sRGB, upright; any size.

    Returns:
        Standard deviations: about 0 +- 1 for unmarked pictures, ``THRESHOLD`` and more for marked.
    """
    side = _canonical_side(image_hwc_u8)
    luma = _luma(image_hwc_u8)
    if luma.shape != (side, side):
        shrinks = min(luma.shape) >= side
        luma = cv2.resize(
            luma, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        )
    spectrum = cv2.dct(luma - luma.mean())
    around = np.sqrt(cv2.blur(spectrum * spectrum, _NEIGHBOURS) + 1e-3)
    signs = _signs(side)
    heard = np.clip(spectrum / around, -_CLIP, _CLIP)[signs != 0]
    energy = float(np.sqrt(np.square(heard).sum()))
    return float((heard * signs[signs != 0]).sum()) / energy if energy > 0 else 0.0


def marked(image_hwc_u8: PixelArray) -> PixelArray:
    """The picture with the mark, as weak as will be heard after JPEG and shrinking.

    The same picture gives the same result. A picture with next to nothing on it, or pure white,
    cannot hold the mark: see what ``confidence`` says of the result.

    Args:
        image_hwc_u8: [H, W, 3] uint8, sRGB.

    Returns:
        [H, W, 3] uint8, sRGB.
    """
    height, width = image_hwc_u8.shape[:2]
    pattern = _pattern(height, width, _canonical_side(image_hwc_u8)) * _room(image_hwc_u8)
    target = next(heard for side, heard in _HEARD_WELL if min(height, width) >= side)
    strength, result, unmarked = _FIRST_STRENGTH, image_hwc_u8, confidence(image_hwc_u8)
    for _ in range(_MOST_TRIES):
        change = np.rint(strength * pattern).astype(np.int16)
        result = np.clip(image_hwc_u8 + change[..., None], 0, 255).astype(np.uint8)
        heard = min(confidence(trial) for trial in _trials(result))
        if heard >= target or strength == _LARGEST_STRENGTH:
            break
        # What is heard grows about evenly with the strength.
        growth = (target - unmarked) / max(heard - unmarked, 0.1)
        strength = min(strength * float(np.clip(growth, *_GROWTH)), _LARGEST_STRENGTH)
    return result


def _canonical_side(image_hwc_u8: PixelArray) -> int:
    return _CANONICAL_SIDES[min(image_hwc_u8.shape[:2]) >= _LARGE_FROM]


@lru_cache(maxsize=len(_CANONICAL_SIDES))
def _signs(side: int) -> FloatArray:
    """+1 and -1 at the frequencies that carry the mark, 0 elsewhere; the same at every side."""
    largest = _CANONICAL_SIDES[-1]
    bits = np.random.PCG64(_KEY).random_raw(largest * largest) >> np.uint64(63)
    signs = (2.0 * bits.astype(np.float32) - 1.0).reshape(largest, largest)[:side, :side]
    rows, columns = np.mgrid[0:side, 0:side]
    distance = np.hypot(rows, columns)
    inside = (distance >= _LOWEST) & (distance < _HIGHEST_SHARE * side) & (rows * columns > 0)
    return np.where(inside, signs, 0.0).astype(np.float32)


@lru_cache(maxsize=8)
def _pattern(height: int, width: int, side: int) -> FloatArray:
    """The signs as a pattern of [height, width] with a root mean square of 1."""
    spectrum = np.zeros((height + height % 2, width + width % 2), np.float32)
    rows, columns = min(side, height), min(side, width)
    spectrum[:rows, :columns] = _signs(side)[:rows, :columns]
    pattern = cv2.idct(spectrum)[:height, :width]
    level = float(np.sqrt(np.square(pattern).mean()))
    # Pictures of a few pixels have none of the frequencies.
    return np.asarray(pattern / max(level, 1e-6), np.float32)


def _room(image_hwc_u8: PixelArray) -> FloatArray:
    """How strong the mark may be at each pixel, in levels; 0 on white and next to it."""
    luma = _luma(image_hwc_u8)
    texture = cv2.blur(cv2.absdiff(luma, cv2.blur(luma, _TEXTURE_WINDOW)), _TEXTURE_WINDOW)
    red, green, blue = cv2.split(image_hwc_u8)
    darkest = cv2.min(cv2.min(red, green), blue).astype(np.float32)
    # Grain is seen first on pale, smooth paper.
    inked = np.clip((_WHITE - darkest) / _PALE, 0.0, 1.0)
    inked = cv2.erode(inked, np.ones((3, 3), np.uint8))
    return np.asarray(inked * (_SMOOTH_STRENGTH + _TEXTURE_STRENGTH * texture), np.float32)


def _trials(image_hwc_u8: PixelArray) -> tuple[PixelArray, PixelArray]:
    """The picture as JPEG leaves it, and shrunk and as JPEG leaves that."""
    height, width = image_hwc_u8.shape[:2]
    size = (max(1, round(_TRIAL_SHRINK * width)), max(1, round(_TRIAL_SHRINK * height)))
    shrunk = cv2.resize(image_hwc_u8, size, interpolation=cv2.INTER_AREA)
    return _through_jpeg(image_hwc_u8), _through_jpeg(np.asarray(shrunk, np.uint8))


def _through_jpeg(image_hwc_u8: PixelArray) -> PixelArray:
    file = simplejpeg.encode_jpeg(
        np.ascontiguousarray(image_hwc_u8), _TRIAL_QUALITY, "RGB", "420", fastdct=False
    )
    pixels: PixelArray = simplejpeg.decode_jpeg(file, "RGB")
    return pixels


def _luma(image_hwc_u8: PixelArray) -> FloatArray:
    luma = cv2.cvtColor(image_hwc_u8, cv2.COLOR_RGB2YCrCb)[..., 0]
    return np.ascontiguousarray(luma, np.float32)
