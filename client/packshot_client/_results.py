"""Results: what a caller gets back. Frozen, named, and free of wire formats."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from packshot.contracts import Decision
from packshot_client._deferred import Deferred

Grade = Literal["high", "medium", "low"]
Severity = Literal["reject", "review", "advise"]
Language = Literal["en", "zh"]

QualityMap: TypeAlias = tuple[tuple[tuple[float, ...], ...], ...]
"""[learned attribute][row][column] of the 7x7 grid over the image, each 0-1, 1 is good."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """One sentence in each language."""

    en: str
    zh: str

    def in_language(self, language: Language) -> str:
        """The sentence in ``language``."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, kw_only=True)
class LearnedAttributes:
    """The parts of quality that the network sees, each 0-1, 1 is good."""

    sharpness: float
    exposure: float
    contrast: float
    colour: float
    noise: float
    compression: float
    resolution: float

    def as_dict(self) -> dict[str, float]:
        """By name, in the order of ``packshot.contracts``."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class Attributes(LearnedAttributes):
    """The parts of quality, each 0-1, 1 is good; composition is measured, not learned."""

    composition: float


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One rule of the policy that the image does not meet.

    Attributes:
        rule: Name of the rule, such as ``"score.min"``.
        attribute: Which attribute it is about, if one.
        severity: What the rule asks for.
        measured: What the image has.
        expected: What the rule wants.
        message: Both, as a sentence.
        source: Where the rule comes from: a document of the marketplace, or our own measurement.
        weight: How much it matters among the reasons; the largest comes first.
    """

    rule: str
    attribute: str | None
    severity: Severity
    measured: float | str | None
    expected: str
    message: Text
    source: str
    weight: float


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What the photographer can do.

    Attributes:
        attribute: Which attribute it helps, if one.
        cause: Short name of what is wrong.
        text: What to do.
    """

    attribute: str | None
    cause: str
    text: Text


@dataclass(frozen=True, kw_only=True)
class Composition:
    """How the product sits in the frame.

    Attributes:
        score: 0-1, 1 is good.
        background_plain: Whether the background is one even surface.
        background_uniformity: 0-1.
        background_whiteness: 0-1.
        fill_ratio: Share of the frame that the product takes, 0-1.
        centre_offset: Distance of the product's centre from the frame's.
        touches_edge: Whether the product is cut by the frame.
        border: Whether a frame is drawn around the image.

    ``None`` where no product could be told from its background.
    """

    score: float
    background_plain: bool
    background_uniformity: float
    background_whiteness: float
    fill_ratio: float | None
    centre_offset: float | None
    touches_edge: bool | None
    border: bool


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What the file is.

    Attributes:
        format: Such as ``"JPEG"``.
        width, height: Pixels, after EXIF orientation.
        size_bytes: Encoded size.
        megapixels: Millions of pixels.
        color_mode: Of the file, such as ``"RGB"`` or ``"CMYK"``.
        animated: Whether there is more than one frame; the first is scored.
        has_alpha: Whether it is transparent; scored over white.
        orientation: EXIF orientation, 1-8.
        icc_converted: Whether an embedded profile was converted to sRGB.
        composition: How the product sits in the frame.
    """

    format: str
    width: int
    height: int
    size_bytes: int
    megapixels: float
    color_mode: str
    animated: bool
    has_alpha: bool
    orientation: int
    icc_converted: bool
    composition: Composition


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityResult(Deferred):
    """The verdict on one image.

    Attributes:
        score: 0-100, higher is better.
        uncertainty: Expected absolute error of ``score``, in points.
        grade: ``score`` in one word.
        decision: What the policy makes of it.
        policy: Which policy that is.
        attributes: The parts of quality.
        worst_attribute: Name of the lowest one.
        reasons: Why it is not accepted, or could be better; the weightiest first.
        advice: What to do about it.
        image: What the file is.
        quality_map: Where the faults are; ``None`` if the server does not tell.
        model: Model that answered.
        model_version: Its version.
        request_id: Also in the server's log.
    """

    score: float
    uncertainty: float
    grade: Grade
    decision: Decision
    policy: str
    attributes: Attributes
    worst_attribute: str
    reasons: tuple[Reason, ...]
    advice: tuple[Advice, ...]
    image: ImageFacts
    quality_map: QualityMap | None
    model: str
    model_version: str
    request_id: str

    def as_dict(self) -> dict[str, Any]:
        """Everything as dicts, lists, numbers and texts, ready for ``json.dumps``."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class PixelScore:
    """What the network alone says about pixels: no policy, no decision, no advice.

    Attributes:
        score: 0-100, higher is better.
        uncertainty: Expected absolute error of ``score``, in points.
        attributes: The parts of quality.
        quality_map: Where the faults are.
        model: Model that answered.
        model_version: Its version.
        request_id: Also in the server's log.
    """

    score: float
    uncertainty: float
    attributes: LearnedAttributes
    quality_map: QualityMap
    model: str
    model_version: str
    request_id: str
