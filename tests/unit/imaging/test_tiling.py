"""Tiling: every pixel once, few sizes, and the same result as without tiles."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from packshot.imaging.tiling import (
    ALIGNMENT,
    SMALLEST_SIDE,
    STEP,
    Tiling,
    map_tiles,
    tile_grid,
)

Picture = npt.NDArray[np.uint8]
TILING = Tiling(max_side=160, margin=16)
SIZES = [1, 2, 3, 31, 64, 65, 159, 160, 161, 163, 300, 1000, 4001]


def blurred(tiles: Picture) -> Picture:
    """A "network" that looks 8 pixels far."""
    return np.stack([cv2.blur(tile, (17, 17), borderType=cv2.BORDER_REFLECT) for tile in tiles])


def doubled(tiles: Picture) -> Picture:
    return blurred(tiles).repeat(2, axis=1).repeat(2, axis=2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tiling", [TILING, Tiling(max_side=640, margin=32)])
def test_spans_cover_a_side_once_and_keep_the_margin(size: int, tiling: Tiling) -> None:
    grid = tile_grid(size, 1, tiling)
    assert [span.keep_from for span in grid.rows][1:] == [span.keep_to for span in grid.rows][:-1]
    assert grid.rows[0].keep_from == 0
    assert grid.rows[-1].keep_to == size
    last = len(grid.rows) - 1
    for index, span in enumerate(grid.rows):
        assert span.start % ALIGNMENT == 0
        assert span.start <= span.keep_from < span.keep_to <= span.start + grid.height
        if index > 0:
            assert span.keep_from - span.start >= tiling.margin
        if index < last:
            assert span.start + grid.height - span.keep_to >= tiling.margin


def test_sizes_of_tiles_are_few() -> None:
    sides = {tile_grid(size, size, TILING).height for size in range(1, 3000)}
    assert all(SMALLEST_SIDE <= side <= TILING.max_side and side % STEP == 0 for side in sides)


def test_little_is_computed_twice() -> None:
    grid = tile_grid(3000, 4000, Tiling(max_side=640, margin=32))
    assert len(grid) * grid.height * grid.width < 1.35 * 3000 * 4000


@pytest.mark.parametrize(("height", "width"), [(500, 332), (164, 160), (402, 1201)])
def test_joined_result_is_that_of_the_whole(
    make_photo: Callable[..., Picture], height: int, width: int
) -> None:
    image = make_photo(width, height)
    whole = blurred(image[None])[0]
    tiled = map_tiles(image, blurred, TILING)
    if height % ALIGNMENT == width % ALIGNMENT == 0:
        np.testing.assert_array_equal(tiled, whole)
    # Beyond the last column a tile sees up to three mirrored ones, and then the mirror's mirror.
    np.testing.assert_array_equal(tiled[:-8, :-8], whole[:-8, :-8])


def test_too_small_a_margin_shows(make_photo: Callable[..., Picture]) -> None:
    """The test above can fail."""
    image = make_photo(500, 332)
    tiled = map_tiles(image, blurred, Tiling(max_side=64, margin=0))
    assert (tiled != blurred(image[None])[0])[:-8, :-8].any()


@pytest.mark.parametrize(("height", "width"), [(3, 3), (1, 700), (64, 64), (333, 190)])
def test_enlarging(make_photo: Callable[..., Picture], height: int, width: int) -> None:
    image = make_photo(width, height)
    enlarged = map_tiles(image, doubled, TILING, scale=2)
    assert enlarged.shape == (2 * height, 2 * width, 3)
    np.testing.assert_array_equal(enlarged[::2, ::2], map_tiles(image, blurred, TILING))


def test_calls_keep_to_the_batch_and_the_bytes(make_photo: Callable[..., Picture]) -> None:
    image = make_photo(900, 700)
    sizes: list[int] = []

    def counted(tiles: Picture) -> Picture:
        sizes.append(len(tiles))
        return tiles

    map_tiles(image, counted, TILING)
    assert max(sizes) == TILING.max_batch
    by_batch, sizes = sizes, []
    tile_bytes = 160 * 160 * 3
    np.testing.assert_array_equal(
        map_tiles(image, counted, Tiling(max_side=160, margin=16, max_call_bytes=3 * tile_bytes)),
        image,
    )
    assert max(sizes) == 3
    assert sum(sizes) == sum(by_batch)
    sizes.clear()
    map_tiles(image, counted, Tiling(max_side=160, margin=16, max_call_bytes=1))
    assert set(sizes) == {1}


def test_wrong_answers_of_a_network_are_refused(make_photo: Callable[..., Picture]) -> None:
    image = make_photo(100, 100)
    with pytest.raises(ValueError, match=r"expected uint8 \[1, 256, 256, 3\]"):
        map_tiles(image, blurred, TILING, scale=2)
    with pytest.raises(ValueError, match="float64"):
        map_tiles(image, lambda tiles: tiles * 1.0, TILING)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    "wrong",
    [{"max_side": 100}, {"max_side": 32}, {"margin": 70}, {"margin": -1}, {"max_batch": 0}],
)
def test_settings_that_cannot_work(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must be|1 or more"):
        Tiling(**{"max_side": 160, "margin": 16, **wrong})
