"""Going part of the way to another tone: how much, and what of the picture stays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from packshot.enhancement import Attempt, Mender
from packshot.enhancement.caution import Caution, part_way, tone_change
from packshot.enhancement.fixes import CAUTION

Picture = npt.NDArray[np.uint8]


def photo(height: int = 300, width: int = 40) -> Picture:
    return np.random.default_rng(1).integers(60, 180, (height, width, 3), dtype=np.uint8)


def test_the_larger_the_change_the_more_of_it_is_made() -> None:
    caution = Caution(small=8.0, large=20.0, least=0.3)
    assert [caution.share(change) for change in (0.0, 8.0, 14.0, 20.0, 90.0)] == pytest.approx(
        [0.3, 0.3, 0.65, 1.0, 1.0]
    )
    made = [change * caution.share(change) for change in np.linspace(0, 40, 200)]
    assert (np.diff(made) > 0).all(), "a larger guess never ends in a smaller change"


def test_a_change_of_tone_is_measured_over_all_pixels() -> None:
    image = photo()
    assert tone_change(image, image) == 0.0
    assert tone_change(image, image + np.uint8(12)) == pytest.approx(12.0)
    upper = image.copy()
    upper[:150] += np.uint8(12)
    assert tone_change(image, upper) == pytest.approx(12.0 / np.sqrt(2))


def test_part_of_the_way_to_a_tone() -> None:
    image = photo()
    toned = image + np.uint8(40)
    assert (part_way(toned, image, toned, 0.25).astype(int) - image == 10).all()
    np.testing.assert_array_equal(part_way(toned, image, toned, 0.0), image)
    np.testing.assert_array_equal(part_way(toned, image, toned, 1.0), toned)


def test_what_else_was_mended_stays() -> None:
    """Noise was taken away and the picture brightened: part of the light goes, no noise comes."""
    clean = np.full((300, 40, 3), 100, np.uint8)
    noise = np.random.default_rng(2).integers(-20, 21, clean.shape)
    image = (clean + noise).astype(np.uint8)
    toned, restored = image + np.uint8(40), np.full_like(clean, 140)
    expected = np.full_like(clean, 110)
    np.testing.assert_array_equal(part_way(restored, image, toned, 0.25), expected)


def test_values_stay_in_range() -> None:
    image, toned = np.full((4, 4, 3), 10, np.uint8), np.full((4, 4, 3), 90, np.uint8)
    black, white = np.zeros_like(image), np.full_like(image, 255)
    assert (part_way(black, image, toned, 0.0) == 0).all()
    assert (part_way(white, toned, image, 0.0) == 255).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 3)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    image = photo(*size)
    assert part_way(image, image, image, 0.3).shape == image.shape


@pytest.mark.parametrize(
    "wrong", [{"small": 20.0, "large": 8.0}, {"small": -1.0}, {"least": 1.2}, {"least": -0.1}]
)
def test_caution_that_cannot_work(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        Caution(**wrong)


@pytest.mark.parametrize("attempt", [Attempt("tone", None), Attempt("restore", "gentle")])
@pytest.mark.parametrize("change", [6, 60])
def test_fixes_of_light_are_equally_cautious(attempt: Attempt, change: int) -> None:
    image = np.full((96, 96, 3), 100, np.uint8)
    mended = Mender(lambda tiles, _: tiles + np.uint8(change))(attempt, image)
    expected = 100 + change * CAUTION.share(change)
    np.testing.assert_allclose(mended, expected, atol=1)
