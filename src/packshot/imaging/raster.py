"""Pictures read by Pillow: PNG, WebP, GIF, BMP, TIFF, and the JPEGs that simplejpeg refuses.

Pillow's plugins are called directly and not through ``Image.open``: the format is known by
then, and ``Image.open`` warns, once per process, at a pixel limit that is a global variable.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from packshot.errors import (
    CorruptImageError,
    ImageError,
    ImageTooLargeError,
    UnsupportedFormatError,
)
from packshot.imaging.colour import lab_to_srgb, to_srgb
from packshot.imaging.formats import Format
from packshot.imaging.limits import Limits
from packshot.imaging.orientation import UPRIGHT, read_orientation

PixelArray = npt.NDArray[np.uint8]

_OPENERS: Final[dict[Format, Callable[[BytesIO], ImageFile]]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}

_ORIENTATION_TAG: Final = 0x0112
_WHITE: Final = (255, 255, 255)
_DEEP_MODES: Final = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True, kw_only=True, eq=False)
class Raster:
    """Pixels as stored, with what Pillow tells of them.

    Attributes:
        pixels_hwc_u8: [H, W, 3] uint8, sRGB, C-contiguous; not yet turned by ``turn``.
        color_mode: Pillow's mode of the file: ``RGB``, ``L``, ``P``, ``CMYK``, ``I;16`` and so on.
        animated: The file holds more than one frame or page.
        has_alpha: The file carries transparency; it was laid over white.
        orientation: EXIF orientation of the file, 1-8.
        turn: The orientation still to undo: Pillow turns TIFF by itself.
        icc_converted: An embedded profile was converted to sRGB.
    """

    pixels_hwc_u8: PixelArray
    color_mode: str
    animated: bool
    has_alpha: bool
    orientation: int
    turn: int
    icc_converted: bool


def decode_raster(data: bytes, picture_format: Format, limits: Limits) -> Raster:
    """Decode the first frame with Pillow.

    Args:
        data: The encoded file.
        picture_format: Its format, told from its first bytes.
        limits: Checked against the header before any pixel is decoded.

    Returns:
        8-bit sRGB pixels and facts.

    Raises:
        ImageTooLargeError: The header promises more than ``limits`` allow.
        CorruptImageError: The file is cut short or damaged.
        UnsupportedFormatError: A variant of the format that Pillow does not read.
    """
    try:
        for width, height in _declared_sizes(data, picture_format):
            limits.check_size(width, height)
        with _OPENERS[picture_format](BytesIO(data)) as image:
            limits.check_size(*image.size)
            orientation = _orientation(image)
            image.load()
            return _to_raster(image, orientation)
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(
            f"The {picture_format} unpacks to far more pixels than it shows ({error}). "
            "Save the picture again as an ordinary JPEG or PNG."
        ) from error
    except Exception as error:
        # Pillow raises almost anything on damaged bytes: OSError, SyntaxError, struct.error, ...
        reason = str(error) or type(error).__name__
        if "nknown pixel mode" in reason or "nsupported BMP" in reason:
            raise UnsupportedFormatError(
                f"This kind of {picture_format} is not read ({reason}). "
                "Save the picture as an 8-bit JPEG or PNG."
            ) from error
        raise CorruptImageError(
            f"The {picture_format} is cut short or damaged ({reason}). "
            "Expected a complete file; export or upload the photo again."
        ) from error


def _declared_sizes(data: bytes, picture_format: Format) -> list[tuple[int, int]]:
    # Pillow's WebP and GIF plugins allocate the canvas as they open; the others only read.
    if picture_format == "WEBP":
        return [_webp_size(data)]
    if picture_format == "GIF":
        return _gif_sizes(data)
    return []


def _webp_size(data: bytes) -> tuple[int, int]:
    # https://developers.google.com/speed/webp/docs/riff_container
    (riff_size,) = struct.unpack_from("<I", data, 4)
    if riff_size + 8 > len(data):
        raise CorruptImageError(
            f"The WebP is cut short: it has {len(data)} of its {riff_size + 8} bytes. "
            "Export or upload the photo again."
        )
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _gif_sizes(data: bytes) -> list[tuple[int, int]]:
    # The first frame may be larger than the screen that the header declares (GIF89a, 20).
    width, height, packed = struct.unpack_from("<HHB", data, 6)
    position = 13 + (3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0)
    while data[position] == 0x21:
        position += 2
        while data[position]:
            position += 1 + data[position]
        position += 1
    left, top, frame_width, frame_height = struct.unpack_from("<HHHH", data, position + 1)
    return [(width, height), (left + frame_width, top + frame_height)]


def _orientation(image: ImageFile) -> int:
    if isinstance(image, TiffImageFile):
        value = image.tag_v2.get(_ORIENTATION_TAG, UPRIGHT)
        return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT
    exif = image.info.get("exif")
    return read_orientation(exif) if isinstance(exif, bytes) else UPRIGHT


def _to_raster(image: ImageFile, orientation: int) -> Raster:
    profile = image.info.get("icc_profile")
    mode = image.mode
    transparency = image.info.get("transparency")
    rgb, alpha, converted = _to_rgb(image, profile, transparency)
    if alpha is not None:
        paper = Image.new("RGB", rgb.size, _WHITE)
        paper.paste(rgb, mask=alpha)
        rgb = paper
    if isinstance(image, PngImageFile) and orientation == UPRIGHT:
        # A PNG may carry its EXIF after the pixels, so it is known only now.
        orientation = _orientation(image)
    return Raster(
        pixels_hwc_u8=np.array(rgb, dtype=np.uint8),
        color_mode=mode,
        animated=_is_animated(image),
        has_alpha=alpha is not None,
        orientation=orientation,
        turn=UPRIGHT if isinstance(image, TiffImageFile) else orientation,
        icc_converted=converted,
    )


def _to_rgb(
    image: Image.Image, profile: bytes | None, transparency: Any
) -> tuple[Image.Image, Image.Image | None, bool]:
    """Split any mode into an sRGB image, its alpha (or None), and whether ICC was converted."""
    mode = image.mode
    if mode in _DEEP_MODES:
        grey, alpha = _eight_bits(np.asarray(image), transparency)
        return grey.convert("RGB"), alpha, False
    if mode == "LAB":
        return lab_to_srgb(image), None, True
    if mode in ("La", "RGBa"):
        image = image.convert("RGBA" if mode == "RGBa" else "LA")
        mode = image.mode
    if mode in ("RGBA", "LA", "PA") or transparency is not None:
        rgba = image.convert("RGBA")
        rgb, converted = to_srgb(rgba.convert("RGB"), profile)
        return rgb, rgba.getchannel("A"), converted
    if mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    image, converted = to_srgb(image, profile)
    return image.convert("RGB"), None, converted


def _eight_bits(
    values_hw: npt.NDArray[Any], transparency: Any
) -> tuple[Image.Image, Image.Image | None]:
    """Deep grey values to mode ``L``.

    Sixteen-bit modes are scaled by 1/257. Modes ``I`` and ``F`` carry no range, so the smallest
    usual full scale that holds the largest value is taken: 1 (floats), 255, 65,535, or that value
    itself. Negative and not-a-number values are black.
    """
    grey = np.nan_to_num(values_hw.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if values_hw.dtype.itemsize == 2:
        full_scale = 65535.0
    else:
        largest = float(grey.max(initial=0.0))
        scales = (1.0, 255.0, 65535.0) if values_hw.dtype.kind == "f" else (255.0, 65535.0)
        full_scale = next((scale for scale in scales if largest <= scale), largest)
    shallow = np.clip(np.rint(grey * (255.0 / full_scale)), 0, 255).astype(np.uint8)
    alpha = None
    if isinstance(transparency, int):
        alpha = Image.fromarray(np.where(values_hw == transparency, 0, 255).astype(np.uint8))
    return Image.fromarray(shallow), alpha


def _is_animated(image: ImageFile) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except (OSError, EOFError, SyntaxError, ValueError, struct.error):
        # The first frame is whole, which is all that is judged.
        return False
