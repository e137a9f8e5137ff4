"""The request for an inference as it is sent, in parts that were encoded before.

Protobuf reads messages written one after the other as one, in which the later value of a field
counts. So what all calls of a kind have in common is encoded once and kept, an image is copied
once, into the bytes that gRPC sends, instead of into a tensor, into a message and out of it again,
and the few fields that each call has of its own are written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from packshot_client._protocol import kserve_pb2

_MICROSECONDS: Final = 1_000_000
_VARINT: Final = 0
_LENGTH_DELIMITED: Final = 2


def _tag(message: Any, field: str) -> bytes:
    """What stands before a field's value: its number and the kind of its type."""
    described = message.DESCRIPTOR.fields_by_name[field]
    kind = _VARINT if described.type == described.TYPE_INT64 else _LENGTH_DELIMITED
    return bytes([described.number << 3 | kind])


_Request: Any = kserve_pb2.ModelInferRequest  # type: ignore[attr-defined]
_MODEL_NAME: Final = _tag(_Request, "model_name")
_MODEL_VERSION: Final = _tag(_Request, "model_version")
_ID: Final = _tag(_Request, "id")
_PARAMETERS: Final = _tag(_Request, "parameters")
_CONTENTS: Final = _tag(_Request, "raw_input_contents")
# A map is a list of messages with a key and a value.
_TIMEOUT_KEY: Final = _tag(_Request.ParametersEntry, "key") + b"\x07timeout"
_VALUE: Final = _tag(_Request.ParametersEntry, "value")
_INT64: Final = _tag(kserve_pb2.InferParameter, "int64_param")  # type: ignore[attr-defined]


class InferRequest:
    """A ``ModelInferRequest``.

    Args:
        described: The encoded message without what follows: model, inputs and outputs.
        contents: The raw bytes of each input, in parts that belong one after the other.
        request_id: Comes back in the answer and in the server's log.
        model_version: Empty leaves the choice to the server.

    Attributes:
        model_name: The model that is asked instead of the described one; empty if that is asked.
        model_version: As given, or as said to :meth:`ask`.
    """

    __slots__ = (
        "_contents",
        "_described",
        "_request_id",
        "_timeout",
        "model_name",
        "model_version",
    )

    def __init__(
        self,
        described: bytes,
        contents: Sequence[Sequence[bytes]],
        *,
        request_id: str,
        model_version: str,
    ) -> None:
        self.model_name = ""
        self.model_version = model_version
        self._described = described
        self._contents = contents
        self._request_id = request_id
        self._timeout = b""

    def ask(self, model_name: str, model_version: str) -> None:
        """Send it to this model, or to the described one if empty, in this version."""
        self.model_name = model_name
        self.model_version = model_version

    def set_timeout(self, timeout_s: float) -> None:
        """Tell Triton when nobody waits for the answer any more, so that it drops queued work."""
        self._timeout = _timeout_parameter(max(1, round(timeout_s * _MICROSECONDS)))

    def encode(self) -> bytes:
        """The request on the wire."""
        identity = self._request_id.encode()
        parts = [self._described, self._timeout, _ID, _varint(len(identity)), identity]
        for tag, text in ((_MODEL_NAME, self.model_name), (_MODEL_VERSION, self.model_version)):
            if text:
                data = text.encode()
                parts += (tag, _varint(len(data)), data)
        for content in self._contents:
            parts += (_CONTENTS, _varint(sum(map(len, content))), *content)
        return b"".join(parts)


@lru_cache
def _timeout_parameter(microseconds: int) -> bytes:
    number = _INT64 + _varint(microseconds)
    entry = b"%b%b%c%b" % (_TIMEOUT_KEY, _VALUE, len(number), number)
    return b"%b%c%b" % (_PARAMETERS, len(entry), entry)


def _varint(number: int) -> bytes:
    """Seven bits to a byte, the lowest first; all but the last have the highest bit set."""
    if number < 0x80:
        return number.to_bytes(1, "little")
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
