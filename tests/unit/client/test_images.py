"""Arrays, Pillow images and pixels."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from packshot_client import ImageSourceError, PixelViews
from packshot_client._images import image_bytes
from packshot_client._pixels import view_bytes

LARGE = 1 << 24


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7, 4), (5, 7)])
def test_an_array_becomes_a_png_that_loses_nothing(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(image_bytes(array, LARGE))) as read:
        np.testing.assert_array_equal(np.asarray(read), array)
    # Views of other arrays are not contiguous.
    turned = array[::-1, ::2]
    with Image.open(io.BytesIO(image_bytes(turned, LARGE))) as read:
        np.testing.assert_array_equal(np.asarray(read), turned)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((5, 7, 3), dtype=np.float32),
        np.zeros((5, 7, 2), dtype=np.uint8),
        np.zeros((0, 7, 3), dtype=np.uint8),
        np.zeros(7, dtype=np.uint8),
    ],
)
def test_another_array_is_refused_in_words(array: Any) -> None:
    with pytest.raises(ImageSourceError, match="of uint8, got"):
        image_bytes(array, LARGE)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "F"])
def test_a_pillow_image_becomes_a_png(mode: str) -> None:
    picture = Image.new("RGB", (6, 4), (200, 30, 60)).convert("L" if mode == "F" else mode)
    picture = picture.convert(mode)
    with Image.open(io.BytesIO(image_bytes(picture, LARGE))) as read:
        assert read.size == (6, 4)
        assert read.format == "PNG"


def test_orientation_travels_with_a_pillow_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    encoded = io.BytesIO()
    Image.new("RGB", (6, 4)).save(encoded, "JPEG", exif=exif)
    with Image.open(encoded) as picture:
        data = image_bytes(picture, LARGE)
    with Image.open(io.BytesIO(data)) as read:
        assert read.getexif()[0x0112] == 6


def test_pixels_become_the_two_views() -> None:
    array = np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    views = view_bytes(array)
    assert {name: len(data) for name, data in views.items()} == {
        "GLOBAL_VIEW": 150_528,
        "FRAGMENTS": 150_528,
    }
    assert view_bytes(Image.fromarray(array)) == views
    view = np.zeros((224, 224, 3), dtype=np.uint8)
    assert view_bytes(PixelViews(global_view=view, fragments=view))["FRAGMENTS"] == bytes(150_528)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((5, 7), dtype=np.uint8),
        np.zeros((5, 7, 3), dtype=np.float64),
        b"encoded",
        PixelViews(global_view=np.zeros((2, 2, 3)), fragments=np.zeros((2, 2, 3))),
    ],
)
def test_other_pixels_are_refused_in_words(pixels: Any) -> None:
    with pytest.raises(ImageSourceError, match=r"must be .* got"):
        view_bytes(pixels)
