"""Splits, resampling, faults and capture: what the enhancement networks are fed."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from packshot.errors import TrainingError
from packshot.training.enhancement.capture import PhotoCapture
from packshot.training.enhancement.fault_chains import (
    SELLER_FAULTS,
    FaultChain,
    FaultGroup,
    draw_chain,
)
from packshot.training.enhancement.fidelity import delta_e, psnr, psnr_y, ssim
from packshot.training.enhancement.photos import PhotoSource, split_source, training_photos
from packshot.training.enhancement.resampling import (
    bicubic_enlarge,
    bicubic_shrink,
    cut_to_multiple,
)
from packshot.training.quality.photos import held_back_photos

SHARED = Path(__file__).parents[4] / "shared" / "data"


def photo(height: int = 120, width: int = 160, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(40, 216, (8, 10, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def test_splits_are_disjoint_complete_and_keep_the_held_back_photos(data_folder: Path) -> None:
    folder = data_folder / "seller_photos"
    split = split_source(folder)
    parts = (split.train, split.validation, split.test)
    assert sorted(path for part in parts for path in part) == sorted(folder.rglob("*.jpg"))
    assert sum(map(len, parts)) == len({path for part in parts for path in part})
    assert list(split.test) == held_back_photos(folder)


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="0 photos"):
        split_source(tmp_path)


def test_photos_smaller_than_a_window_are_refused(data_folder: Path) -> None:
    source = PhotoSource(name="studio", shrink=0.5, share=1.0)
    assert training_photos(data_folder, source, smallest=40)
    with pytest.raises(TrainingError, match="sides of 64 pixels"):
        training_photos(data_folder, source, smallest=64)


@pytest.mark.parametrize(("scale", "published"), [(2, 33.66), (4, 28.43)])
def test_bicubic_reaches_the_published_figures_on_set5(scale: int, published: float) -> None:
    files = sorted((SHARED / "set5").glob("*.png"))
    if not files:
        pytest.skip(f"Set5 is not at {SHARED / 'set5'}")
    values = []
    for file in files:
        large = cut_to_multiple(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB), scale)
        enlarged = bicubic_enlarge(bicubic_shrink(large, scale), scale)
        values.append(psnr_y(enlarged, large, border=scale))
    assert np.mean(values) == pytest.approx(published, abs=0.03)


@pytest.mark.parametrize("scale", [2, 4])
def test_resampling_keeps_flat_areas_and_sizes(scale: int) -> None:
    flat = np.full((24, 32, 3), 77, np.uint8)
    small = bicubic_shrink(flat, scale)
    assert small.shape == (24 // scale, 32 // scale, 3)
    np.testing.assert_array_equal(small, 77)
    np.testing.assert_array_equal(bicubic_enlarge(small, scale), flat)


def test_shrinking_by_a_factor_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 4, got 10x8"):
        bicubic_shrink(np.zeros((8, 10, 3), np.uint8), 4)


def test_measures_know_equal_and_different_pictures() -> None:
    original = photo()
    brighter = np.clip(original.astype(int) + 10, 0, 255).astype(np.uint8)
    assert psnr(original, original) == np.inf
    assert psnr(brighter, original) == pytest.approx(20 * np.log10(255 / 10), abs=1e-6)
    assert ssim(original, original) == pytest.approx(1.0)
    assert delta_e(original, original) == pytest.approx(0.0, abs=1e-4)
    assert 1.0 < delta_e(brighter, original) < 6.0


def test_a_chain_is_the_same_each_time_and_the_next_differs() -> None:
    image = photo()
    first, again, other = (draw_chain(np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert first.faults == again.faults != other.faults
    np.testing.assert_array_equal(first.apply(image), first.apply(image))
    np.testing.assert_array_equal(first.apply(image), again.apply(image))
    assert not np.array_equal(first.apply(image), image)


def test_faults_come_in_any_order_and_as_many_as_asked() -> None:
    chains = [draw_chain(np.random.default_rng(seed), minimum=2) for seed in range(200)]
    assert min(len(chain.steps) for chain in chains) == 2
    names = [[fault for fault, _ in chain.faults] for chain in chains]
    both = [n for n in names if "jpeg_compression" in n and "gaussian_noise" in n]
    earlier = [n.index("jpeg_compression") < n.index("gaussian_noise") for n in both]
    assert 0.1 < np.mean(earlier) < 0.9
    assert {f for n in names for f in n} == {f for g in SELLER_FAULTS for f, _, _ in g.faults}


def test_the_tone_of_a_thumbnail_is_that_of_the_photo() -> None:
    tonal = tuple(group for group in SELLER_FAULTS if group.tonal)
    chain = draw_chain(np.random.default_rng(1), minimum=3, groups=tonal)
    image = photo()
    np.testing.assert_array_equal(chain.apply(image), chain.apply_tone(image))
    spatial = tuple(group for group in SELLER_FAULTS if not group.tonal)
    chain = draw_chain(np.random.default_rng(1), minimum=3, groups=spatial)
    np.testing.assert_array_equal(chain.apply_tone(image), image)


def test_an_empty_chain_changes_nothing() -> None:
    image = photo()
    np.testing.assert_array_equal(FaultChain(()).apply(image), image)


def test_unknown_faults_and_impossible_chains_are_refused() -> None:
    with pytest.raises(ValueError, match="scratches"):
        FaultGroup(name="dust", chance=0.5, faults=(("scratches", 0.0, 1.0),))
    with pytest.raises(ValueError, match="at most 8, got 9"):
        draw_chain(np.random.default_rng(0), minimum=9)


@pytest.mark.parametrize("scale", [2, 4])
def test_a_captured_picture_is_small_worse_and_in_place(scale: int) -> None:
    large = photo(160, 240)
    plain = bicubic_shrink(large, scale)
    captured = PhotoCapture(plain=0.0)
    smalls = [captured.small(large, scale, np.random.default_rng(seed)) for seed in range(30)]
    assert {small.shape for small in smalls} == {plain.shape}
    assert all(25.0 < psnr(small, plain) < 60.0 for small in smalls)
    # Shifted by a pixel, the mean of many would differ from the plain one along every edge.
    mean = np.mean(smalls, axis=0)
    centred = np.abs(mean - plain).mean()
    shifted = np.abs(mean[:, 1:] - plain[:, :-1]).mean()
    assert centred < 0.5 * shifted


def test_a_plain_capture_is_bicubic() -> None:
    large = photo()
    small = PhotoCapture(plain=1.0).small(large, 2, np.random.default_rng(0))
    np.testing.assert_array_equal(small, bicubic_shrink(large, 2))
