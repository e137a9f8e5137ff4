"""Sheets: many generated pictures on one, which says of itself that it was generated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from PIL import Image, PngImagePlugin

from packshot_client._exceptions import ConfigError
from packshot_client._pictures import SUFFIXES, GeneratedPicture

_GAP: Final = 4
_QUALITY: Final = 95
_PNG_XMP: Final = "XML:com.adobe.xmp"


def sheet_format(path: Path) -> str:
    """The format that a sheet of this name is written in.

    Raises:
        ConfigError: Its ending is none of a format that sheets are written in.
    """
    for name, endings in SUFFIXES.items():
        if path.suffix.lower() in endings:
            return name
    known = ", ".join(endings[0] for endings in SUFFIXES.values())
    raise ConfigError(f"a sheet must end in {known}, got {path.name}")


def sheet_file(pictures: Sequence[GeneratedPicture], picture_format: str) -> bytes:
    """The pictures in rows, as near to a square as they go, on white.

    The marks in their pixels cannot be counted on in a sheet, so its metadata says what they say.

    Args:
        pictures: One or more, all of one size.
        picture_format: ``"JPEG"``, ``"PNG"`` or ``"WEBP"``.
    """
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    width, height = pictures[0].width + _GAP, pictures[0].height + _GAP
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), "white")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        with Image.open(BytesIO(picture.data)) as opened:
            sheet.paste(opened.convert("RGB"), (column * width + _GAP, row * height + _GAP))
    packet = _origin_packet(pictures[0])
    buffer = BytesIO()
    if picture_format == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt(_PNG_XMP, packet)
        sheet.save(buffer, picture_format, pnginfo=texts)
    else:
        sheet.save(buffer, picture_format, quality=_QUALITY, xmp=packet.encode())
    return buffer.getvalue()


def _origin_packet(picture: GeneratedPicture) -> str:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        f" Iptc4xmpExt:DigitalSourceType={quoteattr(picture.digital_source_type)}"
        f" xmp:CreatorTool={quoteattr(picture.software)}/>"
        "</rdf:RDF></x:xmpmeta>"
    )
