"""Restoring with networks of known effect."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from packshot.enhancement import blend, restore, restore_tone, upscale
from packshot.enhancement.restoration import tone_matrix
from packshot.imaging.tiling import Tiling

Picture = npt.NDArray[np.uint8]
SMALL_TILES = Tiling(max_side=96, margin=8)


def picture(height: int, width: int) -> Picture:
    rng = np.random.default_rng(height + width)
    ys, xs = np.mgrid[0:height, 0:width]
    smooth = np.stack([40 + 150 * xs / width, 30 + 170 * ys / height, 90 + 60 * np.sin(xs / 9)], -1)
    return np.clip(smooth + rng.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)


def brightened(tiles: Picture) -> Picture:
    """A tone that the network's own form holds: a gain, a square and an offset."""
    x = tiles / 255.0
    toned = x * np.array([1.3, 1.1, 1.0]) - 0.2 * x**2 + 0.05
    return np.rint(toned.clip(0, 1) * 255).astype(np.uint8)


def brighten_by_thumbnail(tiles: Picture, thumbnails: Picture) -> Picture:
    """Adds what the thumbnail lacks to a mean of 128: tiles alone could not know it."""
    lack = 128 - thumbnails.reshape(len(thumbnails), -1).mean(axis=1)
    return np.clip(tiles + lack[:, None, None, None], 0, 255).astype(np.uint8)


def test_all_tiles_get_the_tone_of_the_whole() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[:, 200:] = 100
    restored = restore(image, brighten_by_thumbnail, tiling=SMALL_TILES)
    np.testing.assert_allclose(restored.astype(int) - image, 78, atol=1)


def test_tone_alone_is_found_from_the_thumbnail() -> None:
    image = picture(700, 500)
    toned = restore_tone(image, lambda tiles, _: brightened(tiles))
    assert np.abs(toned.astype(int) - brightened(image)).max() <= 2


def test_tone_alone_leaves_detail_be() -> None:
    """A network that smooths changes nothing of the tone, so nothing of the picture."""
    image = picture(300, 300)

    def smoothed(tiles: Picture, _: Picture) -> Picture:
        return ((tiles.astype(int) + np.roll(tiles, 1, axis=1)) // 2).astype(np.uint8)

    assert np.abs(restore_tone(image, smoothed).astype(int) - image).mean() < 1.0


@pytest.mark.parametrize("value", [0, 255])
def test_pure_black_and_pure_white(value: int) -> None:
    image = np.full((40, 50, 3), value, np.uint8)
    same = restore_tone(image, lambda tiles, _: tiles)
    np.testing.assert_array_equal(same, image)
    matrix = tone_matrix(image, image)
    np.testing.assert_allclose(matrix, np.eye(3, 7), atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (3, 500)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    image = picture(*size)
    np.testing.assert_array_equal(restore(image, lambda tiles, _: tiles), image)
    assert restore_tone(image, lambda tiles, _: tiles).shape == image.shape
    doubled = upscale(image, lambda tiles: tiles.repeat(2, axis=1).repeat(2, axis=2), scale=2)
    np.testing.assert_array_equal(doubled[::2, ::2], image)


def test_blend() -> None:
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 200, np.uint8)
    assert (blend(black, white, 0.25) == 50).all()
    np.testing.assert_array_equal(blend(black, white, 0.0), black)


@pytest.mark.parametrize(("margin", "share"), [(48, 0.001), (32, 0.01)])
def test_seams_of_the_real_network_do_not_show(margin: int, share: float) -> None:
    """Random weights let far pixels count for more than trained ones do."""
    torch = pytest.importorskip("torch")
    from packshot.models.restoration import RestoreNet

    torch.manual_seed(3)
    network = RestoreNet()
    torch.nn.init.normal_(network.detail.tail.weight, std=0.02)

    def restored(tiles: Picture, thumbnails: Picture) -> Picture:
        with torch.inference_mode():
            found = network(torch.from_numpy(tiles), torch.from_numpy(thumbnails))
        return np.asarray(found.numpy(), np.uint8)

    image = picture(256, 320)
    whole = restore(image, restored, tiling=Tiling(max_side=320, margin=0))
    tiled = restore(image, restored, tiling=Tiling(max_side=192, margin=margin))
    assert np.abs(whole.astype(int) - image).max() > 3
    difference = np.abs(tiled.astype(int) - whole)
    # Sums in another order may round a value that lies between two the other way.
    assert difference.max() <= 1
    assert (difference > 0).mean() < share
