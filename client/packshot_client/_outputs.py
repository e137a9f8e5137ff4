"""Outputs: the tensors of a KServe v2 response as numbers, bytes and JSON. No network here."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, Final, Protocol, TypeVar, cast

import msgspec

_LENGTH: Final = struct.Struct("<I")
_T = TypeVar("_T")


class UnreadableError(ValueError):
    """The answer is not what the contract says. Becomes an ``InvalidResponseError``."""


class Versioned(Protocol):
    """A JSON object that says which form it has."""

    @property
    def schema(self) -> int: ...


_VersionedT = TypeVar("_VersionedT", bound=Versioned)


def floats(response: Any, name: str) -> tuple[float, ...]:
    """All elements of an FP32 output."""
    data = _raw(response, name, "FP32")
    if len(data) % 4:
        raise UnreadableError(f"{name} has {len(data)} bytes, expected a multiple of 4")
    return struct.unpack(f"<{len(data) // 4}f", data)


def rows(response: Any, name: str, count: int, width: int) -> list[tuple[float, ...]]:
    """As :func:`floats`, ``width`` to each of ``count`` items."""
    values = floats(response, name)
    if len(values) != count * width:
        raise UnreadableError(f"{name} has {len(values)} numbers, expected {count} x {width}")
    return [values[row * width : (row + 1) * width] for row in range(count)]


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


def versioned(data: bytes, kind: type[_VersionedT], schema: int, name: str) -> _VersionedT:
    """As :func:`decoded`, of an object whose ``schema`` says which form it has.

    Raises:
        UnreadableError: Also where that is another than ``schema``.
    """
    try:
        found = decoded(data, kind, name)
    except UnreadableError:
        # If another release wrote it, that is the better explanation.
        _check_schema(decoded(data, _Schema, name), schema, name)
        raise
    _check_schema(found, schema, name)
    return found


class _Schema(msgspec.Struct):
    schema: int


def _check_schema(found: Versioned, schema: int, name: str) -> None:
    if found.schema != schema:
        raise UnreadableError(
            f"{name} has schema {found.schema}, this client reads schema {schema}"
        )


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
