"""Encoded bytes to upright 8-bit sRGB pixels, within limits checked before decoding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from packshot.imaging.colour import needs_conversion, to_srgb
from packshot.imaging.formats import Format, detect_format
from packshot.imaging.jpeg import JpegHeader, UnusualJpegError, decode_pixels, read_header
from packshot.imaging.limits import Limits
from packshot.imaging.orientation import turn_upright
from packshot.imaging.raster import decode_raster

PixelArray = npt.NDArray[np.uint8]

_DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodedImage:
    """Pixels, and what the file's header said.

    Attributes:
        pixels_hwc_u8: [H, W, 3] uint8, RGB in sRGB, 0-255, C-contiguous, upright, without alpha.
        format: Format of the file.
        byte_count: Size of the encoded file.
        color_mode: Pillow's name for the file's colour mode: ``RGB``, ``L``, ``P``, ``CMYK``, ...
        animated: The file holds more frames or pages; these pixels are the first.
        has_alpha: The file carries transparency; it was laid over white.
        orientation: EXIF orientation of the file, 1-8, undone in the pixels.
        icc_converted: An embedded profile other than sRGB was converted.
    """

    pixels_hwc_u8: PixelArray
    format: Format
    byte_count: int
    color_mode: str
    animated: bool = False
    has_alpha: bool = False
    orientation: int = 1
    icc_converted: bool = False

    @property
    def width(self) -> int:
        """Width in pixels, upright."""
        return int(self.pixels_hwc_u8.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels, upright."""
        return int(self.pixels_hwc_u8.shape[0])


def decode(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> DecodedImage:
    """Decode a JPEG, PNG, WebP, GIF, BMP or TIFF file.

    Animations give their first frame. Grey, palette, CMYK, CIELAB and 16-bit pictures become 8-bit
    RGB; alpha is laid over white; EXIF orientation is undone; an embedded ICC profile is converted
    to sRGB, and ignored when broken.

    Args:
        data: The encoded file.
        limits: Largest file and picture taken.

    Returns:
        The pixels and the header's facts.

    Raises:
        EmptyImageError: No bytes.
        ImageTooLargeError: Above ``limits``, told from the header before decoding.
        UnsupportedFormatError: Not a format, or not a variant of one, that is read.
        CorruptImageError: Cut short or damaged.
    """
    limits.check_bytes(len(data))
    picture_format = detect_format(data)
    if picture_format == "JPEG":
        return _decode_jpeg(data, limits)
    return _decode_other(data, picture_format, limits)


def _decode_jpeg(data: bytes, limits: Limits) -> DecodedImage:
    header = read_header(data)
    limits.check_size(header.width, header.height)
    if header.components == 4:
        return _decode_other(data, "JPEG", limits)
    try:
        pixels = decode_pixels(data)
    except UnusualJpegError:
        return _decode_other(data, "JPEG", limits)
    pixels, converted = _managed(pixels, header)
    return DecodedImage(
        pixels_hwc_u8=turn_upright(pixels, header.orientation),
        format="JPEG",
        byte_count=len(data),
        color_mode="L" if header.components == 1 else "RGB",
        orientation=header.orientation,
        icc_converted=converted,
    )


def _managed(pixels_hwc_u8: PixelArray, header: JpegHeader) -> tuple[PixelArray, bool]:
    grey = header.components == 1
    if not needs_conversion("L" if grey else "RGB", header.icc_profile):
        return pixels_hwc_u8, False
    stored = Image.fromarray(pixels_hwc_u8[:, :, 0] if grey else pixels_hwc_u8)
    image, converted = to_srgb(stored, header.icc_profile)
    return (np.array(image, dtype=np.uint8), True) if converted else (pixels_hwc_u8, False)


def _decode_other(data: bytes, picture_format: Format, limits: Limits) -> DecodedImage:
    raster = decode_raster(data, picture_format, limits)
    return DecodedImage(
        pixels_hwc_u8=turn_upright(raster.pixels_hwc_u8, raster.turn),
        format=picture_format,
        byte_count=len(data),
        color_mode=raster.color_mode,
        animated=raster.animated,
        has_alpha=raster.has_alpha,
        orientation=raster.orientation,
        icc_converted=raster.icc_converted,
    )
