"""Verdicts: responses of the quality models to results. No network here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec

from packshot.contracts import (
    ATTRIBUTE_VALUES,
    ATTRIBUTES,
    GRID,
    LEARNED_ATTRIBUTES,
    NET_ATTRIBUTES,
    QUALITY_MAP,
    SCORE,
    UNCERTAINTY,
    VERDICT,
    Decision,
)
from packshot_client._outputs import (
    UnreadableError,
    byte_elements,
    decoded,
    floats,
    rows,
    versioned,
)
from packshot_client._results import (
    Advice,
    Attributes,
    Composition,
    Grade,
    ImageFacts,
    LearnedAttributes,
    PixelScore,
    QualityMap,
    QualityResult,
    Reason,
)

VERDICT_SCHEMA: Final = 1
"""The version of the VERDICT JSON that this client reads."""


_Row = Annotated[tuple[float, ...], msgspec.Meta(min_length=GRID, max_length=GRID)]
_Plane = Annotated[tuple[_Row, ...], msgspec.Meta(min_length=GRID, max_length=GRID)]
_LEARNED: Final = len(LEARNED_ATTRIBUTES)
_Map = Annotated[tuple[_Plane, ...], msgspec.Meta(min_length=_LEARNED, max_length=_LEARNED)]


# The VERDICT JSON as it is on the wire; keys that are not here are ignored.
@dataclass(frozen=True, kw_only=True)
class _Image:
    format: str
    width: int
    height: int
    bytes: int
    megapixels: float
    color_mode: str
    animated: bool
    has_alpha: bool
    orientation: int
    icc_converted: bool
    composition: Composition


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    schema: int
    uncertainty: float
    grade: Grade
    decision: Decision
    policy: str
    worst_attribute: Literal[ATTRIBUTES]  # type: ignore[valid-type]
    reasons: tuple[Reason, ...]
    advice: tuple[Advice, ...]
    image: _Image
    quality_map: _Map | None


class _Measured(msgspec.Struct):
    attributes: Attributes


def quality_results(response: Any) -> tuple[QualityResult, ...]:
    """One result per image of a ``ModelInferResponse`` of ``quality``.

    Raises:
        UnreadableError: The answer is not what the contract says.
    """
    scores = floats(response, SCORE.name)
    attributes = floats(response, ATTRIBUTE_VALUES.name)
    verdicts = byte_elements(response, VERDICT.name)
    width = len(ATTRIBUTES)
    if not len(verdicts) == len(scores) == len(attributes) / width:
        raise UnreadableError(
            f"{len(verdicts)} verdicts, {len(scores)} scores and {len(attributes)} attributes do "
            f"not make whole results of 1, 1 and {width}"
        )
    return tuple(
        [
            _result(
                response,
                score=scores[row],
                attributes=Attributes(
                    **dict(
                        zip(ATTRIBUTES, attributes[row * width : (row + 1) * width], strict=True)
                    )
                ),
                verdict=verdict,
                name=VERDICT.name,
            )
            for row, verdict in enumerate(verdicts)
        ]
    )


def verdict_results(response: Any, scores: Sequence[float], name: str) -> tuple[QualityResult, ...]:
    """As :func:`quality_results`, of a BYTES output that is a verdict beside other outputs.

    Its attributes are those in the JSON.

    Args:
        response: Of a model that judges pictures among other things.
        scores: One for each item.
        name: Of the output.

    Raises:
        UnreadableError: The answer is not what the contract says.
    """
    verdicts = byte_elements(response, name)
    if len(verdicts) != len(scores):
        raise UnreadableError(f"{len(verdicts)} of {name} for {len(scores)} scores")
    return tuple(
        _result(
            response,
            score=score,
            attributes=decoded(verdict, _Measured, name).attributes,
            verdict=verdict,
            name=name,
        )
        for score, verdict in zip(scores, verdicts, strict=True)
    )


def pixel_scores(response: Any) -> tuple[PixelScore, ...]:
    """One result per image of a ``ModelInferResponse`` of ``quality_net``.

    Raises:
        UnreadableError: The answer is not what the contract says.
    """
    scores = floats(response, SCORE.name)
    count = len(scores)
    uncertainties = rows(response, UNCERTAINTY.name, count, 1)
    attributes = rows(response, NET_ATTRIBUTES.name, count, len(LEARNED_ATTRIBUTES))
    maps = rows(response, QUALITY_MAP.name, count, len(LEARNED_ATTRIBUTES) * GRID * GRID)
    return tuple(
        PixelScore(
            score=scores[row],
            uncertainty=uncertainties[row][0],
            attributes=LearnedAttributes(
                **dict(zip(LEARNED_ATTRIBUTES, attributes[row], strict=True))
            ),
            quality_map=_planes(maps[row]),
            model=response.model_name,
            model_version=response.model_version,
            request_id=response.id,
        )
        for row in range(count)
    )


def _planes(values: tuple[float, ...]) -> QualityMap:
    rows = [values[i : i + GRID] for i in range(0, len(values), GRID)]
    return tuple(tuple(rows[i : i + GRID]) for i in range(0, len(rows), GRID))


def _result(
    response: Any, *, score: float, attributes: Attributes, verdict: bytes, name: str
) -> QualityResult:
    found = versioned(verdict, _Verdict, VERDICT_SCHEMA, name)
    image = found.image
    return QualityResult(
        score=score,
        uncertainty=found.uncertainty,
        grade=found.grade,
        decision=found.decision,
        policy=found.policy,
        attributes=attributes,
        worst_attribute=found.worst_attribute,
        reasons=found.reasons,
        advice=found.advice,
        image=ImageFacts(
            format=image.format,
            width=image.width,
            height=image.height,
            size_bytes=image.bytes,
            megapixels=image.megapixels,
            color_mode=image.color_mode,
            animated=image.animated,
            has_alpha=image.has_alpha,
            orientation=image.orientation,
            icc_converted=image.icc_converted,
            composition=image.composition,
        ),
        quality_map=found.quality_map,
        model=response.model_name,
        model_version=response.model_version,
        request_id=response.id,
    )
