"""From an encoded file to everything the quality network and the verdict need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from packshot.imaging.decode import DecodedImage, decode
from packshot.imaging.facts import Facts, gather_facts
from packshot.imaging.limits import Limits
from packshot.imaging.views import fragments, global_view

PixelArray = npt.NDArray[np.uint8]

_DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedImage:
    """The network's two views of a photo, and its facts.

    Attributes:
        global_view: [224, 224, 3] uint8, sRGB: the whole frame.
        fragments: [224, 224, 3] uint8, sRGB: the mosaic of native-resolution patches.
        facts: The FACTS JSON object.
    """

    global_view: PixelArray
    fragments: PixelArray
    facts: Facts


def prepare(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> PreparedImage:
    """Decode a photo, cut its two views and gather its facts.

    The one path to the network's input: the served ``decode_image``, training and the tests all
    call it.

    Args:
        data: The encoded file (JPEG, PNG, WebP, GIF, BMP or TIFF).
        limits: Largest file and picture taken.

    Returns:
        The views and facts.

    Raises:
        EmptyImageError: No bytes.
        ImageTooLargeError: Above ``limits``, told before decoding.
        UnsupportedFormatError: Not a format that is read.
        CorruptImageError: Cut short or damaged.
    """
    return prepare_decoded(decode(data, limits))


def prepare_decoded(image: DecodedImage) -> PreparedImage:
    """As ``prepare``, of a photo that is decoded already."""
    whole = global_view(image.pixels_hwc_u8)
    return PreparedImage(
        global_view=whole,
        fragments=fragments(image.pixels_hwc_u8),
        facts=gather_facts(image, whole),
    )
