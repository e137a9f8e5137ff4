"""Requests: tensors to KServe v2 messages. No network here."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from packshot.contracts import ModelSpec
from packshot_client._protocol import InferRequest, messages

_LENGTH: Final = struct.Struct("<I")


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


class RequestForm:
    """How one model is asked. What its requests have in common is encoded once and kept.

    Args:
        spec: The model's contract: decides types, shapes, and the order of inputs and outputs.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._names = tuple(tensor.name for tensor in spec.inputs)
        self._kept: dict[tuple[int, tuple[str, ...]], bytes] = {}

    def request(
        self,
        tensors: Mapping[str, TensorData],
        *,
        batch: int,
        request_id: str,
        model_version: str = "",
    ) -> InferRequest:
        """A request for an inference.

        Args:
            tensors: Each input by name; optional ones may be left out.
            batch: Items in the request.
            request_id: Comes back in the answer and in the server's log.
            model_version: Empty leaves the choice to the server.
        """
        names: list[str] = []
        contents: list[Sequence[bytes]] = []
        shared: dict[str, SharedPixels] = {}
        for name in self._names:
            data = tensors.get(name)
            if data is None:
                continue
            names.append(name)
            if isinstance(data, bytes):
                contents.append((data,))
            elif isinstance(data, SharedPixels):
                shared[name] = data
            else:
                contents.append(bytes_elements(data))
        kind = (batch, tuple(names))
        described = None if shared else self._kept.get(kind)
        if described is None:
            described = self._described(batch, names, shared)
            if not shared:
                self._kept[kind] = described
        return InferRequest(
            described,
            contents,
            request_id=request_id,
            model_version=model_version,
        )

    def _described(
        self, batch: int, names: Sequence[str], shared: Mapping[str, SharedPixels]
    ) -> bytes:
        request = messages.ModelInferRequest(model_name=self._spec.name)
        for tensor in self._spec.inputs:
            if tensor.name not in names:
                continue
            described = request.inputs.add(
                name=tensor.name, datatype=tensor.dtype, shape=(batch, *tensor.shape)
            )
            place = shared.get(tensor.name)
            if place is not None:
                described.parameters["shared_memory_region"].string_param = place.region
                described.parameters["shared_memory_offset"].int64_param = place.offset
                described.parameters["shared_memory_byte_size"].int64_param = place.byte_size
        for tensor in self._spec.outputs:
            request.outputs.add(name=tensor.name)
        encoded: bytes = request.SerializeToString()
        return encoded


def bytes_elements(elements: Sequence[bytes]) -> list[bytes]:
    """A BYTES tensor in parts: each element after its length, which is 4 bytes, little-endian."""
    parts: list[bytes] = []
    for data in elements:
        parts += (_LENGTH.pack(len(data)), data)
    return parts
