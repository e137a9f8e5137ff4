"""What happens to pictures on their way, which the mark of generated ones should survive."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from packshot.imaging.decode import decode
from packshot.models.restoration import RestoreNet
from packshot.models.upscaling import UpscaleNet
from packshot.training.enhancement.restoration import restored

PixelArray = npt.NDArray[np.uint8]
Change = Callable[[PixelArray], PixelArray]


def through_jpeg(picture: PixelArray, quality: int) -> PixelArray:
    """The picture as a JPEG file of that quality gives it back, colour at half resolution."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return decode(buffer.getvalue()).pixels_hwc_u8


def through_webp(picture: PixelArray, quality: int) -> PixelArray:
    """The picture as a WebP file of that quality gives it back."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=quality)
    return decode(buffer.getvalue()).pixels_hwc_u8


def rescaled(picture: PixelArray, factor: float) -> PixelArray:
    """Both sides times ``factor``: area averaging to shrink, bicubic to enlarge."""
    size = tuple(max(1, round(side * factor)) for side in picture.shape[1::-1])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def _cropped(picture: PixelArray) -> PixelArray:
    cut = max(1, round(0.05 * min(picture.shape[:2])))
    return np.ascontiguousarray(picture[cut:-cut, cut:-cut])


REQUIRED: Final[Mapping[str, Change]] = {
    "as it is": lambda picture: picture,
    "JPEG 75": lambda picture: through_jpeg(picture, 75),
    "90 %": lambda picture: rescaled(picture, 0.9),
    "110 %": lambda picture: rescaled(picture, 1.1),
    "90 %, JPEG 75": lambda picture: through_jpeg(rescaled(picture, 0.9), 75),
}
"""What the mark is made to survive."""

BEYOND: Final[Mapping[str, Change]] = {
    "110 %, JPEG 75": lambda picture: through_jpeg(rescaled(picture, 1.1), 75),
    "JPEG 50": lambda picture: through_jpeg(picture, 50),
    "WebP 75": lambda picture: through_webp(picture, 75),
    "50 %": lambda picture: rescaled(picture, 0.5),
    "cropped 5 %": _cropped,
}
"""What else is done to pictures."""


def own_changes(restorer: RestoreNet, upscaler: UpscaleNet) -> dict[str, Change]:
    """What our own ``enhance`` and ``upscale`` do to pictures."""
    device = torch.device("cpu")

    def enlarged(picture: PixelArray) -> PixelArray:
        with torch.inference_mode():
            larger = upscaler(torch.from_numpy(picture[None]))[0]
        return np.asarray(larger.numpy(), np.uint8)

    return {
        "enhance": lambda picture: restored(restorer, picture, device),
        f"upscale ×{upscaler.config.scale}": enlarged,
    }
