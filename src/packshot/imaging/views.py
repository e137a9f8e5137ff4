"""The two network views of a photo: the whole frame, and native-resolution fragments."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from packshot.contracts import GRID, PATCH_SIZE, VIEW_SIZE

PixelArray = npt.NDArray[np.uint8]


def global_view(image_hwc_u8: PixelArray) -> PixelArray:
    """The whole frame resized to 224x224, its aspect ratio not kept.

    Area averaging when shrinking, so that no detail aliases; bilinear when enlarging.

    Args:
        image_hwc_u8: [H, W, 3] uint8, sRGB, 0-255, H and W >= 1.

    Returns:
        [224, 224, 3] uint8, sRGB, C-contiguous.
    """
    height, width = image_hwc_u8.shape[:2]
    shrinks = height >= VIEW_SIZE and width >= VIEW_SIZE
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(image_hwc_u8, (VIEW_SIZE, VIEW_SIZE), interpolation=interpolation)
    return np.ascontiguousarray(resized, dtype=np.uint8)


def fragments(
    image_hwc_u8: PixelArray, position_in_cell: tuple[float, float] = (0.5, 0.5)
) -> PixelArray:
    """A 7x7 mosaic of 32x32 patches at native resolution, one from each cell of a grid.

    The grid mini-patch sampling of FAST-VQA (arXiv 2207.02595). Sides under 224 px make the
    patches overlap; sides under 32 px are extended by repeating their edge.

    Args:
        image_hwc_u8: [H, W, 3] uint8, sRGB, 0-255, H and W >= 1.
        position_in_cell: Where in its cell each patch lies, (down, right), each 0-1. Training
            draws it at random; serving takes the centre.

    Returns:
        [224, 224, 3] uint8, sRGB, C-contiguous.
    """
    height, width = image_hwc_u8.shape[:2]
    if height < PATCH_SIZE or width < PATCH_SIZE:
        missing = (max(0, PATCH_SIZE - height), max(0, PATCH_SIZE - width))
        image_hwc_u8 = np.pad(image_hwc_u8, ((0, missing[0]), (0, missing[1]), (0, 0)), "edge")
        height, width = image_hwc_u8.shape[:2]
    tops = patch_starts(height, position_in_cell[0])
    lefts = patch_starts(width, position_in_cell[1])
    mosaic = np.empty((VIEW_SIZE, VIEW_SIZE, 3), np.uint8)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            mosaic[
                row * PATCH_SIZE : (row + 1) * PATCH_SIZE,
                column * PATCH_SIZE : (column + 1) * PATCH_SIZE,
            ] = image_hwc_u8[top : top + PATCH_SIZE, left : left + PATCH_SIZE]
    return mosaic


def patch_starts(side: int, position_in_cell: float = 0.5) -> list[int]:
    """First pixel of each of the seven patches along a side of ``side`` >= 32 pixels.

    Args:
        side: Length in pixels.
        position_in_cell: 0 puts each patch at the start of its cell, 1 at its end.

    Returns:
        ``GRID`` non-decreasing starts, each at most ``side - PATCH_SIZE``.
    """
    cell = side / GRID
    if cell < PATCH_SIZE:
        step = (side - PATCH_SIZE) / (GRID - 1)
        return [round(index * step) for index in range(GRID)]
    return [int(index * cell + (cell - PATCH_SIZE) * position_in_cell) for index in range(GRID)]
