"""The background of a packshot replaced or restyled, its product left alone to the last bit.

The product is what ``packshot.imaging.product`` finds, which is what the quality model's
composition measure goes by. Everything else gets the new backdrop: a colour, a gradient from top to
bottom, and a soft shadow under the product if wanted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from packshot.errors import EditError
from packshot.imaging.background import Background
from packshot.imaging.product import find_product

PixelArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
Colour = tuple[int, int, int]

_HEX_COLOUR: Final = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")

# As shares of the picture's shorter side.
_SEAM_REACH: Final = 0.01
_SHADOW_DROP: Final = 0.025
_SHADOW_BLUR: Final = 0.03

_OLD_LIGHT_RANGE: Final = (0.2, 1.5)
_MIN_SEEN_THROUGH_SHARE: Final = 0.0005


@dataclass(frozen=True, kw_only=True)
class Backdrop:
    """What a background becomes.

    Attributes:
        top: sRGB, 0-255, at the upper edge.
        bottom: sRGB at the lower edge; between the two it changes evenly.
        shadow: Strength of a soft shadow under the product, 0 (none) to 1 (black at its core).
        keep_light: Lay the light and shadows of the old background on the new one, instead of
            beginning afresh.

    Raises:
        EditError: A value out of its range.
    """

    top: Colour
    bottom: Colour
    shadow: float = 0.0
    keep_light: bool = False

    def __post_init__(self) -> None:
        for colour in (self.top, self.bottom):
            if len(colour) != 3 or not all(0 <= channel <= 255 for channel in colour):
                raise EditError(f"A colour has three channels of 0 to 255, got {colour}.")
        if not 0.0 <= self.shadow <= 1.0:
            raise EditError(f"The strength of the shadow must be 0 to 1, got {self.shadow}.")


BACKDROPS: Final[dict[str, tuple[Colour, Colour]]] = {
    "white": ((255, 255, 255), (255, 255, 255)),
    "grey": ((245, 245, 245), (208, 208, 208)),
}
"""Backdrops by name: the colours at the top and at the bottom."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Restyled:
    """A picture on its new background.

    Attributes:
        picture_hwc_u8: [H, W, 3] uint8, sRGB.
        mask: [H, W] bool: the product; there the picture is the old one, but for ``rim``.
        rim: [H, W] bool: the product's outermost pixels that were blended; empty unless asked for.
    """

    picture_hwc_u8: PixelArray
    mask: BoolArray
    rim: BoolArray


def parse_backdrop(text: str, *, shadow: float = 0.0, keep_light: bool = False) -> Backdrop:
    """A backdrop from words: a name, a colour (#rgb or #rrggbb) or a gradient (#top:#bottom).

    Raises:
        EditError: None of these.
    """
    if text in BACKDROPS:
        top, bottom = BACKDROPS[text]
    else:
        parts = text.split(":")
        if len(parts) > 2 or not all(_HEX_COLOUR.fullmatch(part) for part in parts):
            raise EditError(
                f"There is no background {text!r}: expected {', '.join(BACKDROPS)}, a colour like"
                " #f0e8d8, or a gradient from top to bottom like #ffffff:#d0d0d0."
            )
        top, bottom = _channels(parts[0]), _channels(parts[-1])
    return Backdrop(top=top, bottom=bottom, shadow=shadow, keep_light=keep_light)


def replace_background(
    image_hwc_u8: PixelArray,
    backdrop: Backdrop,
    *,
    mask: BoolArray | None = None,
    see_through: bool = False,
    rim_px: int = 0,
) -> Restyled:
    """Put the product of a picture before another backdrop.

    Args:
        image_hwc_u8: [H, W, 3] uint8, sRGB.
        backdrop: The new background.
        mask: [H, W] bool, the product; None finds it.
        see_through: Whether places of the background's colour that the product encloses are
            background too (within the handle of a bag), not product (a white print on a shirt).
        rim_px: Thickness of a rim just inside the product's edge, whose share of the old
            background is exchanged for the new one. It hides the light fringe that a product from
            a white background has on a dark one; 0 leaves every pixel of the product as it is.

    Raises:
        EditError: The background is not plain or nothing stands out, and no mask was given; a mask
            of another size, or without a product; ``rim_px`` is negative.
    """
    if rim_px < 0:
        raise EditError(f"The rim must be 0 pixels or more, got {rim_px}.")
    product = find_product(image_hwc_u8)
    if mask is None:
        if product is None:
            raise EditError(
                "The background of this picture is not plain (one smooth colour along its border),"
                " so its product cannot be told from it. Give a mask of the product."
            )
        mask = _filled(product.mask, see_through)
    elif mask.shape != image_hwc_u8.shape[:2]:
        raise EditError(
            f"The mask is {_size(mask)} pixels, the picture {_size(image_hwc_u8)}: expected the"
            " same."
        )
    if not mask.any():
        raise EditError(
            "Nothing stands out from the background of this picture. Give a mask of the product."
        )
    new = _drawn(backdrop, mask)
    old = None if product is None else _old_background(product.background, mask.shape)
    outside = _laid(image_hwc_u8, new, old, mask, backdrop)
    picture = np.where(mask[:, :, None], image_hwc_u8, outside)
    rim = np.zeros_like(mask)
    if rim_px and old is not None:
        rim = mask & (_distance(mask) <= rim_px)
        picture[rim] = _exchanged(image_hwc_u8, new, old, mask, rim, rim_px)[rim]
    return Restyled(picture_hwc_u8=picture, mask=mask, rim=rim)


