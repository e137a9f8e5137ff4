"""Enlarging a picture of any size with a network that sees tiles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from packshot.imaging.tiling import TileFunction, Tiling, map_tiles

PixelArray = npt.NDArray[np.uint8]

UPSCALE_TILING = Tiling(max_side=448, margin=16)
"""The networks look 12 pixels far, so that tiles give exactly what the whole picture gives."""


def upscale(
    image_hwc_u8: PixelArray,
    network: TileFunction,
    *,
    scale: int,
    tiling: Tiling = UPSCALE_TILING,
) -> PixelArray:
    """Enlarge both sides by ``scale``.

    Args:
        image_hwc_u8: [H, W, 3] uint8, sRGB, H and W >= 1.
        network: [N, h, w, 3] uint8 to [N, scale * h, scale * w, 3] uint8.
        scale: What the network enlarges by.
        tiling: How the picture is cut.

    Returns:
        [scale * H, scale * W, 3] uint8, sRGB.
    """
    return map_tiles(image_hwc_u8, network, tiling, scale=scale)
