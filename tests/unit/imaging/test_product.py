"""The product of a photo on a plain background, at the photo's own resolution."""

import cv2
import numpy as np
import pytest

from packshot.imaging import find_product, measure_composition
from packshot.imaging.views import global_view


def photo(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A dark ellipse on light grey paper, lit unevenly; and where it is."""
    image = np.full((height, width, 3), 235, np.float32)
    image += np.linspace(-6, 6, width, dtype=np.float32)[None, :, None]
    mask = np.zeros((height, width), np.uint8)
    centre, axes = (width // 2, height // 2), (width // 4, height // 3)
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, -1)
    image[mask > 0] = (60, 40, 120)
    return image.astype(np.uint8), mask > 0


@pytest.mark.parametrize("size", [(80, 60), (300, 400), (900, 700)])
def test_the_mask_is_that_of_the_product_at_any_size(size: tuple[int, int]) -> None:
    image, expected = photo(*size)
    product = find_product(image)
    assert product is not None
    assert product.mask.shape == expected.shape
    assert np.count_nonzero(product.mask != expected) <= 0.005 * expected.size
    assert product.background.plain


def test_specks_are_no_product() -> None:
    image, expected = photo(300, 300)
    image[20:23, 20:23] = 0
    product = find_product(image)
    assert product is not None
    assert not product.mask[:30, :30].any()
    assert product.mask[expected].mean() > 0.99


def test_thin_parts_of_a_product_are_product() -> None:
    image, expected = photo(300, 300)
    image[150, 220:290] = 0  # one pixel thick
    image[40:42, 40:42] = 0  # a speck that hangs on nothing
    product = find_product(image)
    assert product is not None
    assert product.mask[150, 230:290].all()
    assert not product.mask[35:50, 35:50].any()
    assert product.mask[expected].all()


def test_nothing_on_paper_is_an_empty_mask() -> None:
    product = find_product(np.full((100, 100, 3), 250, np.uint8))
    assert product is not None
    assert not product.mask.any()


def test_a_background_that_is_not_plain_has_no_product_to_tell() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    assert find_product(noise) is None


def test_it_is_what_composition_is_measured_by() -> None:
    image, _ = photo(448, 448)
    product = find_product(image)
    assert product is not None
    rows, columns = (np.flatnonzero(product.mask.any(axis=axis)) for axis in (1, 0))
    fill = max(np.ptp(rows), np.ptp(columns)) / 448
    measured = measure_composition(global_view(image), 448, 448)
    assert measured.fill_ratio == pytest.approx(fill, abs=0.02)
