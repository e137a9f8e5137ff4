"""Generated pictures: encoders, and product photos of known composition."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

DATA = Path(__file__).parents[4] / "shared" / "data"

Encode = Callable[..., bytes]


def photo_like(width: int, height: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A smooth colourful picture with texture, [H, W, 3] uint8."""
    ys, xs = np.mgrid[0:height, 0:width]
    red = 60 + 150 * xs / max(1, width - 1)
    green = 60 + 150 * ys / max(1, height - 1)
    blue = 128 + 60 * np.sin(xs / 9.0) * np.cos(ys / 11.0)
    noise = np.random.default_rng(seed).normal(0, 4, (height, width, 3))
    return np.clip(np.stack((red, green, blue), -1) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def picture() -> npt.NDArray[np.uint8]:
    return photo_like(160, 120)


@pytest.fixture(scope="session")
def encode() -> Encode:
    """Encode pixels or a Pillow image: ``encode(picture, "PNG", **options)``."""

    def encoded(image: Any, picture_format: str, **options: Any) -> bytes:
        pillow = image if isinstance(image, Image.Image) else Image.fromarray(image)
        buffer = BytesIO()
        pillow.save(buffer, picture_format, **options)
        return buffer.getvalue()

    return encoded


def product(
    size: tuple[int, int] = (600, 600),
    box: tuple[float, float, float, float] = (0.1, 0.2, 0.9, 0.8),
    background: tuple[int, int, int] = (255, 255, 255),
    colour: tuple[int, int, int] = (30, 60, 140),
) -> npt.NDArray[np.uint8]:
    """An ellipse in ``box`` (left, top, right, bottom as shares) on a plain background."""
    width, height = size
    image = Image.new("RGB", size, background)
    corners = (box[0] * width, box[1] * height, box[2] * width - 1, box[3] * height - 1)
    ImageDraw.Draw(image).ellipse(corners, fill=colour)
    return np.asarray(image)


@pytest.fixture(scope="session")
def make_product() -> Callable[..., npt.NDArray[np.uint8]]:
    return product


@pytest.fixture(scope="session")
def make_photo() -> Callable[..., npt.NDArray[np.uint8]]:
    return photo_like


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The shared photos; skips where they are absent."""
    if not (DATA / "studio").is_dir():
        pytest.skip(f"the shared photos are not at {DATA}")
    return DATA
