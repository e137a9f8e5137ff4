"""Finishing a restored picture: what comes back, what gets crisper, and the bounds of both."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from packshot.enhancement.finishing import Finish, finished
from packshot.training.enhancement.fidelity import psnr

Picture = npt.NDArray[np.uint8]
UNBOUNDED = Finish(own_detail=0.0, nearest_db=0.0)


def soft_edge(height: int, width: int) -> Picture:
    """Dark on the left, light on the right, blurred; a little colour."""
    across = 1 / (1 + np.exp(-(np.arange(width) - width / 2) / 0.7))
    row = np.stack([40 + 150 * across, 50 + 120 * across, 70 + 90 * across], -1)
    return np.broadcast_to(np.rint(row).astype(np.uint8), (height, width, 3)).copy()


def texture(height: int, width: int) -> Picture:
    """Grey grain of a few pixels."""
    noise = np.random.default_rng(height).normal(0, 150, (height, width, 1)).repeat(3, axis=2)
    return (128 + cv2.GaussianBlur(noise, (0, 0), 1.5)).clip(0, 255).astype(np.uint8)


def steepest(picture: Picture) -> int:
    return int(np.abs(np.diff(picture.astype(int), axis=1)).max())


def test_edges_get_steeper_and_no_brighter_or_darker() -> None:
    image = soft_edge(60, 80)
    crisp = finished(image, image, UNBOUNDED)
    assert steepest(crisp) > 1.1 * steepest(image)
    darkest, brightest = (operate(image, np.ones((3, 3))) for operate in (cv2.erode, cv2.dilate))
    # The same step for all channels: one of luminance may be half a level more in another.
    assert (crisp.astype(int) >= darkest.astype(int) - 2).all()
    assert (crisp.astype(int) <= brightest.astype(int) + 2).all()


def test_plain_areas_and_ramps_stay_as_they_are() -> None:
    plain = np.full((40, 50, 3), (180, 140, 120), np.uint8)
    np.testing.assert_array_equal(finished(plain, plain, UNBOUNDED), plain)
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (40, 200, 3)).copy()
    np.testing.assert_array_equal(finished(ramp, ramp, UNBOUNDED)[:, 8:-8], ramp[:, 8:-8])


def test_colour_differences_stay() -> None:
    image = soft_edge(60, 80)
    crisp = finished(image, image, UNBOUNDED).astype(int)
    before = image.astype(int)
    difference = (crisp[..., 0] - crisp[..., 2]) - (before[..., 0] - before[..., 2])
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("nearest_db", [35.0, 40.0, 45.0])
def test_sharpening_keeps_its_bound(nearest_db: float) -> None:
    image = texture(300, 200)
    assert psnr(finished(image, image, UNBOUNDED), image) < 34
    crisp = finished(image, image, Finish(own_detail=0.0, nearest_db=nearest_db))
    # Rounding to whole levels adds a little.
    assert psnr(crisp, image) == pytest.approx(nearest_db, abs=0.3)


def test_where_there_is_little_to_sharpen_the_bound_does_not_show() -> None:
    image = soft_edge(60, 400)
    np.testing.assert_array_equal(
        finished(image, image, Finish(own_detail=0.0)), finished(image, image, UNBOUNDED)
    )


def test_own_detail_comes_back_in_part() -> None:
    toned, restored = texture(50, 60), np.full((50, 60, 3), 128, np.uint8)
    given = finished(toned, restored, Finish(own_detail=0.25, amount=0.0))
    np.testing.assert_allclose(
        given.astype(float) - 128, 0.25 * (toned.astype(float) - 128), atol=1
    )
    untouched = finished(toned, restored, Finish(own_detail=0.0, amount=0.0))
    np.testing.assert_array_equal(untouched, restored)


def test_bands_do_not_show() -> None:
    """A picture of several bands beside one of a single band: rows far from its ends are equal."""
    tall = texture(600, 40)
    whole = finished(tall, tall, UNBOUNDED)
    for top in (100, 128 - 8, 256 - 8, 384 - 8):
        part = np.ascontiguousarray(tall[top : top + 64])
        alone = finished(part, part, UNBOUNDED)
        np.testing.assert_array_equal(alone[8:-8], whole[top + 8 : top + 64 - 8])


def test_memory_is_that_of_the_result() -> None:
    image = np.full((6000, 500, 3), 128, np.uint8)
    tracemalloc.start()
    finished(image, image, Finish(own_detail=0.25))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * image.nbytes


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 3), (129, 1)])
@pytest.mark.parametrize("value", [0, 255])
def test_tiny_black_and_white_pictures(size: tuple[int, int], value: int) -> None:
    image = np.full((*size, 3), value, np.uint8)
    np.testing.assert_array_equal(finished(image, image, Finish(own_detail=0.25)), image)


@pytest.mark.parametrize(
    "wrong", [{"own_detail": 1.1}, {"amount": -0.1}, {"sigma": 0.0}, {"nearest_db": -1.0}]
)
def test_finish_that_cannot_work(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Finish(**{"own_detail": 0.0} | wrong)
