"""Every format and colour mode becomes upright 8-bit sRGB; facts of the file are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from packshot.imaging import decode
from packshot.imaging.orientation import read_orientation

Pixels = npt.NDArray[np.uint8]
Encode = Callable[..., bytes]


def difference(first: Pixels, second: Pixels) -> float:
    assert first.shape == second.shape
    return float(np.abs(first.astype(int) - second).mean())


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95}, 4),
        ("JPEG", {"quality": 95, "progressive": True}, 4),
        ("JPEG", {"quality": 95, "subsampling": "4:4:4"}, 4),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 90}, 6),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("GIF", {}, 12),
    ],
)
def test_formats(
    picture: Pixels, encode: Encode, name: str, options: dict[str, Any], tolerance: float
) -> None:
    data = encode(picture, name, **options)
    image = decode(data)
    assert image.format == name
    assert (image.width, image.height, image.byte_count) == (160, 120, len(data))
    assert image.pixels_hwc_u8.dtype == np.uint8
    assert image.pixels_hwc_u8.flags.c_contiguous
    assert difference(image.pixels_hwc_u8, picture) <= tolerance
    assert not image.animated
    assert image.orientation == 1
    assert not image.icc_converted


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "BMP"])
def test_grey(picture: Pixels, encode: Encode, name: str) -> None:
    image = decode(encode(Image.fromarray(picture).convert("L"), name))
    assert image.color_mode == "L"
    assert np.array_equal(image.pixels_hwc_u8[..., 0], image.pixels_hwc_u8[..., 2])


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_cmyk(encode: Encode, name: str) -> None:
    colours = np.zeros((16, 48, 3), np.uint8)
    colours[:, :16], colours[:, 16:32], colours[:, 32:] = (
        (200, 30, 30),
        (250, 250, 250),
        (10, 10, 60),
    )
    image = decode(encode(Image.fromarray(colours).convert("CMYK"), name))
    assert image.color_mode == "CMYK"
    assert difference(image.pixels_hwc_u8, colours) < 8


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_sixteen_bit_grey(encode: Encode, name: str) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(8, 0)
    image = decode(encode(Image.fromarray(ramp), name))
    assert image.color_mode.startswith("I")
    expected = np.rint(ramp / 257.0).astype(np.uint8)
    assert np.array_equal(image.pixels_hwc_u8[..., 1], expected)


def test_sixteen_bit_colour_png() -> None:
    cv2 = pytest.importorskip("cv2")
    deep = (np.arange(8 * 8 * 3).reshape(8, 8, 3) * 300).astype(np.uint16)
    _, encoded = cv2.imencode(".png", deep)
    image = decode(encoded.tobytes())
    assert np.abs(image.pixels_hwc_u8[..., ::-1].astype(int) - deep / 257).max() <= 1


@pytest.mark.parametrize(("largest", "name"), [(1.0, "unit"), (255.0, "byte"), (65535.0, "deep")])
def test_float_tiff_takes_the_usual_full_scale(encode: Encode, largest: float, name: str) -> None:
    values = (np.linspace(0, 1, 32, dtype=np.float32)[None].repeat(4, 0) * largest).astype(
        np.float32
    )
    pixels = decode(encode(Image.fromarray(values), "TIFF")).pixels_hwc_u8
    assert (pixels.min(), pixels.max()) == (0, 255), name


def test_float_tiff_with_not_a_number(encode: Encode) -> None:
    values = np.full((4, 4), np.nan, np.float32)
    values[0, 0], values[0, 1], values[1, 1] = np.inf, -5.0, 1.0
    pixels = decode(encode(Image.fromarray(values), "TIFF")).pixels_hwc_u8
    assert pixels[0, 0, 0] == pixels[0, 1, 0] == pixels[2, 2, 0] == 0
    assert pixels[1, 1, 0] == 255


def test_integer_tiff_of_any_range(encode: Encode) -> None:
    values = np.array([[0, 100, 200], [1 << 20, 1 << 19, 0]], np.int32)
    pixels = decode(encode(Image.fromarray(values, "I"), "TIFF")).pixels_hwc_u8[..., 0]
    assert pixels.tolist() == [[0, 0, 0], [255, 128, 0]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_laid_over_white(encode: Encode, mode: str, name: str) -> None:
    pixels = np.zeros((8, 24, 4), np.uint8)
    pixels[:, 8:16, 3], pixels[:, 16:, 3] = 128, 255
    options = {"lossless": True, "exact": True} if name == "WEBP" else {}
    image = decode(encode(Image.fromarray(pixels).convert(mode), name, **options))
    assert image.has_alpha
    row = image.pixels_hwc_u8[4]
    assert row[2].tolist() == [255, 255, 255]
    assert abs(int(row[12][0]) - 127) <= 2
    assert row[20].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["PNG", "GIF"])
def test_palette_with_a_transparent_colour(encode: Encode, name: str) -> None:
    indexed = Image.new("P", (8, 8), 1)
    indexed.putpalette([0, 0, 0, 200, 0, 0])
    indexed.putpixel((0, 0), 0)
    image = decode(encode(indexed, name, transparency=0))
    assert image.has_alpha
    assert image.color_mode == "P"
    assert image.pixels_hwc_u8[0, 0].tolist() == [255, 255, 255]
    assert image.pixels_hwc_u8[4, 4].tolist() == [200, 0, 0]


def test_palette_with_graded_transparency(encode: Encode) -> None:
    indexed = Image.new("P", (8, 8), 1)
    indexed.putpalette([0, 0, 0, 200, 0, 0])
    indexed.putpixel((0, 0), 0)
    image = decode(encode(indexed, "PNG", transparency=bytes([0, 255])))
    assert image.pixels_hwc_u8[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_png_with_one_transparent_value(encode: Encode, mode: str) -> None:
    dtype = np.uint16 if mode == "I;16" else np.uint8
    shape = (8, 8, 3) if mode == "RGB" else (8, 8)
    values = np.full(shape, 40, dtype)
    values[0, 0] = 7
    key = (7, 7, 7) if mode == "RGB" else 7
    image = decode(encode(Image.fromarray(values), "PNG", transparency=key))
    assert image.has_alpha
    assert image.pixels_hwc_u8[0, 0].tolist() == [255, 255, 255]
    assert image.pixels_hwc_u8[4, 4, 0] < 60


@pytest.mark.parametrize("mode", ["1", "P", "YCbCr", "LAB"])
def test_other_modes(picture: Pixels, encode: Encode, mode: str) -> None:
    source = Image.fromarray(picture)
    if mode == "LAB":
        transform = ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
        )
        source = ImageCms.applyTransform(source, transform)
    else:
        source = source.convert(mode)
    image = decode(encode(source, "TIFF"))
    assert image.pixels_hwc_u8.shape == picture.shape
    if mode in ("YCbCr", "LAB"):
        assert difference(image.pixels_hwc_u8, picture) < 6


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_animations(encode: Encode, name: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue", "green")]
    data = encode(frames[0], name, save_all=True, append_images=frames[1:], duration=50)
    image = decode(data)
    assert image.animated
    assert np.abs(image.pixels_hwc_u8[5, 10].astype(int) - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(encode: Encode, name: str, orientation: int) -> None:
    upright = np.full((48, 64, 3), 255, np.uint8)
    upright[:16, :32] = (255, 0, 0)
    upright[32:, 32:] = (0, 0, 255)
    undo = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }  # fmt: skip
    stored = Image.fromarray(upright)
    if undo != 1:
        stored = stored.transpose(turn[undo])
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"exif": exif}
    if name == "JPEG":
        options |= {"quality": 95, "subsampling": "4:4:4"}
    if name == "TIFF":
        options = {"tiffinfo": {0x0112: orientation}}
    image = decode(encode(stored, name, **options))
    assert image.orientation == orientation
    assert (image.width, image.height) == (64, 48)
    assert image.pixels_hwc_u8.flags.c_contiguous
    assert difference(image.pixels_hwc_u8, upright) < 3


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\x00\x00",
        b"Exif\x00\x00II*\x00",
        b"Exif\x00\x00II*\x00\xff\xff\xff\xff",
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff\x01\x12",
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x09\x00\x00\x00",
        b"nonsense" * 20,
    ],
)
def test_damaged_exif_is_upright(exif: bytes) -> None:
    assert read_orientation(exif) == 1


def _wide_profile() -> bytes:
    # A profile whose red and green primaries are exchanged: conversion cannot go unnoticed.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for first, second in ((b"rXYZ", b"gXYZ"),):
        a, b = profile.find(first), profile.find(second)
        profile[a : a + 4], profile[b : b + 4] = second, first
    return bytes(profile.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be")))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_icc_profile_is_converted(encode: Encode, name: str) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[...] = (220, 20, 20)
    image = decode(encode(red, name, icc_profile=_wide_profile()))
    assert image.icc_converted
    assert image.pixels_hwc_u8[..., 1].mean() > image.pixels_hwc_u8[..., 0].mean() + 50


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_srgb_profile_changes_nothing(picture: Pixels, encode: Encode, name: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain, tagged = (
        decode(encode(picture, name)),
        decode(encode(picture, name, icc_profile=profile)),
    )
    assert not tagged.icc_converted
    assert np.array_equal(plain.pixels_hwc_u8, tagged.pixels_hwc_u8)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda profile: profile[:16] + b"RGB " + b"not a profile" * 30,
        lambda profile: profile[: len(profile) // 2],
        lambda profile: profile[:128] + b"\xff" * (len(profile) - 128),
        lambda profile: profile[:16] + b"CMYK" + profile[20:],
        lambda profile: profile[:20],
    ],
)
def test_a_broken_profile_does_not_fail_the_picture(
    picture: Pixels, encode: Encode, name: str, damage: Callable[[bytes], bytes]
) -> None:
    image = decode(encode(picture, name, icc_profile=damage(_wide_profile())))
    assert image.pixels_hwc_u8.shape == picture.shape


def test_icc_profile_in_several_jpeg_segments(encode: Encode) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[...] = (220, 20, 20)
    data = encode(red, "JPEG", icc_profile=_wide_profile() + bytes(150_000))
    assert data.count(b"ICC_PROFILE\x00") == 3
    assert decode(data).icc_converted


def test_grey_jpeg_with_a_colour_profile(picture: Pixels, encode: Encode) -> None:
    grey = Image.fromarray(picture).convert("L")
    assert not decode(encode(grey, "JPEG", icc_profile=_wide_profile())).icc_converted


def test_profile_of_alpha_pictures(encode: Encode) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[...] = (220, 20, 20, 255)
    image = decode(encode(pixels, "PNG", icc_profile=_wide_profile()))
    assert image.icc_converted
    assert image.has_alpha


def test_harmless_stray_bytes_do_not_fail_a_jpeg(picture: Pixels, encode: Encode) -> None:
    data = encode(picture, "JPEG", quality=95)
    for spoilt in (data[:-2] + b"\x01\x02\x03" + data[-2:], data + b"trailing junk" * 100):
        assert difference(decode(spoilt).pixels_hwc_u8, picture) < 4


def test_threads_agree(picture: Pixels, encode: Encode) -> None:
    files = [encode(picture, name) for name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF")]
    files.append(encode(picture, "JPEG", icc_profile=_wide_profile()))
    expected = [decode(data).pixels_hwc_u8 for data in files]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(5):
            for index, data in enumerate(files):
                if not np.array_equal(decode(data).pixels_hwc_u8, expected[index]):
                    wrong.append(index)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_pillow_globals_are_left_alone(encode: Encode, picture: Pixels) -> None:
    before = (Image.MAX_IMAGE_PIXELS, dict(Image.OPEN))
    decode(encode(picture, "PNG"))
    assert (Image.MAX_IMAGE_PIXELS, dict(Image.OPEN)) == before
    Image.open(BytesIO(encode(picture, "PNG"))).close()
