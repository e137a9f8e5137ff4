"""Holes in a packshot filled: a price sticker, a hanger, a watermark that was masked out.

The method of Navier-Stokes, the better of OpenCV's two, fills at full resolution; a network, which
has learned what packshots look like, corrects it at 64x64, the size of what is missing rather than
of its texture. Measured against OpenCV's methods alone and against projection into the generator
by ``packshot-eval inpainting``: see docs/editing.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from packshot.contracts import IMAGE_SIDE
from packshot.errors import EditError
from packshot.generation.framing import Frame, squared

PixelArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

InpaintFunction = Callable[[PixelArray, PixelArray], PixelArray]
"""Filled pictures [N, 64, 64, 3] and holes [N, 64, 64, 1] to better filled ones, all uint8."""

_RADIUS_PX: Final = 3.0
_LARGEST_SHARE: Final = 0.9
_HOLE: Final = 255
_SEAM_SHARE: Final = 0.005


def telea(image_hwc_u8: PixelArray, hole: BoolArray) -> PixelArray:
    """Fill by the fast marching method (Telea, J. Graphics Tools 9(1), 2004), OpenCV's."""
    return _opencv(image_hwc_u8, hole, cv2.INPAINT_TELEA)


def navier_stokes(image_hwc_u8: PixelArray, hole: BoolArray) -> PixelArray:
    """Fill by fluid dynamics (Bertalmio et al., CVPR 2001), OpenCV's."""
    return _opencv(image_hwc_u8, hole, cv2.INPAINT_NS)


def inpaint(
    image_hwc_u8: PixelArray, hole: BoolArray, network: InpaintFunction | None = None
) -> PixelArray:
    """Fill the holes of a packshot; every pixel outside them stays as it is.

    Args:
        image_hwc_u8: [H, W, 3] uint8, sRGB; the product as a shop shows it, whole and alone.
        hole: [H, W] bool, what is to be filled.
        network: The inpainting network; None leaves it at Navier-Stokes.

    Returns:
        [H, W, 3] uint8, sRGB.

    Raises:
        EditError: The mask is of another size, empty, or leaves too little of the picture.
    """
    check_hole(image_hwc_u8, hole)
    filled = navier_stokes(image_hwc_u8, hole)
    if network is None:
        return filled
    small_hole = squared(_as_u8(hole), IMAGE_SIDE, around=0) > 0
    # Shrunk from the filled picture, so that no pixel of what is masked out is mixed in.
    small = squared(filled, IMAGE_SIDE)
    better = network(small[None], _as_u8(small_hole)[None, :, :, None])[0]
    change = better.astype(np.float32) - small.astype(np.float32)
    frame = Frame.of(image_hwc_u8)
    if frame.side != IMAGE_SIDE:
        size = (frame.side, frame.side)
        change = np.asarray(cv2.resize(change, size, interpolation=cv2.INTER_CUBIC), np.float32)
    corrected = filled + change[frame.window] * _inwards(hole)[:, :, None]
    return np.where(hole[:, :, None], np.rint(corrected).clip(0, 255).astype(np.uint8), filled)


def check_hole(image_hwc_u8: PixelArray, hole: BoolArray) -> None:
    """Raise EditError where a mask cannot be filled."""
    if hole.shape != image_hwc_u8.shape[:2]:
        raise EditError(
            f"The mask is {hole.shape[1]} x {hole.shape[0]} pixels, the picture"
            f" {image_hwc_u8.shape[1]} x {image_hwc_u8.shape[0]}: expected the same."
        )
    share = float(hole.mean())
    if share == 0.0:
        raise EditError("The mask is empty: expected white where the picture is to be filled.")
    if share > _LARGEST_SHARE:
        raise EditError(
            f"The mask covers {share:.0%} of the picture, at most {_LARGEST_SHARE:.0%} can be"
            " filled. Is it inverted? White is what is to be filled."
        )


def _as_u8(hole: BoolArray) -> PixelArray:
    return np.where(hole, np.uint8(_HOLE), np.uint8(0))


def _inwards(hole: BoolArray) -> npt.NDArray[np.float32]:
    """0-1: grows from the edge of large holes inwards, so that the correction leaves no seam."""
    reach = _SEAM_SHARE * max(hole.shape)
    if reach < 1.0:
        return hole.astype(np.float32)
    distance = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray((distance / reach).clip(0.0, 1.0), np.float32)


def _opencv(image_hwc_u8: PixelArray, hole: BoolArray, method: int) -> PixelArray:
    check_hole(image_hwc_u8, hole)
    filled = cv2.inpaint(image_hwc_u8, hole.astype(np.uint8), _RADIUS_PX, method)
    return np.asarray(filled, np.uint8)
