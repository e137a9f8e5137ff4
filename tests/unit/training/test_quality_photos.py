"""The data split: disjoint, stratified, repeatable; missing data is refused."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from packshot.errors import TrainingError
from packshot.training.quality.photos import (
    clean_photos,
    held_back_photos,
    split_biq2021,
)


def test_split_is_disjoint_complete_and_repeatable(data_folder: Path) -> None:
    split = split_biq2021(data_folder / "biq2021")
    parts = [{p.path for p in part} for part in (split.train, split.validation, split.test)]
    assert sum(map(len, parts)) == 60
    assert len(set.union(*parts)) == 60
    assert split == split_biq2021(data_folder / "biq2021")


def test_split_is_stratified_by_subset(data_folder: Path) -> None:
    split = split_biq2021(data_folder / "biq2021")
    assert set(Counter(p.path.name[:4] for p in split.test).values()) == {3}
    assert set(Counter(p.path.name[:4] for p in split.validation).values()) == {1}


def test_held_back_photos_are_never_trained_on(data_folder: Path) -> None:
    split = split_biq2021(data_folder / "biq2021")
    trained = {p.path for photos in clean_photos(data_folder, split.train).values() for p in photos}
    for source in ("studio", "bsds", "seller_photos"):
        held_back = held_back_photos(data_folder / source)
        assert held_back
        assert not trained & set(held_back)
    assert not trained & {p.path for p in (*split.validation, *split.test)}


def test_missing_photos_are_named(data_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "biq2021"
    shutil.copytree(data_folder / "biq2021", folder)
    (folder / "images" / "ss01_0.jpg").unlink()
    with pytest.raises(TrainingError, match=r"1 labelled photos are missing, first: .*ss01_0"):
        split_biq2021(folder)


def test_missing_labels_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no labels at .*mos\.csv"):
        split_biq2021(tmp_path)


def test_an_empty_source_is_named(data_folder: Path, tmp_path: Path) -> None:
    split = split_biq2021(data_folder / "biq2021")
    with pytest.raises(TrainingError, match="studio"):
        clean_photos(tmp_path, split.train)
