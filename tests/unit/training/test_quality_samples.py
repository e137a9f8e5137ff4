"""Samples: targets say what was done to the photo, and nothing that is not known."""

from pathlib import Path

import numpy as np
import pytest

from packshot.contracts import VIEW_SIZE
from packshot.training.quality.batches import MixConfig, MixedBatches, MixedDataset
from packshot.training.quality.photos import (
    CleanPhoto,
    LabelledPhoto,
    clean_photos,
    split_biq2021,
)
from packshot.training.quality.samples import (
    CLEAN_STUDIO_SCORE,
    NO_FAULT,
    NO_PAIR,
    Augmentation,
    faulty_sample,
    labelled_sample,
)


@pytest.fixture
def clean(data_folder: Path) -> CleanPhoto:
    return CleanPhoto(path=data_folder / "studio" / "01.jpg", mos=None, trusted=True)


def draw(photo: CleanPhoto, count: int = 60):  # type: ignore[no-untyped-def]
    return [
        faulty_sample(photo, Augmentation(), np.random.default_rng(seed)) for seed in range(count)
    ]


def test_faulty_samples_cover_clean_uniform_and_regional_faults(clean: CleanPhoto) -> None:
    samples = draw(clean)
    untouched = [s for s in samples if (s.attributes == 1).all()]
    uniform = [s for s in samples if (s.attributes < 1).any()]
    regional = [s for s in samples if np.isnan(s.attributes).all()]
    assert untouched
    assert uniform
    assert regional
    assert len(untouched) + len(uniform) + len(regional) == len(samples)
    for sample in uniform:
        np.testing.assert_allclose(sample.quality_map.mean(axis=(1, 2)), sample.attributes, 1e-5)
    assert any(len(np.unique(s.quality_map)) > 2 for s in regional)
    for sample in untouched:
        assert sample.score_floor == CLEAN_STUDIO_SCORE
        assert np.isnan(sample.score_ceiling)
    for sample in uniform:
        assert sample.score_ceiling < 0.75


def test_one_visible_fault_over_the_whole_photo_names_the_attribute_to_blame(
    clean: CleanPhoto,
) -> None:
    samples = draw(clean, 120)
    blamed = [s for s in samples if s.only_fault != NO_FAULT]
    assert len({s.only_fault for s in blamed}) > 3
    for sample in blamed:
        assert (sample.attributes < 1).sum() == 1
        assert int(sample.attributes.argmin()) == sample.only_fault
        assert sample.attributes.min() <= 0.8
    assert any((s.attributes < 1).sum() == 2 for s in samples if s.only_fault == NO_FAULT)


def test_untrusted_photos_teach_only_the_applied_fault(data_folder: Path) -> None:
    photo = CleanPhoto(path=data_folder / "studio" / "01.jpg", mos=None, trusted=False)
    for sample in draw(photo, 30):
        assert not (sample.attributes == 1).any()
        assert sample.only_fault == NO_FAULT
        assert np.isnan(sample.score_floor)
        assert np.isnan(sample.score_ceiling)


def test_labelled_sample_without_augmentation_is_what_serving_sees(data_folder: Path) -> None:
    photo = LabelledPhoto(path=data_folder / "biq2021" / "images" / "ss01_0.jpg", mos=0.5)
    first, second = (labelled_sample(photo, None, np.random.default_rng(s)) for s in (0, 1))
    np.testing.assert_array_equal(first.global_view, second.global_view)
    np.testing.assert_array_equal(first.fragments, second.fragments)
    assert first.fragments.shape == (VIEW_SIZE, VIEW_SIZE, 3)
    assert np.isnan(first.attributes).all()


def test_a_sample_depends_only_on_seed_epoch_and_index(data_folder: Path) -> None:
    split = split_biq2021(data_folder / "biq2021")
    clean_sources = clean_photos(data_folder, split.train)

    def dataset(epoch: int) -> MixedDataset:
        made = MixedDataset(split.train, clean_sources, MixConfig(), Augmentation(), seed=5)
        made.epoch = epoch
        return made

    last = len(split.train)
    np.testing.assert_array_equal(dataset(1)[last].global_view, dataset(1)[last].global_view)
    assert not np.array_equal(dataset(1)[0].fragments, dataset(2)[0].fragments)
    assert list(MixedBatches(dataset(1))) == list(MixedBatches(dataset(1)))
    assert list(MixedBatches(dataset(1))) != list(MixedBatches(dataset(2)))


def test_paired_photos_differ_in_nothing_but_the_severity(data_folder: Path) -> None:
    split = split_biq2021(data_folder / "biq2021")
    mix = MixConfig(labelled=4, faulty=4, paired=True)
    sources = clean_photos(data_folder, split.train)
    dataset = MixedDataset(split.train, sources, mix, Augmentation(), seed=0)
    first = len(split.train)
    pairs = [(dataset[i], dataset[i + 1]) for i in range(first, first + 40, 2)]
    for better, worse in pairs:
        assert better.pair == worse.pair != NO_PAIR
        np.testing.assert_array_equal(np.isnan(better.attributes), np.isnan(worse.attributes))
        np.testing.assert_array_equal(better.attributes == 1, worse.attributes == 1)
    assert len({better.pair for better, _ in pairs}) == len(pairs)
    assert any(np.nanmax(np.abs(a.attributes - b.attributes), initial=0) > 0.3 for a, b in pairs)
    with pytest.raises(ValueError, match="even number of faulty photos, got 3"):
        MixConfig(labelled=4, faulty=3, paired=True)


def test_an_epoch_shows_each_labelled_photo_at_most_once(data_folder: Path) -> None:
    split = split_biq2021(data_folder / "biq2021")
    mix = MixConfig(labelled=4, faulty=2)
    dataset = MixedDataset(
        split.train, clean_photos(data_folder, split.train), mix, Augmentation(), 0
    )
    batches = list(MixedBatches(dataset))
    assert len(batches) == len(split.train) // 4
    labelled = [i for batch in batches for i in batch if i < len(split.train)]
    assert len(labelled) == len(set(labelled)) == 4 * len(batches)
    assert all(len(batch) == 6 for batch in batches)


def test_a_mix_without_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 labelled photos"):
        MixConfig(labelled=1)
