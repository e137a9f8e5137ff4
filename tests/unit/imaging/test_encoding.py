"""Encoded results: format, size, colours, and no private metadata."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from packshot.errors import ContractError
from packshot.imaging import (
    OutputOptions,
    Rights,
    decode,
    encode,
    read_rights,
    without_private_metadata,
)
from packshot.imaging.encoding import srgb_profile

Picture = npt.NDArray[np.uint8]
SECRETS = (b"SN-12345", b"Jane Doe", b"Phone 9", b"secret note", b"<x:xmpmeta", b"GPS-HERE")
RIGHTS = Rights(artist="Studio Ltd", copyright="(c) Studio")


def private_exif(orientation: int = 6) -> Image.Exif:
    """What a phone writes: place, serial number, owner, make; and the rights."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x0110] = "Phone 9"
    exif[0x013B] = RIGHTS.artist
    exif[0x8298] = RIGHTS.copyright
    detail = exif.get_ifd(0x8769)
    detail[0xA430] = "Jane Doe"
    detail[0xA431] = "SN-12345"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[29] = "N", (52.0, 31.0, 12.0), "GPS-HERE"
    return exif


def photo_file(picture: Picture, picture_format: str, orientation: int = 6) -> bytes:
    buffer = io.BytesIO()
    options: dict[str, object] = {}
    if picture_format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "secret note")
        options["pnginfo"] = text
    elif picture_format == "JPEG":
        options.update(comment=b"secret note", xmp=b"<x:xmpmeta secret/>", quality=90)
    else:
        options.update(xmp=b"<x:xmpmeta secret/>", lossless=True)
    Image.fromarray(picture).save(
        buffer,
        picture_format,
        exif=private_exif(orientation),
        icc_profile=srgb_profile(),
        **options,
    )
    return buffer.getvalue()


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_private_metadata_goes_and_the_picture_stays(
    picture: Picture, picture_format: str, orientation: int
) -> None:
    original = photo_file(picture, picture_format, orientation)
    assert any(secret in original for secret in SECRETS)
    clean = without_private_metadata(original, orientation)
    assert clean is not None
    for secret in SECRETS:
        assert secret not in clean
    before, after = decode(original), decode(clean)
    np.testing.assert_array_equal(before.pixels_hwc_u8, after.pixels_hwc_u8)
    assert after.orientation == orientation
    assert read_rights(clean) == RIGHTS
    with Image.open(io.BytesIO(clean)) as image:
        assert image.info["icc_profile"] == srgb_profile()
        assert set(image.getexif()) <= {0x0112, 0x013B, 0x8298}
        image.load()


def test_what_follows_a_jpeg_goes_too(picture: Picture) -> None:
    """Phones append a video, or the picture before it was edited."""
    original = photo_file(picture, "JPEG")
    clean = without_private_metadata(original + b"MotionPhoto_Data secret note", 6)
    assert clean == without_private_metadata(original, 6)


def test_progressive_jpeg_keeps_all_its_scans(
    picture: Picture, encode: Callable[..., bytes]
) -> None:
    original = encode(picture, "JPEG", progressive=True, restart_marker_blocks=4)
    clean = without_private_metadata(original, 1)
    assert clean is not None
    np.testing.assert_array_equal(decode(clean).pixels_hwc_u8, decode(original).pixels_hwc_u8)


def test_animation_is_kept_whole(picture: Picture, encode: Callable[..., bytes]) -> None:
    second = Image.fromarray(255 - picture)
    original = encode(picture, "WEBP", save_all=True, append_images=[second], exif=private_exif(1))
    clean = without_private_metadata(original, 1)
    assert clean is not None
    assert b"SN-12345" not in clean
    with Image.open(io.BytesIO(clean)) as image:
        assert image.n_frames == 2


@pytest.mark.parametrize("picture_format", ["GIF", "BMP", "TIFF"])
def test_formats_that_must_be_encoded_anew(
    picture: Picture, encode: Callable[..., bytes], picture_format: str
) -> None:
    assert without_private_metadata(encode(picture, picture_format), 1) is None


def test_file_without_metadata_is_left_alone(
    picture: Picture, encode: Callable[..., bytes]
) -> None:
    for picture_format in ("JPEG", "PNG", "WEBP"):
        original = encode(picture, picture_format)
        assert without_private_metadata(original, 1) == original


@pytest.mark.parametrize(
    ("source", "asked", "got"),
    [
        ("JPEG", None, "JPEG"),
        ("WEBP", None, "WEBP"),
        ("PNG", None, "PNG"),
        ("GIF", None, "PNG"),
        ("TIFF", None, "PNG"),
        ("PNG", "webp", "WEBP"),
        ("GIF", "jpeg", "JPEG"),
    ],
)
def test_format(picture: Picture, source: str, asked: str | None, got: str) -> None:
    encoded = encode(picture, OutputOptions(format=asked), source, RIGHTS)  # type: ignore[arg-type]
    with Image.open(io.BytesIO(encoded.data)) as image:
        assert image.format == encoded.facts["format"] == got
        assert image.size == (encoded.facts["width"], encoded.facts["height"]) == (160, 120)
        assert "sRGB" in ImageCms.getProfileDescription(
            ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        )
    assert encoded.facts["bytes"] == len(encoded.data)
    assert read_rights(encoded.data) == RIGHTS


def test_png_is_lossless_and_quality_counts(picture: Picture) -> None:
    png = encode(picture, OutputOptions(format="png"), "JPEG")
    np.testing.assert_array_equal(decode(png.data).pixels_hwc_u8, picture)
    for chosen in ("jpeg", "webp"):
        low, high = (
            encode(picture, OutputOptions(format=chosen, quality=quality), "PNG")  # type: ignore[arg-type]
            for quality in (30, 95)
        )
        assert len(low.data) < len(high.data)


def test_same_bytes_every_time(picture: Picture) -> None:
    first, second = (encode(picture, OutputOptions(), "JPEG", RIGHTS).data for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("size", "max_side", "expected"),
    [
        ((160, 120), 80, (80, 60)),
        ((120, 160), 80, (60, 80)),
        ((160, 120), 160, (160, 120)),
        ((160, 120), 5000, (160, 120)),
        ((1000, 2), 10, (10, 1)),
    ],
)
def test_longest_side(
    make_photo: Callable[..., Picture],
    size: tuple[int, int],
    max_side: int,
    expected: tuple[int, int],
) -> None:
    encoded = encode(make_photo(*size), OutputOptions(max_side=max_side), "PNG")
    assert (encoded.facts["width"], encoded.facts["height"]) == expected


@pytest.mark.parametrize(
    "wrong", [{"format": "tiff"}, {"quality": 0}, {"quality": 101}, {"max_side": 0}]
)
def test_options_that_cannot_be_used(wrong: dict[str, object]) -> None:
    with pytest.raises(ContractError, match="must be"):
        OutputOptions(**wrong)  # type: ignore[arg-type]


def test_picture_too_long_for_its_format() -> None:
    long = np.zeros((1, 16_384, 3), np.uint8)
    with pytest.raises(ContractError, match=r"webp holds at most 16383"):
        encode(long, OutputOptions(format="webp"), "PNG")


def test_broken_exif_fails_nothing(picture: Picture, encode: Callable[..., bytes]) -> None:
    assert read_rights(encode(picture, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff")) == Rights()
    assert read_rights(b"junk") == Rights()
