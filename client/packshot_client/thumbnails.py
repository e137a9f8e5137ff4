"""Thumbnails: small previews that travel inside reports as data URIs."""

from __future__ import annotations

import base64
import warnings
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

SIDE: Final = 480
"""Longest side in pixels: sharp on screens of double density at the width of a card."""

_MAX_PIXELS: Final = 64_000_000
_JPEG_QUALITY: Final = 82


def thumbnail_uri(path: Path, side: int = SIDE) -> str | None:
    """A preview of the photo at ``path``, upright and over white, as a JPEG data URI.

    ``None`` if Pillow cannot read it: a report with a gap is better than none.
    """
    small = read_picture(path, side * 2)
    return None if small is None else picture_uri(small, side)


def read_picture(path: Path, side: int | None = None) -> Image.Image | None:
    """The photo at ``path``, upright, RGB over white; ``None`` if Pillow cannot read it.

    Args:
        path: Where it is.
        side: Longest side that is wanted at least; larger ones may come back, as a JPEG is
            decoded at a fraction of its size many times faster. ``None`` is the whole size.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of oversized and of slightly broken files; the server has judged them.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if image.width * image.height > _MAX_PIXELS:
                    return None
                if side is not None:
                    image.draft("RGB", (side, side))
                return _on_white(ImageOps.exif_transpose(image))
    except Exception:  # noqa: BLE001 - damaged files raise nearly anything in Pillow's decoders
        return None


def picture_uri(image: Image.Image, side: int, quality: int = _JPEG_QUALITY) -> str:
    """The picture, shrunk to ``side`` where it is larger, as a JPEG data URI."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _on_white(image: Image.Image) -> Image.Image:
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")
