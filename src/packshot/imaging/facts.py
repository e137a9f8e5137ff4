"""Image facts: what the verdict and the policies know of a photo besides its scores."""

from __future__ import annotations

import json
from typing import Final, TypedDict

import cv2
import numpy as np
import numpy.typing as npt

from packshot.imaging.composition import Composition, measure_composition
from packshot.imaging.decode import DecodedImage

PixelArray = npt.NDArray[np.uint8]

_SHADOW: Final = 16.0
_HIGHLIGHT: Final = 250.0


class CompositionFacts(TypedDict):
    """``packshot.imaging.composition.Composition`` as a JSON object."""

    score: float
    background_plain: bool
    background_uniformity: float
    background_whiteness: float
    fill_ratio: float | None
    centre_offset: float | None
    touches_edge: bool | None
    border: bool


class ToneFacts(TypedDict):
    """Light of the whole frame, measured on the luma (ITU-R BT.601) of the global view.

    Attributes:
        brightness: Mean, 0 black to 1 white, leaving out ``highlights``: a white backdrop would
            hide a dark product. 1 where nothing is left.
        shadows: Share of pixels at or below 16 of 255.
        highlights: Share of pixels at or above 250 of 255; a white backdrop counts.
    """

    brightness: float
    shadows: float
    highlights: float


class Facts(TypedDict):
    """The FACTS JSON object.

    Attributes:
        format: Format of the file, as in ``packshot.imaging.formats.SUPPORTED``.
        width: Pixels, upright.
        height: Pixels, upright.
        bytes: Size of the encoded file.
        megapixels: Width times height in millions, to three decimals.
        color_mode: Pillow's name for the file's colour mode.
        animated: The file holds more frames; the first was judged.
        has_alpha: The file carries transparency; it was laid over white.
        orientation: EXIF orientation of the file, 1-8, already undone.
        icc_converted: An embedded colour profile was converted to sRGB.
        composition: The product's place in the frame.
        tone: The light of the frame.
    """

    format: str
    width: int
    height: int
    bytes: int
    megapixels: float
    color_mode: str
    animated: bool
    has_alpha: bool
    orientation: int
    icc_converted: bool
    composition: CompositionFacts
    tone: ToneFacts


def gather_facts(image: DecodedImage, global_view_hwc_u8: PixelArray) -> Facts:
    """The facts of a decoded photo.

    Args:
        image: The decoded photo.
        global_view_hwc_u8: [224, 224, 3] uint8, sRGB: its global view.

    Returns:
        A JSON-ready object.
    """
    composition = measure_composition(global_view_hwc_u8, image.width, image.height)
    return {
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "bytes": image.byte_count,
        "megapixels": round(image.width * image.height / 1e6, 3),
        "color_mode": image.color_mode,
        "animated": image.animated,
        "has_alpha": image.has_alpha,
        "orientation": image.orientation,
        "icc_converted": image.icc_converted,
        "composition": _composition_facts(composition),
        "tone": _tone(global_view_hwc_u8),
    }


def facts_to_json(facts: Facts) -> str:
    """Compact JSON, the content of the ``FACTS`` tensor."""
    return json.dumps(facts, separators=(",", ":"), allow_nan=False)


def _composition_facts(composition: Composition) -> CompositionFacts:
    return {
        "score": composition.score,
        "background_plain": composition.background_plain,
        "background_uniformity": composition.background_uniformity,
        "background_whiteness": composition.background_whiteness,
        "fill_ratio": composition.fill_ratio,
        "centre_offset": composition.centre_offset,
        "touches_edge": composition.touches_edge,
        "border": composition.border,
    }


def _tone(view_hwc_u8: PixelArray) -> ToneFacts:
    luma = cv2.cvtColor(view_hwc_u8, cv2.COLOR_RGB2GRAY)
    below_white = cv2.compare(luma, _HIGHLIGHT, cv2.CMP_LT)
    count = cv2.countNonZero(below_white)
    brightness = cv2.mean(luma, mask=below_white)[0] / 255.0 if count else 1.0
    shadows = cv2.countNonZero(cv2.compare(luma, _SHADOW, cv2.CMP_LE))
    return {
        "brightness": round(brightness, 3),
        "shadows": round(shadows / luma.size, 3),
        "highlights": round(1.0 - count / luma.size, 3),
    }
