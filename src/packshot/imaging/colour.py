"""Colour management: pixels of an embedded ICC profile to sRGB."""

from __future__ import annotations

import struct
from functools import lru_cache
from io import BytesIO
from typing import Final

from PIL import Image, ImageCms

_HEADER_SIZE: Final = 128
_MAX_PROFILE_BYTES: Final = 4 * 1024 * 1024
_MAX_TAGS: Final = 100

# ICC.1:2010, 7.2.6: the data colour space, bytes 16-19 of the header, by Pillow mode.
_COLOUR_SPACES: Final[dict[str, bytes]] = {"RGB": b"RGB ", "L": b"GRAY", "CMYK": b"CMYK"}

# Relative colorimetric with black point compensation is what browsers and Photoshop do.
_INTENT: Final = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS: Final = ImageCms.Flags.BLACKPOINTCOMPENSATION


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool]:
    """Convert to 8-bit sRGB through an embedded profile.

    The picture is left alone when the profile is sRGB already, belongs to another colour space
    than the pixels, or is broken: a bad profile must not fail a good picture.

    Args:
        image: Mode ``RGB``, ``L`` or ``CMYK``.
        profile: The ICC profile, or None.

    Returns:
        The image (mode ``RGB`` when converted, else as given) and whether it was converted.
    """
    if not needs_conversion(image.mode, profile) or profile is None:
        return image, False
    try:
        transform = _transform(profile, image.mode)
        converted = ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image, False
    if converted is None:
        return image, False
    return converted, True


def needs_conversion(mode: str, profile: bytes | None) -> bool:
    """Whether ``profile`` is usable for ``mode`` and differs from sRGB; costs microseconds."""
    if profile is None or not _HEADER_SIZE < len(profile) <= _MAX_PROFILE_BYTES:
        return False
    if profile[16:20] != _COLOUR_SPACES.get(mode):
        return False
    return not is_srgb(profile)


def is_srgb(profile: bytes) -> bool:
    """Whether an ICC profile calls itself sRGB.

    Nearly all embedded profiles do, and reading the description (ICC.1:2010, 9.2.41) costs
    microseconds where comparing curves costs milliseconds.
    """
    if profile[16:20] != b"RGB ":
        return False
    name = _description(profile).lower()
    return "srgb" in name and not any(other in name for other in ("linear", "e-srgb", "scrgb"))


def _description(profile: bytes) -> str:
    try:
        (tags,) = struct.unpack_from(">I", profile, _HEADER_SIZE)
        for index in range(min(tags, _MAX_TAGS)):
            entry = _HEADER_SIZE + 4 + 12 * index
            signature, offset, size = struct.unpack_from(">4sII", profile, entry)
            if signature == b"desc":
                body = profile[offset : offset + min(size, 1024)]
                # Version 2 writes ASCII, version 4 UTF-16; without NULs both read the same.
                return body.replace(b"\x00", b"").decode("latin-1")
    except struct.error:
        return ""
    return ""


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(source, target, mode, "RGB", _INTENT, _FLAGS)


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """A mode ``LAB`` picture (CIELAB TIFF) as mode ``RGB``."""
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB", _INTENT
    )
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:
        raise ValueError("the CIELAB picture could not be converted")
    return converted
