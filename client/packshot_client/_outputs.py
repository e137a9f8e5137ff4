"""Outputs: the tensors of a KServe v2 response as numbers, bytes and JSON. No network here."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, Final, Protocol, TypeVar

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
        model: That answered.
        model_version: Of it.
        request_id: Of the request.
    """

    __slots__ = ("_response", "_tensors", "model", "model_version", "request_id")

    def __init__(self, response: Any) -> None:
        self.model: str = response.model_name
        self.model_version: str = response.model_version
        self.request_id: str = response.id
        self._response = response
        tensors: dict[tuple[str, str], bytes] = {}
        for tensor, data in zip(response.outputs, response.raw_output_contents, strict=False):
            tensors[tensor.name, tensor.datatype] = data
        self._tensors = tensors

    @property
    def header(self) -> dict[str, Any]:
        """Who answered what, as fields of a result."""
        return {
            "model": self.model,
            "model_version": self.model_version,
            "request_id": self.request_id,
        }

    def floats(self, name: str) -> tuple[float, ...]:
        """All elements of an FP32 output."""
        data = self._tensors.get((name, "FP32"))
        if data is None:
            raise self._missing(name, "FP32")
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
        data = self._tensors.get((name, "BYTES"))
        if data is None:
            raise self._missing(name, "BYTES")
        elements: list[bytes] = []
        size = len(data)
        offset = 0
        while offset < size:
            start = offset + _LENGTH.size
            end = start + _LENGTH.unpack_from(data, offset)[0] if start <= size else start
            if end > size:
                raise UnreadableError(f"{name} ends inside its element {len(elements)}")
            elements.append(data[start:end])
            offset = end
        return elements

    def _missing(self, name: str, datatype: str) -> UnreadableError:
        kinds = {tensor.name: tensor.datatype for tensor in self._response.outputs}
        if name in kinds:
            return UnreadableError(f"{name} came as {kinds[name]}, expected raw {datatype}")
        names = ", ".join(kinds) or "none"
        return UnreadableError(f"the output {name} is missing, got {names}")


def decoded(data: bytes, kind: type[_T], name: str) -> _T:
    """The JSON ``data`` as ``kind``.

    Raises:
        UnreadableError: It is no JSON, or not of that kind; says where.
    """
    try:
        found: _T = _decoder(kind).decode(data)  # type: ignore[arg-type]
    except msgspec.ValidationError as error:
        raise UnreadableError(f"{name} is not as agreed: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{name} is not JSON: {error}") from None
    return found


def versioned(data: bytes, kind: type[_VersionedT], schema: int, name: str) -> _VersionedT:
    """As :func:`decoded`, of an object whose ``schema`` says which form it has.

    Raises:
        UnreadableError: Also where that is another than ``schema``.
    """
    try:
        found = decoded(data, kind, name)
    except UnreadableError:
        # If another release wrote it, that is the better explanation.
        written = decoded(data, _Schema, name).schema
        if written == schema:
            raise
    else:
        written = found.schema
        if written == schema:
            return found
    raise UnreadableError(f"{name} has schema {written}, this client reads schema {schema}")


class _Schema(msgspec.Struct):
    schema: int


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    # Made on first use: working out the types takes longer than importing the client.
    return msgspec.json.Decoder(kind)
