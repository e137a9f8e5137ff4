"""Verdicts: responses of the quality models to results. No network here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, cast

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
from packshot_client._deferred import filled
from packshot_client._outputs import (
    Outputs,
    UnreadableError,
    decoded,
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

_NUMERALS: Final = b"0123456789.- \t\n\r"
_MAP_FORM: Final = (
    json.dumps([[[None] * GRID] * GRID] * _LEARNED).encode().translate(None, b" null")
)


# The VERDICT JSON as it is on the wire; keys that are not here are ignored.
class _Image(msgspec.Struct):
    format: str
    width: int
    height: int
    megapixels: float
    color_mode: str
    animated: bool
    has_alpha: bool
    orientation: int
    icc_converted: bool
    composition: Composition
    size_bytes: int = msgspec.field(name="bytes")


class _Head(msgspec.Struct):
    schema: int
    uncertainty: float
    grade: Grade
    decision: Decision
    policy: str
    worst_attribute: Literal[ATTRIBUTES]  # type: ignore[valid-type]
    reasons: tuple[Reason, ...]
    advice: tuple[Advice, ...]
    image: _Image


class _Verdict(_Head):
    map_text: msgspec.Raw = msgspec.field(name="quality_map")

    @property
    def quality_map(self) -> QualityMap:
        """For a :class:`QualityResult`: it takes long to read, and few look at it."""
        return cast(QualityMap, decoded(self.map_text, cast(Any, _Map), "quality_map"))


class _VerdictWithMap(_Head):
    quality_map: _Map | None


class _Measured(msgspec.Struct):
    attributes: Attributes


def quality_results(response: Any) -> tuple[QualityResult, ...]:
    """One result per image of a ``ModelInferResponse`` of ``quality``.

    Raises:
        UnreadableError: The answer is not what the contract says.
    """
    outputs = Outputs(response)
    scores = outputs.floats(SCORE.name)
    attributes = outputs.floats(ATTRIBUTE_VALUES.name)
    verdicts = outputs.byte_elements(VERDICT.name)
    width = len(ATTRIBUTES)
    if not len(verdicts) == len(scores) == len(attributes) / width:
        raise UnreadableError(
            f"{len(verdicts)} verdicts, {len(scores)} scores and {len(attributes)} attributes do "
            f"not make whole results of 1, 1 and {width}"
        )
    found = []
    for row, verdict in enumerate(verdicts):
        measured = zip(ATTRIBUTES, attributes[row * width : (row + 1) * width], strict=True)
        judged = filled(Attributes, measured)
        found.append(_result(outputs, scores[row], judged, verdict, VERDICT.name))
    return tuple(found)


def verdict_results(
    outputs: Outputs, scores: Sequence[float], name: str
) -> tuple[QualityResult, ...]:
    """As :func:`quality_results`, of a BYTES output that is a verdict beside other outputs.

    Its attributes are those in the JSON.

    Args:
        outputs: Of a model that judges pictures among other things.
        scores: One for each item.
        name: Of the output.

    Raises:
        UnreadableError: The answer is not what the contract says.
    """
    verdicts = outputs.byte_elements(name)
    if len(verdicts) != len(scores):
        raise UnreadableError(f"{len(verdicts)} of {name} for {len(scores)} scores")
    found = []
    for score, verdict in zip(scores, verdicts, strict=True):
        judged = decoded(verdict, _Measured, name).attributes
        found.append(_result(outputs, score, judged, verdict, name))
    return tuple(found)


def pixel_scores(response: Any) -> tuple[PixelScore, ...]:
    """One result per image of a ``ModelInferResponse`` of ``quality_net``.

    Raises:
        UnreadableError: The answer is not what the contract says.
    """
    outputs = Outputs(response)
    scores = outputs.floats(SCORE.name)
    count = len(scores)
    uncertainties = outputs.rows(UNCERTAINTY.name, count, 1)
    attributes = outputs.rows(NET_ATTRIBUTES.name, count, len(LEARNED_ATTRIBUTES))
    maps = outputs.rows(QUALITY_MAP.name, count, len(LEARNED_ATTRIBUTES) * GRID * GRID)
    return tuple(
        PixelScore(
            score=scores[row],
            uncertainty=uncertainties[row][0],
            attributes=LearnedAttributes(
                **dict(zip(LEARNED_ATTRIBUTES, attributes[row], strict=True))
            ),
            quality_map=_planes(maps[row]),
            **outputs.header,
        )
        for row in range(count)
    )


def _planes(values: tuple[float, ...]) -> QualityMap:
    rows = [values[i : i + GRID] for i in range(0, len(values), GRID)]
    return tuple(tuple(rows[i : i + GRID]) for i in range(0, len(rows), GRID))


def _result(
    outputs: Outputs,
    score: float,
    attributes: Attributes,
    verdict: bytes,
    name: str,
) -> QualityResult:
    found = versioned(verdict, _Verdict, VERDICT_SCHEMA, name)
    result = QualityResult.of(found)
    keep = object.__setattr__
    keep(result, "score", score)
    keep(result, "uncertainty", found.uncertainty)
    keep(result, "grade", found.grade)
    keep(result, "decision", found.decision)
    keep(result, "policy", found.policy)
    keep(result, "attributes", attributes)
    keep(result, "worst_attribute", found.worst_attribute)
    keep(result, "reasons", found.reasons)
    keep(result, "advice", found.advice)
    keep(result, "image", filled(ImageFacts, msgspec.structs.asdict(found.image)))
    keep(result, "model", outputs.model)
    keep(result, "model_version", outputs.model_version)
    keep(result, "request_id", outputs.request_id)
    if not _is_map(bytes(found.map_text)):
        keep(result, "quality_map", decoded(verdict, _VerdictWithMap, name).quality_map)
    return result


def _is_map(text: bytes) -> bool:
    """Whether JSON is a quality map, without reading its numbers, which takes as long as all else.

    If nothing but numerals has to be left out to get the brackets and commas of a map, there is
    one number in every place of it, and reading it later cannot fail.
    """
    return text.translate(None, _NUMERALS) == _MAP_FORM
