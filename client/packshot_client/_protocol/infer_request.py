"""The request for an inference as it is sent: a small message, and the rest already as bytes.

Protobuf reads messages written one after the other as one, in which the later value of a field
counts. So what all calls of a kind have in common is encoded once and kept, and an image is copied
once, into the bytes that gRPC sends, instead of into a tensor, into a message and out of it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from packshot_client._protocol import kserve_pb2

_Message: Any = kserve_pb2.ModelInferRequest  # type: ignore[attr-defined]
_MICROSECONDS: Final = 1_000_000
_LENGTH_DELIMITED: Final = 2
_CONTENTS_TAG: Final = bytes([_Message.RAW_INPUT_CONTENTS_FIELD_NUMBER << 3 | _LENGTH_DELIMITED])


class InferRequest:
    """A ``ModelInferRequest``.

    Args:
        described: The encoded message without what follows: model, inputs and outputs.
        contents: The raw bytes of each input, in parts that belong one after the other.
        request_id: Comes back in the answer and in the server's log.
        model_version: Empty leaves the choice to the server.
    """

    __slots__ = ("_changing", "_contents", "_described")

    def __init__(
        self,
        described: bytes,
        contents: Sequence[Sequence[bytes]],
        *,
        request_id: str,
        model_version: str,
    ) -> None:
        self._changing = _Message(id=request_id, model_version=model_version)
        self._described = described
        self._contents = contents

    @property
    def model_name(self) -> str:
        """The model that is asked instead of the described one; empty if that is asked."""
        return str(self._changing.model_name)

    @property
    def model_version(self) -> str:
        """The version that is asked for; empty leaves the choice to the server."""
        return str(self._changing.model_version)

    def ask(self, model_name: str, model_version: str) -> None:
        """Send it to this model, or to the described one if empty, in this version."""
        self._changing.model_name = model_name
        self._changing.model_version = model_version

    def set_timeout(self, timeout_s: float) -> None:
        """Tell Triton when nobody waits for the answer any more, so that it drops queued work."""
        microseconds = max(1, round(timeout_s * _MICROSECONDS))
        self._changing.parameters["timeout"].int64_param = microseconds

    def encode(self) -> bytes:
        """The request on the wire."""
        parts = [self._described, self._changing.SerializeToString()]
        for content in self._contents:
            parts += (_CONTENTS_TAG, _varint(sum(map(len, content))), *content)
        return b"".join(parts)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
