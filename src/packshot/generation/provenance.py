"""Saying in a file that a machine made the picture, and reading that back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from packshot.generation.watermark import THRESHOLD, WATERMARK, confidence
from packshot.imaging.decode import decode
from packshot.imaging.metadata import Rights, read_rights
from packshot.imaging.xmp import DIGITAL_SOURCE_TYPES, TRAINED_ALGORITHMIC_MEDIA, Origin

_GENERATED_TYPES: Final = frozenset(
    f"{DIGITAL_SOURCE_TYPES}{word}"
    for word in (
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "algorithmicMedia",
    )
)


def generated_rights(software: str) -> Rights:
    """What is written into a generated picture: trainedAlgorithmicMedia, and what made it."""
    origin = Origin(digital_source_type=TRAINED_ALGORITHMIC_MEDIA, software=software)
    return Rights(origin=origin)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a picture file says of its origin.

    Attributes:
        generated: Whether the mark or the metadata says that a machine made it. False proves
            nothing: metadata is easily lost, and the mark does not survive cropping.
        watermark: Name of the mark that was found, empty where none was.
        confidence: How far above chance the mark is heard, in standard deviations.
        threshold: From where on it counts.
        digital_source_type: IPTC's term, whole; empty where none is stated.
        software: What the file says it was made by; empty where it says nothing.
    """

    generated: bool
    watermark: str
    confidence: float
    threshold: float
    digital_source_type: str
    software: str

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def verify(data: bytes) -> Provenance:
    """Look for the mark and the metadata of a generated picture.

    Args:
        data: The encoded file (JPEG, PNG, WebP, GIF, BMP or TIFF).

    Returns:
        What was found.

    Raises:
        packshot.errors.ImageError: It is no picture, or too large, or damaged.
    """
    heard = confidence(decode(data).pixels_hwc_u8)
    origin = read_rights(data).origin
    found = heard >= THRESHOLD
    return Provenance(
        generated=found or origin.digital_source_type in _GENERATED_TYPES,
        watermark=WATERMARK if found else "",
        confidence=round(heard, 2),
        threshold=THRESHOLD,
        digital_source_type=origin.digital_source_type,
        software=origin.software,
    )
