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


class Outputs:
    """The outputs of a ``ModelInferResponse``.

    Attributes:
        header: Who answered what: ``model``, ``model_version`` and ``request_id`` of a result.
    """

    def __init__(self, response: Any) -> None:
        self.header: dict[str, Any] = {
            "model": response.model_name,
            "model_version": response.model_version,
            "request_id": response.id,
        }
        self._response = response
        self._tensors: dict[str, tuple[str, bytes]] = {
            tensor.name: (tensor.datatype, data)
            for tensor, data in zip(response.outputs, response.raw_output_contents, strict=False)
        }

    def floats(self, name: str) -> tuple[float, ...]:
        """All elements of an FP32 output."""
        data = self._raw(name, "FP32")
        if len(data) % 4:
            raise UnreadableError(f"{name} has {len(data)} bytes, expected a multiple of 4")
        return struct.unpack(f"<{len(data) // 4}f", data)

    def rows(self, name: str, count: int, width: int) -> list[tuple[float, ...]]:
        """As :meth:`floats`, ``width`` to each of ``count`` items."""
        values = self.floats(name)
        if len(values) != count * width:
            raise UnreadableError(f"{name} has {len(values)} numbers, expected {count} x {width}")
        return [values[row * width : (row + 1) * width] for row in range(count)]

    def byte_elements(self, name: str) -> list[bytes]:
        """All elements of a BYTES output."""
        data = self._raw(name, "BYTES")
        elements: list[bytes] = []
        offset = 0
        while offset < len(data):
            start = offset + _LENGTH.size
            end = start + _LENGTH.unpack_from(data, offset)[0] if start <= len(data) else start
            if end > len(data):
                raise UnreadableError(f"{name} ends inside its element {len(elements)}")
            elements.append(data[start:end])
            offset = end
        return elements

    def _raw(self, name: str, datatype: str) -> bytes:
        found = self._tensors.get(name)
        if found is not None and found[0] == datatype:
            return found[1]
        kinds = {tensor.name: tensor.datatype for tensor in self._response.outputs}
        if name in kinds:
            raise UnreadableError(f"{name} came as {kinds[name]}, expected raw {datatype}")
        names = ", ".join(kinds) or "none"
        raise UnreadableError(f"the output {name} is missing, got {names}")


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
