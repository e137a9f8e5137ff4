"""The photos the quality network learns from: with human scores, and clean ones to spoil."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from packshot.errors import TrainingError
from packshot.imaging.decode import decode
from packshot.training.feedback.label_file import read_labels
from packshot.training.feedback.labels import MINIMUM_TO_TRAIN

PixelArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class LabelledPhoto:
    """A photo with its mean opinion score, 0-1."""

    path: Path
    mos: float


@dataclass(frozen=True, kw_only=True)
class CleanPhoto:
    """A photo to apply faults to.

    Attributes:
        path: JPEG file.
        mos: Its mean opinion score, 0-1, where people gave one.
        trusted: Free of faults: attributes other than the applied fault's are trained to 1.
    """

    path: Path
    mos: float | None
    trusted: bool


@dataclass(frozen=True, kw_only=True)
class Split:
    """BIQ2021 photos, divided once and for all by ``split_biq2021``."""

    train: tuple[LabelledPhoto, ...]
    validation: tuple[LabelledPhoto, ...]
    test: tuple[LabelledPhoto, ...]


VALIDATION_SHARE = 0.05
TEST_SHARE = 0.15
SPLIT_SEED = 2021


def split_biq2021(folder: Path) -> Split:
    """Divide the official training photos: 80 % train, 5 % validation, 15 % test.

    Stratified by subset (ss01, ss02, ss03). Validation is for early stopping; nothing is chosen
    by the test part.

    Raises:
        TrainingError: ``mos.csv`` or photos are missing, or a label cannot be used: see
            ``read_labels``.
    """
    labels = read_labels(
        folder / "mos.csv",
        photos_root=folder / "images",
        minimum=MINIMUM_TO_TRAIN,
        open_photos=False,
    )
    if labels.kind != "scores":
        raise TrainingError(f"{folder / 'mos.csv'} holds {labels.kind}, expected file,mos")
    photos = [
        LabelledPhoto(path=path, mos=mos)
        for path, mos in zip(labels.photos, labels.targets, strict=True)
    ]
    parts: tuple[list[LabelledPhoto], ...] = ([], [], [])
    rng = np.random.default_rng(SPLIT_SEED)
    for subset in sorted({photo.path.name[:4] for photo in photos}):
        members = sorted((p for p in photos if p.path.name[:4] == subset), key=lambda p: p.path)
        order = rng.permutation(len(members))
        test_end = round(len(members) * TEST_SHARE)
        validation_end = test_end + round(len(members) * VALIDATION_SHARE)
        for rank, index in enumerate(order):
            part = 2 if rank < test_end else 1 if rank < validation_end else 0
            parts[part].append(members[index])
    return Split(train=tuple(parts[0]), validation=tuple(parts[1]), test=tuple(parts[2]))


def clean_photos(data: Path, labelled: Sequence[LabelledPhoto]) -> dict[str, list[CleanPhoto]]:
    """Photos to apply faults to, by source: well-liked BIQ2021 ones, studio, BSDS and sellers'.

    Every tenth file of the three unlabelled sources is kept back for evaluation
    (``held_back_photos``).
    """
    liked = [p for p in labelled if p.mos >= 0.7 and p.path.name.startswith("ss03")]
    sources = {
        "biq2021": [CleanPhoto(path=p.path, mos=p.mos, trusted=True) for p in liked],
        "studio": _unlabelled(data / "studio", trusted=True),
        "bsds": _unlabelled(data / "bsds", trusted=True),
        "seller_photos": _unlabelled(data / "seller_photos", trusted=False),
    }
    empty = [name for name, photos in sources.items() if not photos]
    if empty:
        raise TrainingError(f"no photos found under {data} for: {', '.join(empty)}")
    return sources


def _unlabelled(folder: Path, *, trusted: bool) -> list[CleanPhoto]:
    files = sorted(folder.rglob("*.jpg"))
    return [
        CleanPhoto(path=path, mos=None, trusted=trusted)
        for index, path in enumerate(files)
        if index % 10 != 0
    ]


def held_back_photos(folder: Path) -> list[Path]:
    """The files of an unlabelled source that ``clean_photos`` never trains on."""
    return sorted(folder.rglob("*.jpg"))[::10]


def read_photo(path: Path) -> PixelArray:
    """Decode a photo to [H, W, 3] uint8 sRGB, as serving does."""
    return decode(path.read_bytes()).pixels_hwc_u8
