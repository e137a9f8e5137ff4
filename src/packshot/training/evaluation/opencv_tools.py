"""What OpenCV itself offers for bad photos, each at several strengths: the restoration baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

PixelArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class OpenCvTool:
    """One tool at one strength."""

    name: str
    strength: float
    function: Callable[[PixelArray, float], PixelArray]

    def apply(self, image_hwc_u8: PixelArray) -> PixelArray:
        """The tool on a [H, W, 3] uint8 sRGB picture."""
        return self.function(image_hwc_u8, self.strength)


def non_local_means(image: PixelArray, strength: float) -> PixelArray:
    """``fastNlMeansDenoisingColored``, luma and chroma at the same strength."""
    denoised = cv2.fastNlMeansDenoisingColored(image, None, strength, strength, 7, 21)
    return np.asarray(denoised, np.uint8)


def bilateral(image: PixelArray, sigma_colour: float) -> PixelArray:
    """``bilateralFilter`` of diameter 7."""
    return np.asarray(cv2.bilateralFilter(image, 7, sigma_colour, 3.0), np.uint8)


def unsharp_mask(image: PixelArray, amount: float) -> PixelArray:
    """The picture plus ``amount`` times what a Gaussian of sigma 1.5 takes away."""
    blurred = cv2.GaussianBlur(image, (0, 0), 1.5)
    return np.asarray(cv2.addWeighted(image, 1.0 + amount, blurred, -amount, 0.0), np.uint8)


def clahe(image: PixelArray, clip_limit: float) -> PixelArray:
    """Contrast-limited adaptive histogram equalisation of CIELAB lightness."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clip_limit, (8, 8)).apply(np.ascontiguousarray(lab[..., 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


_SETTINGS: tuple[tuple[str, Callable[[PixelArray, float], PixelArray], tuple[float, ...]], ...] = (
    ("non-local means", non_local_means, (4.0, 8.0)),
    ("bilateral", bilateral, (10.0, 25.0, 50.0)),
    ("unsharp mask", unsharp_mask, (0.3, 0.8, 1.5)),
    ("CLAHE", clahe, (1.0, 2.0, 4.0)),
)

OPENCV_TOOLS = tuple(
    OpenCvTool(name=name, strength=strength, function=function)
    for name, function, strengths in _SETTINGS
    for strength in strengths
)
"""Every tool at every strength an oracle may choose from."""
