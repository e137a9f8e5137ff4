"""Holes filled: by OpenCV, and by a network on top of it, at any size."""

import numpy as np
import pytest

from packshot.errors import EditError
from packshot.generation.framing import Frame, squared
from packshot.generation.inpainting import (
    BoolArray,
    PixelArray,
    inpaint,
    navier_stokes,
    telea,
)


def gradient(height: int, width: int) -> PixelArray:
    ramp = np.linspace(40, 220, width, dtype=np.float32)[None, :, None]
    return np.broadcast_to(ramp, (height, width, 3)).astype(np.uint8)


def box(height: int, width: int) -> BoolArray:
    hole = np.zeros((height, width), bool)
    hole[height // 3 : height // 2, width // 3 : 2 * width // 3] = True
    return hole


@pytest.mark.parametrize("fill", [telea, navier_stokes, inpaint])
def test_a_hole_is_filled_from_around_it(fill) -> None:  # type: ignore[no-untyped-def]
    image, hole = gradient(90, 120), box(90, 120)
    spoilt = image.copy()
    spoilt[hole] = (255, 0, 255)
    filled = fill(spoilt, hole)
    assert np.array_equal(filled[~hole], image[~hole])
    assert np.abs(filled[hole].astype(int) - image[hole]).mean() < 20


def test_nothing_of_what_is_masked_out_is_seen() -> None:
    image, hole = gradient(300, 200), box(300, 200)
    seen = []

    def network(filled: PixelArray, _: PixelArray) -> PixelArray:
        seen.append(filled)
        return filled

    for sticker in ((255, 0, 255), (0, 0, 0)):
        spoilt = image.copy()
        spoilt[hole] = sticker
        inpaint(spoilt, hole, network)
    assert np.array_equal(seen[0], seen[1])


@pytest.mark.parametrize("size", [(64, 64), (300, 200), (80, 60), (500, 900)])
def test_the_network_corrects_the_hole_at_any_size(size: tuple[int, int]) -> None:
    image, hole = gradient(*size), box(*size)

    def brighter(filled: PixelArray, holes: PixelArray) -> PixelArray:
        assert filled.shape == (1, 64, 64, 3)
        assert holes.shape == (1, 64, 64, 1)
        assert set(np.unique(holes)) == {0, 255}
        return np.where(holes > 0, np.minimum(filled, 215) + 40, filled).astype(np.uint8)

    classical, corrected = inpaint(image, hole), inpaint(image, hole, brighter)
    assert np.array_equal(corrected[~hole], image[~hole])
    rows, columns = np.nonzero(hole)
    middle = (int(rows.mean()), int(columns.mean()))
    change = corrected[middle].astype(int) - classical[middle]
    assert change.tolist() == pytest.approx([40, 40, 40], abs=6)


def test_a_network_that_changes_nothing_leaves_the_classical_filling() -> None:
    image, hole = gradient(300, 200), box(300, 200)
    assert np.array_equal(
        inpaint(image, hole, lambda filled, _: filled), navier_stokes(image, hole)
    )


def test_bad_masks_are_refused() -> None:
    image = gradient(60, 80)
    with pytest.raises(EditError, match="The mask is 3 x 4 pixels, the picture 80 x 60"):
        inpaint(image, np.ones((4, 3), bool))
    with pytest.raises(EditError, match="The mask is empty"):
        inpaint(image, np.zeros((60, 80), bool))
    with pytest.raises(EditError, match=r"covers 100% of the picture.*inverted"):
        telea(image, np.ones((60, 80), bool))


def test_a_picture_is_squared_on_white_and_found_again() -> None:
    image = np.zeros((80, 40, 3), np.uint8)
    square = squared(image, 64)
    assert square.shape == (64, 64, 3)
    assert (square[:, :15] == 255).all()
    assert (square[:, 18:46] == 0).all()
    assert Frame.of(image).window == (slice(0, 80), slice(20, 60))
    assert squared(np.ones((80, 40), np.uint8), 80, around=0).sum() == 80 * 40
