"""How near a picture is to the original: PSNR, SSIM and the colour difference CIEDE2000.

All take two [H, W, 3] uint8 sRGB pictures of one size.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from packshot.errors import TrainingError

PixelArray = npt.NDArray[np.uint8]

# ITU-R BT.601 luma in the studio range 16-235, as MATLAB's rgb2ycbcr and the papers have it.
_BT601_LUMA = np.array([65.481, 128.553, 24.966]) / 255.0


def psnr(image: PixelArray, original: PixelArray) -> float:
    """Peak signal-to-noise ratio over all channels, in dB; infinite for equal pictures."""
    difference = image.astype(np.float64) - original.astype(np.float64)
    return _decibels(difference)


def psnr_y(image: PixelArray, original: PixelArray, *, border: int) -> float:
    """PSNR of BT.601 luma with ``border`` pixels cut off each side: the papers' measure."""
    difference = luma(image) - luma(original)
    return _decibels(difference[border:-border, border:-border] if border else difference)


def ssim(image: PixelArray, original: PixelArray) -> float:
    """Structural similarity (Wang et al., IEEE TIP 2004), mean of the three channels.

    Raises:
        TrainingError: scikit-image is not installed.
    """
    return _similarity(image, original, channel_axis=2)


def ssim_y(image: PixelArray, original: PixelArray, *, border: int) -> float:
    """SSIM of BT.601 luma with ``border`` pixels cut off each side.

    Raises:
        TrainingError: scikit-image is not installed.
    """
    inner = slice(border, -border or None)
    return _similarity(luma(image)[inner, inner], luma(original)[inner, inner], channel_axis=None)


def delta_e(image: PixelArray, original: PixelArray) -> float:
    """Mean CIEDE2000 colour difference; about 2 is just noticed side by side.

    Raises:
        TrainingError: scikit-image is not installed.
    """
    try:
        from skimage.color import deltaE_ciede2000, rgb2lab
    except ImportError as error:
        raise _missing(error) from error
    # In single precision: half the time, and the same to a hundredth.
    labs = (rgb2lab(picture.astype(np.float32) / 255.0) for picture in (image, original))
    return float(deltaE_ciede2000(*labs).mean())


def _similarity(
    image: npt.NDArray[Any], original: npt.NDArray[Any], *, channel_axis: int | None
) -> float:
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise _missing(error) from error
    return float(
        structural_similarity(
            image,
            original,
            data_range=255,
            channel_axis=channel_axis,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def _missing(error: ImportError) -> TrainingError:
    return TrainingError(
        f"SSIM and colour differences need {error.name}, which is not installed:"
        " pip install 'packshot[eval]'"
    )


def luma(image: PixelArray) -> npt.NDArray[np.float64]:
    """BT.601 luma, [H, W] float64, 16-235."""
    return np.asarray(image.astype(np.float64) @ _BT601_LUMA + 16.0, np.float64)


def _decibels(difference: npt.NDArray[Any]) -> float:
    mean_square = float(np.mean(np.square(difference)))
    return 10.0 * math.log10(255.0**2 / mean_square) if mean_square else math.inf