def _drawn(backdrop: Backdrop, mask: BoolArray) -> FloatArray:
    height, width = mask.shape
    down = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None]
    top, bottom = (np.array(colour, np.float32) for colour in (backdrop.top, backdrop.bottom))
    rows = (1.0 - down) * top + down * bottom
    drawn = np.repeat(rows[:, None], width, axis=1)
    if backdrop.shadow > 0:
        shorter = min(height, width)
        drop = max(1, round(_SHADOW_DROP * shorter))
        fallen = np.zeros(mask.shape, np.float32)
        fallen[drop:] = mask[:-drop]
        sigma = max(1.0, _SHADOW_BLUR * shorter)
        soft = cv2.GaussianBlur(fallen, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        drawn *= 1.0 - backdrop.shadow * soft[:, :, None]
    return np.asarray(drawn, np.float32)


def _laid(
    image_hwc_u8: PixelArray,
    new: FloatArray,
    old: FloatArray | None,
    mask: BoolArray,
    backdrop: Backdrop,
) -> PixelArray:
    """The new background, with what of the old one is to stay."""
    if old is None:
        return _rounded(new)
    if backdrop.keep_light:
        low, high = _OLD_LIGHT_RANGE
        light = (image_hwc_u8.astype(np.float32).mean(axis=2) + 1.0) / (old.mean(axis=2) + 1.0)
        return _rounded(new * light.clip(low, high)[:, :, None])
    # What is left of the product beside its mask fades out over a few pixels: no hard seam.
    reach = max(1.0, _SEAM_REACH * min(mask.shape))
    fade = (1.0 - _distance(~mask) / reach).clip(0.0, 1.0)[:, :, None]
    return _rounded(new + (image_hwc_u8 - old) * fade)


def _exchanged(
    image_hwc_u8: PixelArray,
    new: FloatArray,
    old: FloatArray,
    mask: BoolArray,
    rim: BoolArray,
    rim_px: int,
) -> PixelArray:
    """Pixels as mixtures of the old background and of the product near by, with the new one."""
    difference = np.linalg.norm(image_hwc_u8 - old, axis=2).astype(np.float32)
    inner = np.where(mask & ~rim, difference, 0.0).astype(np.float32)
    size = 2 * (rim_px + 1) + 1
    near = cv2.dilate(inner, np.ones((size, size), np.uint8))
    share = np.where(near > 0, (difference / np.maximum(near, 1.0)).clip(0.0, 1.0), 1.0)
    pixels = image_hwc_u8.astype(np.float32)
    return _rounded(pixels + (1.0 - share)[:, :, None] * (new - old))


def _filled(mask: BoolArray, see_through: bool) -> BoolArray:
    """The mask with what it encloses; see-through places stay open if wanted."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (~mask).astype(np.uint8), connectivity=4
    )
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    outside = np.zeros(count, bool)
    outside[edge] = True
    outside[0] = False
    if see_through:
        large = stats[:, cv2.CC_STAT_AREA] >= _MIN_SEEN_THROUGH_SHARE * mask.size
        large[0] = False
        outside |= large
    return np.asarray(~outside[labels], np.bool_)


def _old_background(background: Background, shape: tuple[int, ...]) -> FloatArray:
    lab = background.colour_on_grid(shape[0], shape[1]).transpose(1, 2, 0)
    rgb = cv2.cvtColor(np.ascontiguousarray(lab), cv2.COLOR_LAB2RGB)
    return np.asarray(rgb.clip(0.0, 1.0) * 255.0, np.float32)


def _distance(inside: BoolArray) -> FloatArray:
    """Distance of every pixel inside to the nearest one outside, in pixels."""
    found = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(found, np.float32)


def _rounded(values: FloatArray) -> PixelArray:
    return np.asarray(np.rint(values).clip(0, 255), np.uint8)


def _channels(text: str) -> Colour:
    digits = text[1:]
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    red, green, blue = (int(digits[start : start + 2], 16) for start in (0, 2, 4))
    return red, green, blue


def _size(array: npt.NDArray[np.generic]) -> str:
    return f"{array.shape[1]} x {array.shape[0]}"
