"""Labels files: what is sound is read, everything else is refused with line numbers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from packshot.errors import TrainingError
from packshot.training.feedback.label_file import read_labels
from packshot.training.feedback.labels import GradeThresholds

WriteLabels = Callable[[str], Path]


@pytest.fixture
def photos(data_folder: Path) -> Path:
    return data_folder / "studio"


@pytest.fixture
def write(tmp_path: Path) -> WriteLabels:
    def write_labels(text: str) -> Path:
        path = tmp_path / "my.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write_labels


def rows(values: list[str]) -> str:
    return "".join(f"{index:02}.jpg,{value}\n" for index, value in enumerate(values))


def test_scores_become_zero_to_one(write: WriteLabels, photos: Path) -> None:
    hundred = read_labels(
        write("file,score\n" + rows(["0", "25", "100"])), photos_root=photos, minimum=3
    )
    one = read_labels(
        write("File, MOS\n" + rows(["0", "0.25", "1"])), photos_root=photos, minimum=3
    )
    assert hundred == one
    assert hundred.kind == "scores"
    assert hundred.targets == (0.0, 0.25, 1.0)
    assert [path.name for path in hundred.photos] == ["00.jpg", "01.jpg", "02.jpg"]


def test_grades_are_ordered_and_subsets_are_kept(write: WriteLabels, photos: Path) -> None:
    text = "\ufefffile,grade,subset\n00.jpg,high,shoes\n01.jpg,Low,bags\n\n02.jpg,medium,shoes\n"
    labels = read_labels(write(text), photos_root=photos, minimum=3)
    assert labels.targets == (2.0, 0.0, 1.0)
    assert labels.subsets == ("shoes", "bags", "shoes")
    assert labels.chosen([0, 2]).subsets == ("shoes", "shoes")


def test_pairs_share_photos(write: WriteLabels, photos: Path) -> None:
    text = "better,worse\n00.jpg,01.jpg\n01.jpg,02.jpg\n00.jpg,02.jpg\n"
    labels = read_labels(write(text), photos_root=photos, minimum=3)
    assert labels.pairs == ((0, 1), (1, 2), (0, 2))
    assert len(labels) == len(labels.photos) == 3
    last = labels.chosen([1])
    assert last.pairs == ((0, 1),)
    assert [path.name for path in last.photos] == ["01.jpg", "02.jpg"]


def test_photos_are_found_beside_the_labels(photos: Path) -> None:
    path = photos / "beside.csv"
    path.write_text("file,score\n00.jpg,10\n01.jpg,20\n")
    assert len(read_labels(path, minimum=2)) == 2
    path.unlink()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", r"the header is '', expected one of file,score", id="empty"),
        pytest.param("photo,stars\n00.jpg,3\n", r"the header is 'photo,stars'", id="header"),
        pytest.param("file,score,mos\n", r"the header is 'file,score,mos'", id="extra column"),
        pytest.param("file,score\ngone.jpg,5\n", r"line 2: no photo 'gone\.jpg'", id="missing"),
        pytest.param("file,score\n,5\n", r"line 2: no photo ''", id="no name"),
        pytest.param("file,score\n00.jpg,nan\n", r"line 2: score 'nan' is not a finite", id="nan"),
        pytest.param("file,score\n00.jpg,\n", r"line 2: score '' is not a number", id="blank"),
        pytest.param("file,mos\n00.jpg,good\n", r"mos 'good' is not a number", id="word"),
        pytest.param(
            "file,score\n00.jpg,101\n",
            r"score 101 is out of range, expected 0 to 100",
            id="score range",
        ),
        pytest.param(
            "file,mos\n00.jpg,55\n", r"mos 55 is out of range, expected 0 to 1", id="mos range"
        ),
        pytest.param("file,score\n00.jpg,-1\n", r"score -1 is out of range", id="negative"),
        pytest.param(
            "file,score\n00.jpg,1\n\n00.jpg,2\n",
            r"line 4: '00\.jpg' is labelled twice, first on line 2",
            id="duplicate",
        ),
        pytest.param(
            "file,grade\n00.jpg,great\n",
            r"grade 'great', expected one of low, medium, high",
            id="grade",
        ),
        pytest.param("file,score\n00.jpg,5,6\n", r"line 2: 3 fields, expected 2", id="fields"),
        pytest.param(
            "better,worse\n00.jpg,00.jpg\n", r"'00\.jpg' is compared with itself", id="self"
        ),
        pytest.param(
            "better,worse\n00.jpg,01.jpg\n01.jpg,00.jpg\n",
            r"line 3: .*contradicts line 2",
            id="contradiction",
        ),
        pytest.param(
            "better,worse\n00.jpg,01.jpg\n00.jpg,01.jpg\n",
            r"line 3: .*said twice, first on line 2",
            id="pair twice",
        ),
        pytest.param(
            "file,score\n00.jpg,5\n01.jpg,6\n",
            r"holds 2 labels \(scores\), expected at least 3",
            id="too few",
        ),
        pytest.param(
            "file,grade\n" + rows(["high"] * 4), r"every photo is labelled high", id="one class"
        ),
        pytest.param(
            "file,score\n" + rows(["70"] * 4), r"every photo is labelled 0\.7", id="one score"
        ),
        pytest.param(
            "file,score\n" + rows(["0.1", "0.5", "0.9"]), r"name the column mos", id="unit"
        ),
    ],
)
def test_unsound_labels_are_refused(
    text: str, message: str, write: WriteLabels, photos: Path
) -> None:
    with pytest.raises(TrainingError, match=message):
        read_labels(write(text), photos_root=photos, minimum=3)


def test_a_damaged_photo_is_refused(write: WriteLabels, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "half.jpg").write_bytes((photos / "00.jpg").read_bytes()[:300])
    with pytest.raises(TrainingError, match=r"line 2: 'half\.jpg' cannot be decoded"):
        read_labels(write("file,score\nhalf.jpg,3\n"), minimum=1)


def test_only_the_first_offenders_are_listed(write: WriteLabels, photos: Path) -> None:
    with pytest.raises(TrainingError) as refused:
        read_labels(write("file,score\n" + rows(["nan"] * 9)), photos_root=photos, minimum=3)
    message = str(refused.value)
    assert "9 labels cannot be used" in message
    assert "line 6:" in message
    assert "line 7:" not in message
    assert message.endswith("and 4 more")


def test_files_that_are_no_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no labels at .*nowhere\.csv"):
        read_labels(tmp_path / "nowhere.csv", minimum=3)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xd8\xff\xe0 a picture")
    with pytest.raises(TrainingError, match="not a CSV file in UTF-8"):
        read_labels(binary, minimum=3)
    with pytest.raises(TrainingError, match=r"photo folder .* does not exist"):
        read_labels(binary, photos_root=tmp_path / "gone", minimum=3)


@pytest.mark.parametrize(("medium", "high"), [(70.0, 50.0), (0.0, 50.0), (50.0, 100.0)])
def test_grades_that_do_not_follow_each_other_are_refused(medium: float, high: float) -> None:
    with pytest.raises(ValueError, match="expected 0 < medium_from < high_from < 100"):
        GradeThresholds(medium_from=medium, high_from=high)
