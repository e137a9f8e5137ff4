"""The wire protocol: the messages of KServe v2 that the client uses, and how to call each method.

Own messages rather than those of ``tritonclient``, whose import brings numpy, ml_dtypes and more
(150 ms) into processes that only want to send bytes. After a change of ``kserve.proto``, in
``client/`` (grpcio-tools 1.65 makes code that every protobuf from 5.26 on accepts without a word):

    python -m grpc_tools.protoc -I. --python_out=. packshot_client/_protocol/kserve.proto
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from packshot_client._protocol import kserve_pb2
from packshot_client._protocol.infer_request import InferRequest

messages: Any = kserve_pb2
"""The message classes, which are made at import and which no type checker sees."""

_SERVICE: Final = "/inference.GRPCInferenceService/"


@dataclass(frozen=True, kw_only=True, eq=False)
class Method:
    """One method of the inference service.

    Attributes:
        name: As in the service.
        encode: Request message to bytes.
        decode: Bytes to response message.
        streams: Whether requests and responses are streams.
    """

    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    streams: bool = False

    @property
    def path(self) -> str:
        """On the wire."""
        return _SERVICE + self.name


def _method(name: str) -> Method:
    request = getattr(messages, f"{name}Request")
    response = getattr(messages, f"{name}Response")
    return Method(name=name, encode=request.SerializeToString, decode=response.FromString)


INFER: Final = Method(
    name="ModelInfer", encode=InferRequest.encode, decode=messages.ModelInferResponse.FromString
)
"""The method that asks a model."""

METHODS: Final = {
    name: _method(name)
    for name in (
        "ServerReady",
        "ServerMetadata",
        "ModelReady",
        "ModelStatistics",
        "RepositoryIndex",
        "SystemSharedMemoryStatus",
        "SystemSharedMemoryRegister",
        "SystemSharedMemoryUnregister",
    )
}
"""The methods that ask about the server, by name."""

STREAM_INFER: Final = Method(
    name="ModelStreamInfer",
    encode=InferRequest.encode,
    decode=messages.ModelStreamInferResponse.FromString,
    streams=True,
)
"""Any number of responses to a request, for decoupled models."""

__all__ = ["INFER", "METHODS", "STREAM_INFER", "InferRequest", "Method", "messages"]
