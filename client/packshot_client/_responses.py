"""Responses: KServe v2 messages to results. No network here."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar, cast

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
from packshot_client._results import (
    Advice,
    Attributes,
    Composition,
    Grade,
    ImageFacts,
    ImageResult,
    LearnedAttributes,
    ModelState,
    ModelStatistics,
    PixelScore,
    QualityMap,
    QualityResult,
    Reason,
)

VERDICT_SCHEMA: Final = 1
"""The version of the VERDICT JSON that this client reads."""

_LENGTH: Final = struct.Struct("<I")
_NANOSECONDS_PER_MS: Final = 1e6
_T = TypeVar("_T")


class UnreadableError(ValueError):
    """The answer is not what the contract says. Becomes an ``InvalidResponseError``."""


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


class _Schema(msgspec.Struct):
    schema: int


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
            _result(response, scores[row], attributes[row * width : (row + 1) * width], verdict)
            for row, verdict in enumerate(verdicts)
        ]
    )


def pixel_scores(response: Any) -> tuple[PixelScore, ...]:
    """One result per image of a ``ModelInferResponse`` of ``quality_net``.

    Raises:
        UnreadableError: The answer is not what the contract says.
    """
    scores = floats(response, SCORE.name)
    count = len(scores)
    uncertainties = _rows(response, UNCERTAINTY.name, count, 1)
    attributes = _rows(response, NET_ATTRIBUTES.name, count, len(LEARNED_ATTRIBUTES))
    maps = _rows(response, QUALITY_MAP.name, count, len(LEARNED_ATTRIBUTES) * GRID * GRID)
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


def image_results(response: Any, *, image: str, info: str) -> tuple[ImageResult, ...]:
    """One image and its JSON per item of a ``ModelInferResponse``.

    Args:
        response: The answer of a model that makes images.
        image: Name of the BYTES output with the encoded files.
        info: Name of the BYTES output with the JSON objects.

    Raises:
        UnreadableError: The answer is not that.
    """
    images = byte_elements(response, image)
    infos = byte_elements(response, info)
    if len(images) != len(infos):
        raise UnreadableError(f"{len(images)} of {image} and {len(infos)} of {info}")
    return tuple(
        ImageResult(
            data=data,
            info=decoded(text, dict[str, Any], info),
            model=response.model_name,
            model_version=response.model_version,
            request_id=response.id,
        )
        for data, text in zip(images, infos, strict=True)
    )


def model_states(response: Any) -> tuple[ModelState, ...]:
    """The models of a ``RepositoryIndexResponse``, by name and version."""
    found = [
        ModelState(name=m.name, version=m.version, state=m.state, reason=m.reason)
        for m in response.models
    ]
    return tuple(sorted(found, key=lambda model: (model.name, len(model.version), model.version)))


def model_statistics(response: Any) -> tuple[ModelStatistics, ...]:
    """The models of a ``ModelStatisticsResponse``, by name and version."""
    found = []
    for model in response.model_stats:
        times = model.inference_stats
        compute = times.compute_input.ns + times.compute_infer.ns + times.compute_output.ns
        found.append(
            ModelStatistics(
                name=model.name,
                version=model.version,
                inferences=model.inference_count,
                executions=model.execution_count,
                failures=times.fail.count,
                request_ms=_mean_ms(times.success.ns, times.success.count),
                queue_ms=_mean_ms(times.queue.ns, times.queue.count),
                compute_ms=_mean_ms(compute, times.compute_infer.count),
            )
        )
    return tuple(sorted(found, key=lambda model: (model.name, len(model.version), model.version)))


def floats(response: Any, name: str) -> tuple[float, ...]:
    """All elements of an FP32 output."""
    data = _raw(response, name, "FP32")
    if len(data) % 4:
        raise UnreadableError(f"{name} has {len(data)} bytes, expected a multiple of 4")
    return struct.unpack(f"<{len(data) // 4}f", data)


def byte_elements(response: Any, name: str) -> tuple[bytes, ...]:
    """All elements of a BYTES output."""
    data = _raw(response, name, "BYTES")
    elements: list[bytes] = []
    offset = 0
    while offset < len(data):
        start = offset + _LENGTH.size
        end = start + _LENGTH.unpack_from(data, offset)[0] if start <= len(data) else start
        if end > len(data):
            raise UnreadableError(f"{name} ends inside its element {len(elements)}")
        elements.append(data[start:end])
        offset = end
    return tuple(elements)


def decoded(data: bytes, kind: type[_T], name: str) -> _T:
    """The JSON ``data`` as ``kind``.

    Raises:
        UnreadableError: It is no JSON, or not of that kind; says where.
    """
    try:
        return cast(_T, _decoder(cast(Any, kind)).decode(data))
    except msgspec.ValidationError as error:
        raise UnreadableError(f"{name} is not as agreed: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{name} is not JSON: {error}") from None


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    # Made on first use: working out the types takes longer than importing the client.
    return msgspec.json.Decoder(kind)


def _raw(response: Any, name: str, datatype: str) -> bytes:
    for index, tensor in enumerate(response.outputs):
        if tensor.name == name:
            if tensor.datatype != datatype or index >= len(response.raw_output_contents):
                raise UnreadableError(f"{name} came as {tensor.datatype}, expected raw {datatype}")
            return cast(bytes, response.raw_output_contents[index])
    names = ", ".join(tensor.name for tensor in response.outputs) or "none"
    raise UnreadableError(f"the output {name} is missing, got {names}")


def _rows(response: Any, name: str, count: int, width: int) -> list[tuple[float, ...]]:
    values = floats(response, name)
    if len(values) != count * width:
        raise UnreadableError(f"{name} has {len(values)} numbers, expected {count} x {width}")
    return [values[row * width : (row + 1) * width] for row in range(count)]


def _planes(values: tuple[float, ...]) -> QualityMap:
    rows = [values[i : i + GRID] for i in range(0, len(values), GRID)]
    return tuple(tuple(rows[i : i + GRID]) for i in range(0, len(rows), GRID))


def _mean_ms(nanoseconds: int, count: int) -> float:
    return nanoseconds / count / _NANOSECONDS_PER_MS if count else 0.0


def _result(
    response: Any, score: float, attributes: tuple[float, ...], data: bytes
) -> QualityResult:
    try:
        verdict = decoded(data, _Verdict, VERDICT.name)
    except UnreadableError:
        # If another release wrote it, that is the better explanation.
        _check_schema(decoded(data, _Schema, VERDICT.name).schema)
        raise
    _check_schema(verdict.schema)
    image = verdict.image
    return QualityResult(
        score=score,
        uncertainty=verdict.uncertainty,
        grade=verdict.grade,
        decision=verdict.decision,
        policy=verdict.policy,
        attributes=Attributes(**dict(zip(ATTRIBUTES, attributes, strict=True))),
        worst_attribute=verdict.worst_attribute,
        reasons=verdict.reasons,
        advice=verdict.advice,
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
        quality_map=verdict.quality_map,
        model=response.model_name,
        model_version=response.model_version,
        request_id=response.id,
    )


def _check_schema(schema: int) -> None:
    if schema != VERDICT_SCHEMA:
        raise UnreadableError(
            f"{VERDICT.name} has schema {schema}, this client reads schema {VERDICT_SCHEMA}"
        )
