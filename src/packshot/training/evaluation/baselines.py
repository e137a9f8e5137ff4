"""Other measures of quality, on the same photos: BRISQUE and plain image statistics.

Each takes [H, W, 3] uint8 sRGB and says a number that is higher for better photos.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

PixelArray = npt.NDArray[np.uint8]
Measure = Callable[[PixelArray], float]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A measure of quality that needs no training by us."""

    name: str
    measure: Measure


def laplacian_sharpness(picture: PixelArray) -> float:
    """Logarithm of the variance of the Laplacian of luma: the usual blur detector."""
    laplacian = cv2.Laplacian(_luma(picture), cv2.CV_32F)
    return float(np.log1p(laplacian.var()))


def rms_contrast(picture: PixelArray) -> float:
    """Standard deviation of luma."""
    return float(_luma(picture).std())


def colourfulness(picture: PixelArray) -> float:
    """Hasler and Süsstrunk's measure (2003): spread and strength of the opponent colours."""
    red, green, blue = np.moveaxis(picture.astype(np.float32), -1, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    strength = np.hypot(red_green.mean(), yellow_blue.mean())
    return float(spread + 0.3 * strength)


def exposure_balance(picture: PixelArray) -> float:
    """Minus the distance of mean luma from mid grey."""
    return -abs(float(_luma(picture).mean()) - 127.5)


PLAIN_BASELINES: tuple[Baseline, ...] = (
    Baseline(name="sharpness (Laplacian)", measure=laplacian_sharpness),
    Baseline(name="contrast (RMS)", measure=rms_contrast),
    Baseline(name="colourfulness", measure=colourfulness),
    Baseline(name="exposure balance", measure=exposure_balance),
)

MISSING_BRISQUE = "BRISQUE was left out: pip install 'packshot[eval]' (libsvm needs a C++ compiler)"


def brisque() -> Baseline | None:
    """BRISQUE (Mittal et al. 2012) of the PyPI package, sign turned; None where not installed.

    It says NaN of pictures without any texture, on which it is not defined.
    """
    try:
        with warnings.catch_warnings():
            # It imports SciPy by names that SciPy has deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            model = importlib.import_module("brisque").BRISQUE(url=False)
    except ImportError:
        return None

    def measure(picture: PixelArray) -> float:
        with warnings.catch_warnings():
            # NumPy deprecations, and divisions by zero on flat pictures (NaN says it).
            warnings.simplefilter("ignore")
            return -float(model.score(picture))

    return Baseline(name="BRISQUE", measure=measure)


def _luma(picture: PixelArray) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)
