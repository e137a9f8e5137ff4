"""Responses: KServe v2 messages to results. No network here."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast, get_args

from packshot.contracts import (
    ATTRIBUTE_VALUES,
    ATTRIBUTES,
    DECISIONS,
    GRID,
    LEARNED_ATTRIBUTES,
    SCORE,
    VERDICT,
    Decision,
)
from packshot_client._results import (
    Advice,
    Attributes,
    Composition,
    Grade,
    ImageFacts,
    QualityMap,
    QualityResult,
    Reason,
    Severity,
    Text,
)

VERDICT_SCHEMA: Final = 1
"""The version of the VERDICT JSON that this client reads."""

_LENGTH: Final = struct.Struct("<I")
_ItemT = TypeVar("_ItemT")


class UnreadableError(ValueError):
    """The answer is not what the contract says. Becomes an ``InvalidResponseError``."""


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
        _result(response, scores[row], attributes[row * width : (row + 1) * width], verdict)
        for row, verdict in enumerate(verdicts)
    )


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


def _raw(response: Any, name: str, datatype: str) -> bytes:
    for index, tensor in enumerate(response.outputs):
        if tensor.name == name:
            if tensor.datatype != datatype or index >= len(response.raw_output_contents):
                raise UnreadableError(f"{name} came as {tensor.datatype}, expected raw {datatype}")
            return cast(bytes, response.raw_output_contents[index])
    names = ", ".join(tensor.name for tensor in response.outputs) or "none"
    raise UnreadableError(f"the output {name} is missing, got {names}")


def _result(
    response: Any, score: float, attributes: tuple[float, ...], verdict: bytes
) -> QualityResult:
    try:
        fields = Fields(json.loads(verdict), VERDICT.name)
    except ValueError as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(f"{VERDICT.name} is not JSON: {error}") from None
    schema = fields.whole("schema")
    if schema != VERDICT_SCHEMA:
        raise UnreadableError(
            f"{VERDICT.name} has schema {schema}, this client reads schema {VERDICT_SCHEMA}"
        )
    return QualityResult(
        score=score,
        uncertainty=fields.number("uncertainty"),
        grade=cast(Grade, fields.choice("grade", get_args(Grade))),
        decision=cast(Decision, fields.choice("decision", DECISIONS)),
        policy=fields.text("policy"),
        attributes=Attributes(**dict(zip(ATTRIBUTES, attributes, strict=True))),
        worst_attribute=fields.choice("worst_attribute", ATTRIBUTES),
        reasons=fields.items("reasons", _reason),
        advice=fields.items("advice", _advice),
        image=_image(fields.fields("image")),
        quality_map=_quality_map(fields.value("quality_map")),
        model=response.model_name,
        model_version=response.model_version,
        request_id=response.id,
    )


def _reason(fields: Fields) -> Reason:
    measured = fields.value("measured")
    if measured is not None and not isinstance(measured, str):
        measured = fields.number("measured")
    return Reason(
        rule=fields.text("rule"),
        attribute=fields.text_or_none("attribute"),
        severity=cast(Severity, fields.choice("severity", get_args(Severity))),
        measured=measured,
        expected=fields.text("expected"),
        message=_text(fields.fields("message")),
        source=fields.text("source"),
        weight=fields.number("weight"),
    )


def _advice(fields: Fields) -> Advice:
    return Advice(
        attribute=fields.text_or_none("attribute"),
        cause=fields.text("cause"),
        text=_text(fields.fields("text")),
    )


def _text(fields: Fields) -> Text:
    return Text(en=fields.text("en"), zh=fields.text("zh"))


def _image(fields: Fields) -> ImageFacts:
    return ImageFacts(
        format=fields.text("format"),
        width=fields.whole("width"),
        height=fields.whole("height"),
        size_bytes=fields.whole("bytes"),
        megapixels=fields.number("megapixels"),
        color_mode=fields.text("color_mode"),
        animated=fields.flag("animated"),
        has_alpha=fields.flag("has_alpha"),
        orientation=fields.whole("orientation"),
        icc_converted=fields.flag("icc_converted"),
        composition=_composition(fields.fields("composition")),
    )


def _composition(fields: Fields) -> Composition:
    def unless_null(name: str, read: Callable[[str], _ItemT]) -> _ItemT | None:
        return None if fields.value(name) is None else read(name)

    return Composition(
        score=fields.number("score"),
        background_plain=fields.flag("background_plain"),
        background_uniformity=fields.number("background_uniformity"),
        background_whiteness=fields.number("background_whiteness"),
        fill_ratio=unless_null("fill_ratio", fields.number),
        centre_offset=unless_null("centre_offset", fields.number),
        touches_edge=unless_null("touches_edge", fields.flag),
        border=fields.flag("border"),
    )


def _quality_map(value: Any) -> QualityMap | None:
    if value is None:
        return None
    try:
        planes = tuple(tuple(tuple(float(x) for x in row) for row in plane) for plane in value)
    except (TypeError, ValueError):
        planes = ()
    if len(planes) != len(LEARNED_ATTRIBUTES) or any(
        len(plane) != GRID or any(len(row) != GRID for row in plane) for plane in planes
    ):
        raise UnreadableError(
            f"{VERDICT.name}.quality_map must be {len(LEARNED_ATTRIBUTES)} x {GRID} x {GRID} "
            f"numbers or null"
        )
    return planes


class Fields:
    """A JSON object read by name and type; its keys that nobody asks for are ignored.

    Every method raises :class:`UnreadableError`, naming the field, if it is missing or of
    another type.
    """

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(path, "an object", value)
        self._values: dict[str, Any] = value
        self._path = path

    def value(self, name: str) -> Any:
        if name not in self._values:
            raise UnreadableError(f"{self._path}.{name} is missing")
        return self._values[name]

    def text(self, name: str) -> str:
        return cast(str, self._typed(name, str, "a text"))

    def text_or_none(self, name: str) -> str | None:
        return None if self.value(name) is None else self.text(name)

    def flag(self, name: str) -> bool:
        return cast(bool, self._typed(name, bool, "true or false"))

    def whole(self, name: str) -> int:
        return cast(int, self._typed(name, int, "a whole number"))

    def number(self, name: str) -> float:
        return float(self._typed(name, (int, float), "a number"))

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        text = self.text(name)
        if text not in allowed:
            raise _wrong(f"{self._path}.{name}", "one of " + ", ".join(allowed), text)
        return text

    def fields(self, name: str) -> Fields:
        return Fields(self.value(name), f"{self._path}.{name}")

    def items(self, name: str, read: Callable[[Fields], _ItemT]) -> tuple[_ItemT, ...]:
        values = self._typed(name, list, "a list")
        path = f"{self._path}.{name}"
        return tuple(read(Fields(value, f"{path}[{i}]")) for i, value in enumerate(values))

    def _typed(self, name: str, types: type | tuple[type, ...], expected: str) -> Any:
        value = self.value(name)
        is_flag = isinstance(value, bool)
        if not isinstance(value, types) or (is_flag and types is not bool):
            raise _wrong(f"{self._path}.{name}", expected, value)
        return value


def _wrong(path: str, expected: str, value: Any) -> UnreadableError:
    return UnreadableError(f"{path} must be {expected}, got {str(value)[:80]!r}")
