"""Requests: image sources to bytes, bytes to KServe v2 messages. No network here."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from tritonclient.grpc import service_pb2

from packshot.contracts import DEFAULT_POLICY, IMAGE, POLICY, QUALITY, ModelSpec
from packshot_client._exceptions import ConfigError, ImageSourceError

_LENGTH: Final = struct.Struct("<I")
_MICROSECONDS: Final = 1_000_000


@runtime_checkable
class BinaryFile(Protocol):
    """Anything that reads bytes, such as ``open(path, "rb")`` or an upload."""

    def read(self, size: int = -1, /) -> bytes: ...


ImageSource: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile
"""A path, an encoded image file as bytes, or an open binary file."""


def is_in_memory(image: ImageSource) -> bool:
    """Whether reading ``image`` cannot block."""
    return isinstance(image, bytes | bytearray | memoryview | io.BytesIO)


def image_bytes(image: ImageSource, max_bytes: int) -> bytes:
    """The encoded bytes of ``image``.

    Args:
        image: Where they come from. A file object is read from where it stands, not closed.
        max_bytes: Largest size to take.

    Raises:
        ImageSourceError: It cannot be read, is empty, is too large, or is nothing that holds
            an image.
    """
    if isinstance(image, str | os.PathLike):
        data = _file_bytes(Path(image), max_bytes)
        source = f"the file {os.fspath(image)}"
    elif isinstance(image, bytes | bytearray | memoryview):
        data = image if isinstance(image, bytes) else bytes(image)
        source = "the image"
    elif isinstance(image, BinaryFile):
        data = _stream_bytes(image, max_bytes)
        source = f"the file object {getattr(image, 'name', type(image).__name__)}"
    else:
        raise ImageSourceError(
            f"an image must be a path, bytes or a file object opened in binary mode, "
            f"got {type(image).__name__}"
        )
    if not data:
        raise ImageSourceError(f"{source} is empty, expected an encoded image")
    if len(data) > max_bytes:
        raise _too_large(source, len(data), max_bytes)
    return data


def _file_bytes(path: Path, max_bytes: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise _too_large(f"the file {path}", size, max_bytes)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageSourceError(f"the file {path} cannot be read: {reason}") from error


def _stream_bytes(stream: BinaryFile, max_bytes: int) -> bytes:
    try:
        data = stream.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise ImageSourceError(f"the file object cannot be read: {error}") from error
    if not isinstance(data, bytes):
        raise ImageSourceError(
            f"the file object gave {type(data).__name__}, expected bytes: open it in binary mode"
        )
    return data


def _too_large(source: str, size: int, max_bytes: int) -> ImageSourceError:
    return ImageSourceError(
        f"{source} has {size:,} bytes or more, at most {max_bytes:,} are sent: make it smaller, "
        f"or raise max_image_bytes"
    )


def checked_policy(policy: str) -> str:
    """``policy`` if it can be a policy's name; whether there is one, only the server knows.

    Raises:
        ConfigError: It cannot.
    """
    if not isinstance(policy, str) or not policy.strip():
        raise ConfigError(f"policy must be a name such as {DEFAULT_POLICY!r}, got {policy!r}")
    return policy.strip()


def quality_request(
    images: Sequence[bytes], *, policy: str, timeout_s: float, request_id: str, model_version: str
) -> Any:
    """The ``ModelInferRequest`` that asks ``quality`` for one verdict per image."""
    tensors = {IMAGE.name: images}
    if policy != DEFAULT_POLICY:
        tensors[POLICY.name] = [policy.encode()] * len(images)
    return infer_request(
        QUALITY, tensors, timeout_s=timeout_s, request_id=request_id, model_version=model_version
    )


def infer_request(
    spec: ModelSpec,
    tensors: Mapping[str, Sequence[bytes]],
    *,
    timeout_s: float,
    request_id: str,
    model_version: str = "",
) -> Any:
    """A ``ModelInferRequest`` for any model with BYTES inputs of shape [batch, 1].

    Args:
        spec: The model's contract: decides the order of inputs and outputs.
        tensors: Elements of each input by name; optional inputs may be left out.
        timeout_s: Sent along, so that the server drops what nobody waits for.
        request_id: Comes back in the answer and in the server's log.
        model_version: Empty leaves the choice to the server.
    """
    request = service_pb2.ModelInferRequest(
        model_name=spec.name, model_version=model_version, id=request_id
    )
    request.parameters["timeout"].int64_param = max(1, round(timeout_s * _MICROSECONDS))
    for tensor in spec.inputs:
        if tensor.name not in tensors:
            continue
        elements = tensors[tensor.name]
        request.inputs.add(
            name=tensor.name, datatype=tensor.dtype, shape=[len(elements), *tensor.shape]
        )
        request.raw_input_contents.append(bytes_elements(elements))
    for tensor in spec.outputs:
        request.outputs.add(name=tensor.name)
    return request


def bytes_elements(elements: Sequence[bytes]) -> bytes:
    """A BYTES tensor on the wire: each element after its length, 4 bytes, little-endian."""
    return b"".join(part for data in elements for part in (_LENGTH.pack(len(data)), data))
