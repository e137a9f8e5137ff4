"""Whether a machine made a picture, as XMP says: written and read.

The property is ``DigitalSourceType`` of the IPTC Photo Metadata Standard 2023.2, with a term of
IPTC's own vocabulary (http://cv.iptc.org/newscodes/digitalsourcetype/); the software is
``CreatorTool`` of XMP itself (ISO 16684-1). Search engines and picture agencies read both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from PIL import Image

DIGITAL_SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""The vocabulary: terms are its address and a word."""

TRAINED_ALGORITHMIC_MEDIA: Final = f"{DIGITAL_SOURCE_TYPES}trainedAlgorithmicMedia"
"""Made by a model that was trained on pictures."""

JPEG_XMP_HEADER: Final = b"http://ns.adobe.com/xap/1.0/\0"
"""What an APP1 segment with XMP begins with (XMP specification, part 3)."""

_PNG_KEYWORD: Final = "XML:com.adobe.xmp"
_LARGEST_PACKET: Final = 65_536
_EXTENSION: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP: Final = "http://ns.adobe.com/xap/1.0/"
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TERM: Final = re.compile(re.escape(DIGITAL_SOURCE_TYPES) + r"[A-Za-z]{1,64}")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What made a picture; empty for photos.

    Attributes:
        digital_source_type: A term of ``DIGITAL_SOURCE_TYPES``, whole; empty where none is stated.
        software: Name and version of what made it.
    """

    digital_source_type: str = ""
    software: str = ""

    def __post_init__(self) -> None:
        if self.digital_source_type and not _TERM.fullmatch(self.digital_source_type):
            raise ValueError(
                f"a digital source type must be a term of {DIGITAL_SOURCE_TYPES}, got"
                f" {self.digital_source_type[:100]!r}"
            )


def origin_packet(origin: Origin) -> bytes:
    """An XMP packet, the same for the same origin; empty for an empty one."""
    if not origin.digital_source_type:
        return b""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{_RDF}"><rdf:Description rdf:about=""'
        f' xmlns:Iptc4xmpExt="{_EXTENSION}" xmlns:xmp="{_XMP}"'
        f" Iptc4xmpExt:DigitalSourceType={quoteattr(origin.digital_source_type)}"
        f" xmp:CreatorTool={quoteattr(origin.software)}/></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()


def png_xmp_chunk(packet: bytes) -> bytes:
    """The body of an iTXt chunk: keyword, not compressed, no language (PNG 3rd edition, 11.3.3)."""
    return _PNG_KEYWORD.encode() + b"\0\0\0\0\0" + packet


def read_origin(image: Image.Image) -> Origin:
    """The origin that an opened picture states; empty where it states none that can be read."""
    packet = image.info.get("xmp") or image.info.get(_PNG_KEYWORD) or b""
    text = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else str(packet)
    # No packet needs a document type, and entities in one can fill the memory.
    if not text or len(text) > _LARGEST_PACKET or "<!" in text:
        return Origin()
    try:
        root = ElementTree.fromstring(text.strip("\ufeff\0 \n"))
    except ElementTree.ParseError:
        return Origin()
    stated = _property(root, f"{{{_EXTENSION}}}DigitalSourceType")
    if not _TERM.fullmatch(stated):
        return Origin()
    software = _property(root, f"{{{_XMP}}}CreatorTool")[:200]
    return Origin(digital_source_type=stated, software=software)


def _property(root: ElementTree.Element, name: str) -> str:
    """A simple property, which may be written as an attribute or as an element."""
    for element in root.iter():
        if name in element.attrib:
            return element.attrib[name].strip()
        if element.tag == name:
            return (element.text or element.get(f"{{{_RDF}}}resource") or "").strip()
    return ""
