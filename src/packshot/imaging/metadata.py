"""Metadata of photos: what must go before a picture is shown to strangers, and what may stay.

Phones write where a photo was taken, the serial numbers of camera and lens, the owner's name and
a thumbnail of the picture before it was cropped. All of it goes. What stays is what the pixels
need (ICC profile, orientation, Adobe's colour transform), who holds the rights, and that a
machine made the picture, where it says so (``packshot.imaging.xmp``).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

from PIL import Image

from packshot.errors import CorruptImageError
from packshot.imaging.formats import Format, detect_format
from packshot.imaging.orientation import UPRIGHT
from packshot.imaging.xmp import JPEG_XMP_HEADER, Origin, origin_packet, png_xmp_chunk, read_origin

_ORIENTATION, _SOFTWARE, _ARTIST, _COPYRIGHT = 0x0112, 0x0131, 0x013B, 0x8298

# JPEG segments: JFIF, ICC profile, Adobe. All other APPn and comments are private or useless.
_JFIF, _ICC, _ADOBE, _COMMENT = 0xE0, 0xE2, 0xEE, 0xFE
_SCAN, _END = 0xDA, 0xD9

# Chunks that change how the pixels look, and the picture itself (PNG 3rd edition, 11).
_PNG_KEPT: Final = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP",
     b"sBIT", b"pHYs", b"bKGD", b"acTL", b"fcTL", b"fdAT"}
)  # fmt: skip
_WEBP_DROPPED: Final = frozenset({b"EXIF", b"XMP "})
_WEBP_EXIF_FLAG, _WEBP_XMP_FLAG = 0x08, 0x04


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Who holds the rights in a picture, as EXIF says, and whether a machine made it, as XMP says.

    Taking either away is unlawful in places.

    Attributes:
        artist: EXIF Artist.
        copyright: EXIF Copyright.
        origin: Empty for photos.
    """

    artist: str = ""
    copyright: str = ""
    origin: Origin = field(default_factory=Origin)

    def exif(self, orientation: int = UPRIGHT) -> bytes:
        """An EXIF block with these and the orientation; empty where there is nothing to say."""
        block = Image.Exif()
        if self.origin.software:
            block[_SOFTWARE] = self.origin.software
        if self.artist:
            block[_ARTIST] = self.artist
        if self.copyright:
            block[_COPYRIGHT] = self.copyright
        if orientation != UPRIGHT:
            block[_ORIENTATION] = orientation
        return block.tobytes() if len(block) else b""

    def xmp(self) -> bytes:
        """An XMP packet with the origin; empty where there is nothing to say."""
        return origin_packet(self.origin)


def read_rights(data: bytes) -> Rights:
    """The rights in a picture file; empty where there are none, or its metadata is broken."""
    try:
        with Image.open(BytesIO(data)) as image:
            exif = image.getexif()
            return Rights(
                artist=_text(exif.get(_ARTIST)),
                copyright=_text(exif.get(_COPYRIGHT)),
                origin=read_origin(image),
            )
    except Exception:  # noqa: BLE001 - Pillow raises almost anything on damaged blocks
        return Rights()


def without_private_metadata(data: bytes, orientation: int) -> bytes | None:
    """The same picture, bit by bit, without private metadata.

    Args:
        data: A sound picture file.
        orientation: Its EXIF orientation, 1-8, which is kept.

    Returns:
        The file; None where that cannot be done without encoding anew: GIF, BMP and TIFF.

    Raises:
        CorruptImageError: The file's structure is damaged.
    """
    strip = _STRIPPERS.get(detect_format(data))
    if strip is None:
        return None
    try:
        rights = read_rights(data)
        return strip(data, rights.exif(orientation), rights.xmp())
    except (struct.error, IndexError) as error:
        raise CorruptImageError(
            f"The file is damaged ({error}). Export or upload the photo again."
        ) from error


def _text(value: object) -> str:
    return value.strip("\0 ")[:200] if isinstance(value, str) else ""


def _stripped_jpeg(data: bytes, exif: bytes, xmp: bytes) -> bytes:
    kept = [data[:2]]
    bodies = [b"Exif\0\0" + exif.removeprefix(b"Exif\0\0")] if exif else []
    bodies += [JPEG_XMP_HEADER + xmp] if xmp else []
    kept += [b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body for body in bodies]
    position = 2
    while data[position + 1] not in (_SCAN, _END):
        if data[position] != 0xFF or data[position + 1] in (0x00, 0xFF):
            position += 1  # Stray bytes and fill between segments.
            continue
        marker = data[position + 1]
        (length,) = struct.unpack_from(">H", data, position + 2)
        segment = data[position : position + 2 + length]
        private = 0xE0 <= marker <= 0xEF or marker == _COMMENT
        wanted = marker in (_JFIF, _ADOBE) or (
            marker == _ICC and segment[4:].startswith(b"ICC_PROFILE\0")
        )
        if wanted or not private:
            # JFIF is to come first, before EXIF.
            kept.insert(1 if marker == _JFIF else len(kept), segment)
        position += 2 + length
    # What follows the picture's end is a phone's video or a second, larger picture.
    end = _jpeg_end(data, position)
    return b"".join([*kept, data[position:end]])


def _jpeg_end(data: bytes, position: int) -> int:
    # Inside a scan, 0xFF is followed by 0x00 or a restart marker: anything else ends it.
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            return len(data)
        marker = data[position + 1]
        if marker == _END:
            return position + 2
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD7:
            position += 2 if marker != 0xFF else 1
        else:
            (length,) = struct.unpack_from(">H", data, position + 2)
            position += 2 + length


def _stripped_png(data: bytes, exif: bytes, xmp: bytes) -> bytes:
    kept = [data[:8]]
    position = 8
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind in _PNG_KEPT:
            kept.append(data[position : position + 12 + length])
        if kind == b"IHDR" and exif:
            kept.append(_png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
        if kind == b"IHDR" and xmp:
            kept.append(_png_chunk(b"iTXt", png_xmp_chunk(xmp)))
        if kind == b"IEND":
            break
        position += 12 + length
    return b"".join(kept)


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _stripped_webp(data: bytes, exif: bytes, xmp: bytes) -> bytes:
    kept: list[bytes] = []
    position = 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        end = position + 8 + length + length % 2
        if kind == b"VP8X":
            flags = data[position + 8] & ~(_WEBP_EXIF_FLAG | _WEBP_XMP_FLAG)
            flags |= (_WEBP_EXIF_FLAG if exif else 0) | (_WEBP_XMP_FLAG if xmp else 0)
            chunk = data[position : position + 8] + bytes([flags]) + data[position + 9 : end]
            kept.append(chunk)
        elif kind not in _WEBP_DROPPED:
            kept.append(data[position:end])
        position = end
    # Only the extended form (VP8X) can carry metadata, so a simple file had none to keep.
    if kept and kept[0][:4] == b"VP8X":
        for kind, body in ((b"EXIF", exif.removeprefix(b"Exif\0\0")), (b"XMP ", xmp)):
            if body:
                kept.append(struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) % 2))
    content = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(content)) + content


_STRIPPERS: Final[dict[Format, Callable[[bytes, bytes, bytes], bytes]]] = {
    "JPEG": _stripped_jpeg,
    "PNG": _stripped_png,
    "WEBP": _stripped_webp,
}
