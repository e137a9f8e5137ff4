"""The origin of a picture in XMP."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from packshot.imaging.xmp import (
    DIGITAL_SOURCE_TYPES,
    TRAINED_ALGORITHMIC_MEDIA,
    Origin,
    origin_packet,
    read_origin,
)

ORIGIN = Origin(digital_source_type=TRAINED_ALGORITHMIC_MEDIA, software='a "tool" <1> & more')
ELEMENTS = f"""<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF
 xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description rdf:about=''
 xmlns:e='http://iptc.org/std/Iptc4xmpExt/2008-02-29/' xmlns:q='http://ns.adobe.com/xap/1.0/'>
 <e:DigitalSourceType>{DIGITAL_SOURCE_TYPES}algorithmicMedia</e:DigitalSourceType>
 <q:CreatorTool>Other 2</q:CreatorTool></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end='w'?>"""


def opened(packet: bytes) -> Image.Image:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, "JPEG", xmp=packet)
    return Image.open(buffer)


def test_what_is_written_is_read() -> None:
    assert read_origin(opened(origin_packet(ORIGIN))) == ORIGIN
    assert origin_packet(ORIGIN) == origin_packet(ORIGIN)


def test_other_programs_write_elements() -> None:
    origin = read_origin(opened(ELEMENTS.encode()))
    assert origin == Origin(
        digital_source_type=f"{DIGITAL_SOURCE_TYPES}algorithmicMedia", software="Other 2"
    )


@pytest.mark.parametrize(
    "packet",
    [
        b"not xml",
        b"<x/>",
        ELEMENTS.replace("algorithmicMedia", "two words").encode(),
        ELEMENTS.replace(DIGITAL_SOURCE_TYPES, "http://elsewhere/").encode(),
        b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" + ELEMENTS.encode(),
        (ELEMENTS.replace("Other 2", 40_000 * " x")).encode(),
    ],
    ids=["no XML", "empty", "no term", "other vocabulary", "document type", "too long"],
)
def test_what_cannot_be_read_counts_as_nothing(packet: bytes) -> None:
    if len(packet) < 65_000:
        assert read_origin(opened(packet)) == Origin()
    else:
        picture = Image.new("RGB", (8, 8))
        picture.info["xmp"] = packet
        assert read_origin(picture) == Origin()


def test_photos_say_nothing() -> None:
    assert origin_packet(Origin()) == b""
    assert read_origin(Image.new("RGB", (8, 8))) == Origin()


def test_only_terms_of_the_vocabulary_are_written() -> None:
    with pytest.raises(ValueError, match="must be a term of http://cv"):
        Origin(digital_source_type="made by a machine")
