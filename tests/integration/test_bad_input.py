"""Bad input against the live server: each its own error, and no harm to the neighbours."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException

MEGABYTE = 1_000_000
INVALID = "StatusCode.INVALID_ARGUMENT"


def string_element(data: bytes) -> bytes:
    """One element of a BYTES tensor on the wire."""
    return struct.pack("<I", len(data)) + data


def image_tensor(data: bytes, shape: tuple[int, ...] = (1, 1)) -> triton_grpc.InferInput:
    return raw_tensor("IMAGE", shape, "BYTES", string_element(data))


def raw_tensor(
    name: str, shape: tuple[int, ...], dtype: str, content: bytes
) -> triton_grpc.InferInput:
    """A tensor whose declared shape need not be true."""
    tensor = triton_grpc.InferInput(name, list(shape), dtype)
    tensor._raw_content = content
    return tensor


def png_bomb(side: int = 30_000) -> bytes:
    """A PNG of a few hundred kB that promises ``side`` x ``side`` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(20 * MEGABYTE), 9)
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    )


@dataclass(frozen=True, kw_only=True)
class BadImage:
    """A file that is refused, and words the refusal must have."""

    make: Callable[[bytes], bytes]
    says: tuple[str, ...]


BAD_IMAGES = {
    "garbage": BadImage(make=lambda _: b"this is not a picture" * 50, says=("JPEG", "PNG")),
    "truncated JPEG": BadImage(make=lambda photo: photo[: len(photo) // 2], says=("cut short",)),
    "100 MB": BadImage(
        make=lambda photo: photo + bytes(100 * MEGABYTE), says=("20.0 MiB", "at most")
    ),
    "PNG bomb": BadImage(make=lambda _: png_bomb(), says=("30000 x 30000",)),
    "no bytes": BadImage(make=lambda _: b"", says=("empty",)),
}


def refusal(call: Callable[[], Any]) -> InferenceServerException:
    with pytest.raises(InferenceServerException) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("case", BAD_IMAGES.values(), ids=BAD_IMAGES.keys())
def test_bad_image_fails_alone(caller: Any, photo_files: dict[str, bytes], case: BadImage) -> None:
    bad = case.make(photo_files["coffee"])
    good = list(photo_files.values())
    neighbours = [caller.start_score(photo) for photo in good]
    failing = caller.start_score(bad)
    neighbours += [caller.start_score(photo) for photo in good]

    error = failing.exception(60)
    assert isinstance(error, InferenceServerException)
    assert error.status() == INVALID
    for words in case.says:
        assert words in error.message()
    assert "Traceback" not in error.message()
    scores = [float(answer.result(60)["SCORE"][0, 0]) for answer in neighbours]
    assert scores[: len(good)] == pytest.approx(scores[len(good) :], abs=0.01)


def test_bad_image_in_a_client_side_batch_is_named(
    caller: Any, photo_files: dict[str, bytes]
) -> None:
    good = photo_files["coffee"]
    error = refusal(lambda: caller.score(good, good, b"junk", good))
    assert error.status() == INVALID
    assert "item 2 of 4" in error.message()


def test_unknown_policy(caller: Any, photo_files: dict[str, bytes]) -> None:
    error = refusal(lambda: caller.score(photo_files["coffee"], policies=[b"nosuchpolicy"]))
    assert error.status() == INVALID
    assert "nosuchpolicy" in error.message()
    assert "default" in error.message()


def test_policy_that_is_not_text(caller: Any, photo_files: dict[str, bytes]) -> None:
    error = refusal(lambda: caller.score(photo_files["coffee"], policies=[b"\xff\xfe"]))
    assert error.status() == INVALID
    assert "UTF-8" in error.message()


def test_empty_policy_is_the_default_one(caller: Any, photo_files: dict[str, bytes]) -> None:
    named = caller.score(photo_files["coffee"], policies=[b"default"])
    empty = caller.score(photo_files["coffee"], policies=[b""])
    assert empty["VERDICT"].tolist() == named["VERDICT"].tolist()


WRONG_TENSORS = {
    "empty tensor": (raw_tensor("IMAGE", (0, 1), "BYTES", b""), "string elements"),
    "no content": (raw_tensor("IMAGE", (1, 1), "BYTES", b""), "expected 1 string elements"),
    "wrong dtype": (raw_tensor("IMAGE", (1, 1), "UINT8", b"\0"), "expects 'BYTES'"),
    "wrong shape": (image_tensor(b"x", (1, 1, 1)), "unexpected shape"),
    "no batch dimension": (image_tensor(b"x", (1,)), "unexpected shape"),
    "batch too large": (image_tensor(b"x", (33, 1)), "batch-size must be <= 32"),
    "fewer elements than declared": (image_tensor(b"x", (3, 1)), "expected 3 string elements"),
    "length that lies": (
        raw_tensor("IMAGE", (1, 1), "BYTES", struct.pack("<I", 65535) + b"abcd"),
        "only 4 bytes available",
    ),
    "2^40 elements declared": (image_tensor(b"", (2**40, 1)), "must have the shape [batch, 1]"),
    "2^31 elements declared": (image_tensor(b"", (2**31, 1)), "expected 2147483648"),
    "negative batch": (image_tensor(b"x", (-1, 1)), "expected 4294967295"),
}


@pytest.mark.parametrize(("tensor", "says"), WRONG_TENSORS.values(), ids=WRONG_TENSORS.keys())
def test_wrong_tensor(
    caller: Any, photo_files: dict[str, bytes], tensor: triton_grpc.InferInput, says: str
) -> None:
    started = time.monotonic()
    error = refusal(lambda: caller.infer("quality", tensor))
    assert error.status() == INVALID
    assert says in error.message()
    assert time.monotonic() - started < 30.0
    assert np.isfinite(caller.score(photo_files["coffee"])["SCORE"]).all()


def test_missing_image(caller: Any) -> None:
    error = refusal(
        lambda: caller.infer("quality", raw_tensor("POLICY", (1, 1), "BYTES", b"\0" * 4))
    )
    assert error.status() == INVALID
    assert "IMAGE" in error.message()
