"""What cannot be taken is refused with one typed error in plain words, before decoding."""

from __future__ import annotations

import contextlib
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from packshot.errors import (
    CorruptImageError,
    EmptyImageError,
    ImageError,
    ImageTooLargeError,
    UnsupportedFormatError,
)
from packshot.imaging import Limits, decode

Pixels = npt.NDArray[np.uint8]
Encode = Callable[..., bytes]
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def test_no_bytes() -> None:
    with pytest.raises(EmptyImageError, match="0 bytes"):
        decode(b"")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"%PDF-1.7 ...", "PDF"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC"),
        (b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00", "AVIF"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00", "video"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"<svg xmlns='x'/>", "SVG"),
        (b"PK\x03\x04....", "ZIP"),
        (b"8BPS....", "Photoshop"),
        (b"hello, world", "unknown kind"),
        (b"\x00", "unknown kind"),
    ],
)
def test_foreign_bytes_are_named_with_the_way_out(data: bytes, words: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=words) as caught:
        decode(data)
    assert "Save it as JPEG or PNG" in str(caught.value)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.8, 0.95, 0.999])
def test_a_jpeg_cut_short(picture: Pixels, encode: Encode, share: float, progressive: bool) -> None:
    data = encode(picture, "JPEG", progressive=progressive)
    with pytest.raises(CorruptImageError, match=r"cut short|damaged"):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("name", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
def test_other_formats_cut_short(picture: Pixels, encode: Encode, name: str, share: float) -> None:
    data = encode(picture, name)
    with pytest.raises(CorruptImageError, match=r"cut short or damaged|cut short: "):
        decode(data[: int(len(data) * share)])


def test_a_cmyk_jpeg_cut_short(picture: Pixels, encode: Encode) -> None:
    data = encode(Image.fromarray(picture).convert("CMYK"), "JPEG")
    with pytest.raises(CorruptImageError):
        decode(data[: len(data) // 2])


def test_a_compressed_tiff_cut_short(picture: Pixels, encode: Encode) -> None:
    data = encode(picture, "TIFF", compression="tiff_lzw")
    with pytest.raises(CorruptImageError):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize("name", FORMATS)
def test_only_the_signature(name: str, picture: Pixels, encode: Encode) -> None:
    with pytest.raises(ImageError):
        decode(encode(picture, name)[:14])


@pytest.mark.parametrize("name", FORMATS)
def test_random_damage_gives_pixels_or_an_image_error(
    picture: Pixels, encode: Encode, name: str
) -> None:
    data = encode(picture, name)
    generator = random.Random(7)
    for _ in range(60):
        spoilt = bytearray(data)
        for _ in range(generator.randint(1, 8)):
            spoilt[generator.randrange(len(spoilt))] = generator.randrange(256)
        with contextlib.suppress(ImageError):
            assert decode(bytes(spoilt), Limits(max_pixels=1_000_000)).pixels_hwc_u8.ndim == 3


def test_damaged_pixel_data_of_a_jpeg_is_not_shown_as_a_photo(
    make_photo: Callable[..., Pixels], encode: Encode
) -> None:
    data = bytearray(encode(make_photo(400, 400), "JPEG"))
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff\xd4" * 20
    with pytest.raises(CorruptImageError, match="damaged"):
        decode(bytes(data))


def test_lossless_jpeg(picture: Pixels, encode: Encode) -> None:
    data = encode(picture, "JPEG")
    with pytest.raises(UnsupportedFormatError, match="rare kind"):
        decode(data.replace(b"\xff\xc0", b"\xff\xc3", 1))


def test_twelve_bit_jpeg(picture: Pixels, encode: Encode) -> None:
    data = encode(picture, "JPEG").replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c", 1)
    with pytest.raises(UnsupportedFormatError, match="12-bit"):
        decode(data)


def test_too_many_bytes() -> None:
    with pytest.raises(ImageTooLargeError, match=r"at most 100 bytes are taken"):
        decode(b"\xff\xd8" + bytes(200), Limits(max_bytes=100))


@pytest.mark.parametrize("name", FORMATS)
def test_too_many_pixels_and_too_long_a_side(picture: Pixels, encode: Encode, name: str) -> None:
    data = encode(picture, name)
    with pytest.raises(ImageTooLargeError, match=r"160 x 120 pixels .*0\.01 megapixels"):
        decode(data, Limits(max_pixels=10_000))
    with pytest.raises(ImageTooLargeError, match=r"no side may be longer than 150"):
        decode(data, Limits(max_side=150))


def _png_bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def _webp_bomb(width: int, height: int) -> bytes:
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\x00\x00\x00" + canvas
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _gif_bomb(width: int, height: int) -> bytes:
    # A small screen, and a frame far larger than it.
    screen = b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0x80, 0, 0) + bytes(6)
    control = b"\x21\xf9\x04\x08\x00\x00\x00\x00"
    return (
        screen
        + control
        + b","
        + struct.pack("<HHHHB", 0, 0, width, height, 0)
        + b"\x02\x01\x00\x00;"
    )


def _jpeg_bomb(width: int, height: int) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\x01\x22\x00\x02\x11\x01\x03\x11\x01"
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xda" + bytes(50)


def _bmp_bomb(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


@pytest.mark.parametrize("bomb", [_png_bomb, _webp_bomb, _gif_bomb, _jpeg_bomb, _bmp_bomb])
@pytest.mark.parametrize("size", [(15_000, 15_000), (9_000, 10_000)])
def test_bombs_are_refused_before_decoding(
    bomb: Callable[[int, int], bytes], size: tuple[int, int]
) -> None:
    data = bomb(*size)
    tracemalloc.start()
    # Of this thread alone: the machine may be busy with others.
    before_s = time.thread_time()
    with pytest.raises(ImageTooLargeError, match=f"{size[0]} x {size[1]} pixels"):
        decode(data)
    assert time.thread_time() - before_s < 0.5
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_png_text_bomb(picture: Pixels, encode: Encode) -> None:
    data = encode(picture, "PNG")
    body = b"k\x00\x00" + zlib.compress(bytes(50_000_000), 9)
    bomb = (
        struct.pack(">I", len(body))
        + b"zTXt"
        + body
        + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    )
    with pytest.raises(CorruptImageError, match="PNG"):
        decode(data[:33] + bomb + data[33:])


@pytest.mark.parametrize("field", ["max_bytes", "max_pixels", "max_side"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "9"])
def test_limits_must_make_sense(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{field} must be a whole number >= 1"):
        Limits(**{field: value})  # type: ignore[arg-type]
