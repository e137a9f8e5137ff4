"""Which picture format some bytes are, told from their first bytes alone."""

from __future__ import annotations

from typing import Final, Literal

from packshot.errors import UnsupportedFormatError

Format = Literal["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]

SUPPORTED: Final[tuple[Format, ...]] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Formats that are read, as named in the image facts."""

_SIGNATURES: Final[tuple[tuple[bytes, Format], ...]] = (
    (b"\xff\xd8", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"BM", "BMP"),
)

# Files that sellers do send by mistake: a name in the message saves them a search.
_FOREIGN_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"%PDF", "a PDF document"),
    (b"8BPS", "a Photoshop file"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x00\x00\x01\x00", "an ICO icon"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\x1aE\xdf\xa3", "a video"),
)

_BRANDS: Final[dict[bytes, str]] = {
    b"heic": "a HEIC photo",
    b"heix": "a HEIC photo",
    b"hevc": "a HEIC photo",
    b"mif1": "a HEIF photo",
    b"msf1": "a HEIF photo",
    b"avif": "an AVIF picture",
    b"avis": "an AVIF picture",
}

_WAY_OUT: Final = (
    "Save it as JPEG or PNG and send that (JPEG, PNG, WebP, GIF, BMP and TIFF are read)."
)


def detect_format(data: bytes) -> Format:
    """The format of an encoded picture.

    Args:
        data: The encoded file; the first 16 bytes suffice.

    Returns:
        One of ``SUPPORTED``.

    Raises:
        UnsupportedFormatError: The bytes begin like none of them.
    """
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    raise UnsupportedFormatError(
        f"This is {_foreign_name(data)}, not a picture we read. {_WAY_OUT}"
    )


def _foreign_name(data: bytes) -> str:
    for signature, name in _FOREIGN_SIGNATURES:
        if data.startswith(signature):
            return name
    if data[4:8] == b"ftyp":
        return _BRANDS.get(bytes(data[8:12]), "a video")
    start = data[:256].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page (perhaps the download failed)"
    if start.startswith((b"<svg", b"<?xml")):
        return "an SVG drawing or XML text"
    return f"an unknown kind of file (it begins with the bytes {bytes(data[:8]).hex(' ')})"
