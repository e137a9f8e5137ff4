"""The mark: found after what is done to pictures, and only where it is."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from packshot.generation.watermark import THRESHOLD, confidence, marked
from packshot.imaging import decode

Picture = npt.NDArray[np.uint8]
SIDES = (64, 128, 256)


def product(side: int, seed: int = 0) -> Picture:
    """A shaded, patterned thing on white, drawn at 64 pixels and enlarged as the stack does."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:64, 0:64].astype(np.float32) / 64
    shade = 110 + 60 * np.sin(6 * x + rng.uniform(0, 6)) + 40 * np.cos(9 * y + rng.uniform(0, 6))
    picture = np.full((64, 64, 3), 255, np.float32)
    inside = np.hypot((x - 0.5) / 0.36, (y - 0.5) / 0.28) < 1
    for channel in range(3):
        pattern = shade + rng.normal(0, 12, (64, 64)) + rng.uniform(-40, 40)
        picture[..., channel][inside] = pattern[inside]
    small = np.clip(cv2.GaussianBlur(picture, (3, 3), 0.6), 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def jpeg(picture: Picture, quality: int = 75) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return decode(buffer.getvalue()).pixels_hwc_u8


def rescaled(picture: Picture, factor: float) -> Picture:
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how), np.uint8)


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "untouched": lambda picture: picture,
    "jpeg": jpeg,
    "smaller": lambda picture: rescaled(picture, 0.9),
    "larger": lambda picture: rescaled(picture, 1.1),
    "smaller jpeg": lambda picture: jpeg(rescaled(picture, 0.9)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("side", SIDES)
def test_the_mark_survives(side: int, change: str) -> None:
    heard = [confidence(CHANGES[change](marked(product(side, seed)))) for seed in range(4)]
    assert min(heard) >= THRESHOLD, heard


@pytest.mark.parametrize("side", SIDES)
def test_the_unmarked_stay_unmarked(side: int) -> None:
    heard = [confidence(change(product(side, s))) for s in range(8) for change in CHANGES.values()]
    assert max(heard) < THRESHOLD
    assert abs(float(np.mean(heard))) < 1.5


def test_photos_are_not_taken_for_marked(photo_files: dict[str, bytes]) -> None:
    heard = [confidence(decode(file).pixels_hwc_u8) for file in photo_files.values()]
    assert max(heard) < THRESHOLD


@pytest.mark.parametrize(("side", "least_db"), [(64, 27.0), (128, 35.0), (256, 38.0)])
def test_the_mark_is_faint_and_leaves_white_alone(side: int, least_db: float) -> None:
    picture = product(side)
    result = marked(picture)
    error = float(np.mean((result.astype(np.float64) - picture) ** 2))
    assert error > 0
    assert 10 * np.log10(255**2 / error) >= least_db
    white = (picture == 255).all(axis=2)
    assert white.mean() > 0.3
    assert (result[white] == 255).all()


def test_the_same_picture_gets_the_same_mark() -> None:
    picture = product(128)
    before = picture.copy()
    np.testing.assert_array_equal(marked(picture), marked(picture))
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 5), (33, 80), (301, 97)])
def test_any_size_can_be_looked_at_and_marked(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (*shape, 3), np.uint8)
    assert marked(picture).shape == picture.shape
    assert np.isfinite(confidence(picture))


@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_pictures_are_not_marked_by_chance(level: int) -> None:
    assert confidence(np.full((64, 64, 3), level, np.uint8)) < THRESHOLD


def test_white_cannot_be_marked_and_stays_white() -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    np.testing.assert_array_equal(marked(white), white)
