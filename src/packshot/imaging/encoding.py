"""Pixels to an encoded file: format, quality, longest side, and only harmless metadata."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any, Final, Literal, TypedDict, get_args

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from packshot.errors import ContractError
from packshot.imaging.formats import Format
from packshot.imaging.metadata import Rights
from packshot.imaging.xmp import png_xmp_chunk

PixelArray = npt.NDArray[np.uint8]
OutputFormat = Literal["jpeg", "png", "webp"]

DEFAULT_QUALITY: Final = 92
"""Hardly to be told from the original, at a third of the bytes of 100."""

_LONGEST_SIDE: Final[dict[OutputFormat, int]] = {"jpeg": 65_535, "png": 1_000_000, "webp": 16_383}
_FULL_COLOUR_FROM: Final = 90
_NO_RIGHTS: Final = Rights()


class OutputFacts(TypedDict):
    """The OUTPUT_FACTS JSON object: what an encoded picture is."""

    format: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class EncodedImage:
    """An encoded file and its facts."""

    data: bytes
    facts: OutputFacts


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """How a picture is to be encoded.

    Attributes:
        format: None is the input's own format where it can be written, else PNG.
        quality: 1-100, for JPEG and WebP. From 90 on JPEG keeps colour at full resolution: the
            thin coloured edges of products suffer first.
        max_side: Longest side in pixels; larger pictures are shrunk. None is no limit.

    Raises:
        ContractError: A value that cannot be used.
    """

    format: OutputFormat | None = None
    quality: int = DEFAULT_QUALITY
    max_side: int | None = None

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in get_args(OutputFormat):
            raise ContractError(
                f"The output format must be one of {', '.join(get_args(OutputFormat))}, got "
                f"{self.format!r}. Leave it out to keep the input's."
            )
        if not 1 <= self.quality <= 100:
            raise ContractError(f"The output quality must be 1 to 100, got {self.quality}.")
        if self.max_side is not None and self.max_side < 1:
            raise ContractError(f"The longest side must be 1 pixel or more, got {self.max_side}.")

    def format_for(self, source: Format) -> OutputFormat:
        """The format that a picture from a file of format ``source`` is written in."""
        if self.format is not None:
            return self.format
        kept: dict[Format, OutputFormat] = {"JPEG": "jpeg", "WEBP": "webp"}
        return kept.get(source, "png")


def encode(
    image_hwc_u8: PixelArray,
    options: OutputOptions,
    source: Format,
    rights: Rights = _NO_RIGHTS,
) -> EncodedImage:
    """Encode a picture.

    The file says that its colours are sRGB, who holds the rights and whether a machine made it, and
    nothing else. The same arguments give the same bytes.

    Args:
        image_hwc_u8: [H, W, 3] uint8, sRGB, upright.
        options: Format, quality and longest side.
        source: Format of the file the picture came from.
        rights: Carried over.

    Returns:
        The file.

    Raises:
        ContractError: The format cannot hold a picture of this size.
    """
    image_hwc_u8 = shrunk_to(image_hwc_u8, options.max_side)
    height, width = image_hwc_u8.shape[:2]
    chosen = options.format_for(source)
    longest = _LONGEST_SIDE[chosen]
    if max(height, width) > longest:
        raise ContractError(
            f"The result is {width} x {height} pixels, but {chosen} holds at most {longest} a "
            "side. Ask for another format or a smaller longest side."
        )
    buffer = BytesIO()
    Image.fromarray(image_hwc_u8).save(
        buffer,
        chosen,
        icc_profile=srgb_profile(),
        **_metadata(chosen, rights),
        **_encoder_options(chosen, options.quality),
    )
    data = buffer.getvalue()
    return EncodedImage(data=data, facts=output_facts(chosen, width, height, data))


def output_facts(written: str, width: int, height: int, data: bytes) -> OutputFacts:
    """The facts of an encoded picture, its format in capitals as in the image facts."""
    return {"format": written.upper(), "width": width, "height": height, "bytes": len(data)}


def shrunk_to(image_hwc_u8: PixelArray, max_side: int | None) -> PixelArray:
    """The picture with its longest side at most ``max_side``, by area averaging; None is as is."""
    height, width = image_hwc_u8.shape[:2]
    longest = max(height, width)
    if max_side is None or longest <= max_side:
        return image_hwc_u8
    size = (
        max(1, round(width * max_side / longest)),
        max(1, round(height * max_side / longest)),
    )
    resized = cv2.resize(image_hwc_u8, size, interpolation=cv2.INTER_AREA)
    return np.asarray(resized, dtype=np.uint8)


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """An sRGB ICC profile of 0.6 kB, always the same bytes."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # LittleCMS writes the time of its creation (ICC.1:2010, 7.2.8), and so other bytes each time.
    profile[24:36] = bytes((7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))
    return bytes(profile)


def _metadata(chosen: OutputFormat, rights: Rights) -> dict[str, Any]:
    exif, xmp = rights.exif(), rights.xmp()
    found: dict[str, Any] = {"exif": exif} if exif else {}
    if not xmp:
        return found
    if chosen != "png":
        return {**found, "xmp": xmp}
    chunks = PngInfo()
    chunks.add(b"iTXt", png_xmp_chunk(xmp))
    return {**found, "pnginfo": chunks}


def _encoder_options(chosen: OutputFormat, quality: int) -> dict[str, Any]:
    if chosen == "jpeg":
        subsampling = "4:4:4" if quality >= _FULL_COLOUR_FROM else "4:2:0"
        return {"quality": quality, "subsampling": subsampling, "optimize": True}
    if chosen == "webp":
        return {"quality": quality, "method": 4}
    # The default level: 9 takes ten times as long for a few per cent.
    return {"compress_level": 6}
