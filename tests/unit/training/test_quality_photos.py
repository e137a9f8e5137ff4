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


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("gone.jpg,0.5", r"line 62: no photo 'gone\.jpg'"),
        ("ss01_0.jpg,0.5", r"line 62: 'ss01_0\.jpg' is labelled twice, first on line 2"),
        ("extra.jpg,nan", r"line 62: mos 'nan' is not a finite number"),
        ("extra.jpg,50", r"line 62: mos 50 is out of range, expected 0 to 1"),
    ],
)
def test_bad_labels_are_refused_with_their_line(
    data_folder: Path, tmp_path: Path, row: str, message: str
) -> None:
    folder = tmp_path / "biq2021"
    shutil.copytree(data_folder / "biq2021", folder)
    shutil.copy(folder / "images" / "ss01_0.jpg", folder / "images" / "extra.jpg")
    with (folder / "mos.csv").open("a") as labels:
        labels.write(row + "\n")
    with pytest.raises(TrainingError, match=message):
        split_biq2021(folder)


def test_labels_that_are_no_scores_are_refused(data_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "biq2021"
    shutil.copytree(data_folder / "biq2021", folder)
    names = sorted(path.name for path in (folder / "images").iterdir())
    rows = [f"{name},{'high' if index % 2 else 'low'}" for index, name in enumerate(names)]
    (folder / "mos.csv").write_text("\n".join(["file,grade", *rows]) + "\n")
    with pytest.raises(TrainingError, match="holds grades, expected file,mos"):
        split_biq2021(folder)
    rows = [f"{name},0.5" for name in names]
    (folder / "mos.csv").write_text("\n".join(["file,mos", *rows]) + "\n")
    with pytest.raises(TrainingError, match=r"every photo is labelled 0\.5"):
        split_biq2021(folder)


def test_missing_labels_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no labels at .*mos\.csv"):
        split_biq2021(tmp_path)


def test_an_empty_source_is_named(data_folder: Path, tmp_path: Path) -> None:
    split = split_biq2021(data_folder / "biq2021")
    with pytest.raises(TrainingError, match="studio"):
        clean_photos(tmp_path, split.train)
