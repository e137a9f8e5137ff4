"""Requests: tensors to KServe v2 messages. No network here."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from packshot.contracts import ModelSpec
from packshot_client._protocol import messages

_LENGTH: Final = struct.Struct("<I")
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SharedPixels:
    """A tensor's place in a shared-memory region that the server has registered.

    Attributes:
        region: Name of the region.
        offset: Where the tensor begins.
        byte_size: Its length.
    """

    region: str
    offset: int
    byte_size: int


TensorData: TypeAlias = Sequence[bytes] | bytes | SharedPixels
"""The elements of a BYTES tensor, the raw bytes of another, or where they lie."""


def infer_request(
    spec: ModelSpec,
    tensors: Mapping[str, TensorData],
    *,
    batch: int,
    request_id: str,
    model_version: str = "",
) -> Any:
    """A ``ModelInferRequest``; its time limit is set by :func:`set_timeout` for each attempt.

    Args:
        spec: The model's contract: decides types, shapes, and the order of inputs and outputs.
        tensors: Each input by name; optional ones may be left out.
        batch: Items in the request.
        request_id: Comes back in the answer and in the server's log.
        model_version: Empty leaves the choice to the server.
    """
    request = messages.ModelInferRequest(
        model_name=spec.name, model_version=model_version, id=request_id
    )
    for tensor in spec.inputs:
        data = tensors.get(tensor.name)
        if data is None:
            continue
        described = request.inputs.add(
            name=tensor.name, datatype=tensor.dtype, shape=(batch, *tensor.shape)
        )
        if isinstance(data, SharedPixels):
            described.parameters["shared_memory_region"].string_param = data.region
            described.parameters["shared_memory_offset"].int64_param = data.offset
            described.parameters["shared_memory_byte_size"].int64_param = data.byte_size
        elif isinstance(data, bytes):
            request.raw_input_contents.append(data)
        else:
            request.raw_input_contents.append(bytes_elements(data))
    for tensor in spec.outputs:
        request.outputs.add(name=tensor.name)
    return request


def set_timeout(request: Any, timeout_s: float) -> None:
    """Tell Triton when nobody waits for the answer any more, so that it drops queued work."""
    request.parameters["timeout"].int64_param = max(1, round(timeout_s * _MICROSECONDS))


def bytes_elements(elements: Sequence[bytes]) -> bytes:
    """A BYTES tensor on the wire: each element after its length, 4 bytes, little-endian."""
    return b"".join([part for data in elements for part in (_LENGTH.pack(len(data)), data)])
