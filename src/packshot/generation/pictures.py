"""Samples to marked, encoded files with their facts, and what is said of a whole request."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

from packshot.generation.provenance import generated_rights
from packshot.generation.requests import GenerationRequest
from packshot.generation.screening import Sample, Screening
from packshot.generation.watermark import THRESHOLD, WATERMARK, confidence, marked
from packshot.imaging.encoding import encode


@dataclass(frozen=True, kw_only=True)
class GeneratorVersion:
    """Which generator makes the pictures.

    Attributes:
        model: Served as.
        version: Its version; 0 where it is unknown.
        weights: First 12 hexadecimal digits of the SHA-256 of its weights; empty if unknown.
    """

    model: str
    version: int = 0
    weights: str = ""


class GeneratedFacts(TypedDict):
    """The OUTPUT_FACTS JSON object of one generated picture.

    ``score`` is that of the pixels before they were marked and encoded, None where no MIN_SCORE
    was sent; ``tries`` counts the candidates made for this one; ``watermark`` is the name of the
    mark, empty where the picture could not hold it, and ``watermark_confidence`` how far above
    chance it is heard.
    """

    format: str
    width: int
    height: int
    bytes: int
    category: str
    seed: int
    truncation: float
    scale: int
    score: float | None
    tries: int
    watermark: str
    watermark_confidence: float
    model: str
    model_version: int
    weights: str
    software: str
    digital_source_type: str


class Summary(TypedDict):
    """The SUMMARY JSON object: what was asked for, and what became of it so far.

    ``complete`` is whether all pictures are there, ``final`` whether no more will come, ``message``
    what a person should know, empty where there is nothing.
    """

    category: str
    seed: int
    truncation: float
    scale: int
    min_score: float | None
    requested: int
    returned: int
    tried: int
    best_refused: float | None
    complete: bool
    final: bool
    message: str


@lru_cache(maxsize=1)
def software_name() -> str:
    """What writes the files: ``packshot`` and its version."""
    return f"packshot {importlib.metadata.version('packshot')}"


def finished(
    sample: Sample, request: GenerationRequest, version: GeneratorVersion
) -> tuple[bytes, GeneratedFacts]:
    """Mark and encode a sample.

    Args:
        sample: A picture that was good enough.
        request: What it was made for.
        version: What it was made by.

    Returns:
        The file, and its facts.
    """
    pixels = marked(sample.pixels_hwc_u8)
    heard = confidence(pixels)
    rights = generated_rights(software_name())
    encoded = encode(pixels, request.output, "PNG", rights)
    facts: GeneratedFacts = {
        "format": encoded.facts["format"],
        "width": encoded.facts["width"],
        "height": encoded.facts["height"],
        "bytes": encoded.facts["bytes"],
        "category": request.category,
        "seed": sample.seed,
        "truncation": _rounded(request.truncation),
        "scale": request.scale,
        "score": None if sample.score is None else _rounded(sample.score),
        "tries": sample.tries,
        "watermark": WATERMARK if heard >= THRESHOLD else "",
        "watermark_confidence": _rounded(heard),
        "model": version.model,
        "model_version": version.version,
        "weights": version.weights,
        "software": rights.origin.software,
        "digital_source_type": rights.origin.digital_source_type,
    }
    return encoded.data, facts


def summary_of(screening: Screening, *, final: bool) -> Summary:
    """How far a request has come."""
    request = screening.request
    return {
        "category": request.category,
        "seed": request.seed,
        "truncation": _rounded(request.truncation),
        "scale": request.scale,
        "min_score": None if request.min_score is None else _rounded(request.min_score),
        "requested": request.count,
        "returned": screening.returned,
        "tried": screening.tried,
        "best_refused": _or_none(screening.best_refused),
        "complete": screening.returned == request.count,
        "final": final,
        "message": _message(screening) if final else "",
    }


def _message(screening: Screening) -> str:
    request = screening.request
    if screening.returned == request.count or request.min_score is None:
        return ""
    best = screening.best_refused
    text = (
        f"{screening.returned} of {request.count} pictures reached MIN_SCORE "
        f"{request.min_score:g} in {screening.tried} tries"
    )
    if best is not None:
        text += f"; the best of the others scored {best:.1f}"
    return f"{text}. Ask for a lower MIN_SCORE or a lower TRUNCATION, or try another SEED."


def _rounded(value: float) -> float:
    # FP32 tensors make 0.699999988079071 of 0.7.
    return round(value, 4)


def _or_none(value: float | None) -> float | None:
    return None if value is None else _rounded(value)
