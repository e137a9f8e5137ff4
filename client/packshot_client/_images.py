"""Images: what a caller holds to the encoded bytes or pixels that are sent. No network here."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from packshot_client._exceptions import ImageSourceError

_PNG_MODES: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
_PNG_COLOUR_TYPES: Final = {1: 0, 3: 2, 4: 6}
"""Channels to the colour type in a PNG header."""

_FASTEST: Final = 1
"""zlib's level: the bytes travel once, so time counts for more than size."""


@runtime_checkable
class BinaryFile(Protocol):
    """Anything that reads bytes, such as ``open(path, "rb")`` or an upload."""

    def read(self, size: int = -1, /) -> bytes: ...


@runtime_checkable
class PillowImage(Protocol):
    """A ``PIL.Image.Image``, which the client takes without importing Pillow."""

    @property
    def mode(self) -> str: ...

    @property
    def info(self) -> dict[Any, Any]: ...

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None: ...  # noqa: A002

    def convert(self, mode: str) -> Any: ...


@runtime_checkable
class Array(Protocol):
    """A ``numpy.ndarray``, which the client takes without importing numpy."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...

    @property
    def shape(self) -> Any: ...

    @property
    def dtype(self) -> Any: ...


ImageSource: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile | PillowImage | Array
)
"""A path, an encoded image file as bytes, an open binary file, a Pillow image, or an array.

An array is [H, W, 3] (RGB), [H, W, 4] (RGBA) or [H, W] (grey), uint8, 0-255, sRGB. It and a Pillow
image are sent as PNG, which loses nothing; the bytes of the original file, if there is one, are
smaller and let the server see what compression did to it.
"""


def is_in_memory(image: ImageSource) -> bool:
    """Whether the bytes of ``image`` are at hand, without reading files or encoding."""
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
    if isinstance(image, bytes):
        data = image
        source = "the image"
    elif isinstance(image, bytearray | memoryview):
        data = bytes(image)
        source = "the image"
    elif isinstance(image, str | os.PathLike):
        data = _file_bytes(Path(image), max_bytes)
        source = f"the file {os.fspath(image)}"
    elif isinstance(image, Array):
        data = array_png(image)
        source = "the array, as PNG,"
    elif isinstance(image, PillowImage):
        data = _pillow_png(image)
        source = "the Pillow image, as PNG,"
    elif isinstance(image, BinaryFile):
        data = _stream_bytes(image, max_bytes)
        source = f"the file object {getattr(image, 'name', type(image).__name__)}"
    else:
        raise ImageSourceError(
            f"an image must be a path, bytes or a file object opened in binary mode, a Pillow "
            f"image or a numpy array, got {type(image).__name__}"
        )
    if not data:
        raise ImageSourceError(f"{source} is empty, expected an encoded image")
    if len(data) > max_bytes:
        raise _too_large(source, len(data), max_bytes)
    return data


def array_png(array: Array) -> bytes:
    """A PNG of [H, W, 3], [H, W, 4] or [H, W] uint8.

    Raises:
        ImageSourceError: ``array`` is of another shape or type.
    """
    import numpy as np

    pixels = np.ascontiguousarray(array)
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    fits = pixels.ndim in (2, 3) and channels in _PNG_COLOUR_TYPES and pixels.size
    if pixels.dtype != np.uint8 or not fits:
        raise ImageSourceError(
            f"an array must be [H, W, 3], [H, W, 4] or [H, W] of uint8, got "
            f"{list(pixels.shape)} of {pixels.dtype}"
        )
    height, width = pixels.shape[:2]
    rows = np.empty((height, width * channels + 1), dtype=np.uint8)
    # Filter type "up": each row less the one above it, which compresses photos better.
    rows[:, 0] = 2
    flat = pixels.reshape(height, -1)
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    return png_file(width, height, _PNG_COLOUR_TYPES[channels], rows.tobytes())


def png_file(width: int, height: int, colour_type: int, filtered_rows: bytes) -> bytes:
    """A PNG file of 8-bit rows that already have their filter bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(filtered_rows, _FASTEST)),
            chunk(b"IEND", b""),
        )
    )


def _pillow_png(image: PillowImage) -> bytes:
    buffer = io.BytesIO()
    # Orientation and profile are part of how the picture looks.
    kept = {name: image.info[name] for name in ("exif", "icc_profile") if image.info.get(name)}
    try:
        if image.mode not in _PNG_MODES:
            kept.pop("icc_profile", None)
            image = image.convert("RGB")
        image.save(buffer, format="PNG", compress_level=_FASTEST, **kept)
    except (OSError, ValueError) as error:
        raise ImageSourceError(f"the Pillow image cannot be encoded: {error}") from error
    return buffer.getvalue()


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
