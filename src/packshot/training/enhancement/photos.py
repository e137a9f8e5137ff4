"""The photos that restoration and upscaling learn from, divided once and for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from packshot.errors import TrainingError
from packshot.training.quality.photos import read_photo, split_biq2021

PixelArray = npt.NDArray[np.uint8]

BIQ2021_MINIMUM_MOS = 0.75
"""Unsplash photos of BIQ2021 that people rated at least this high are clean enough to learn."""


@dataclass(frozen=True, kw_only=True)
class PhotoSource:
    """A folder of photos and its part in a training.

    Attributes:
        name: ``biq2021`` or a folder of photos without labels.
        shrink: Its photos are shrunk by this factor first, which takes the traces of their own
            compression and some softness away.
        share: How often it is drawn, against the other sources' shares.
    """

    name: str
    shrink: float
    share: float

    def __post_init__(self) -> None:
        if not 0.0 < self.shrink <= 1.0 or self.share <= 0:
            raise ValueError(
                "a source needs a shrink factor in (0, 1] and a positive share, got"
                f" {self.shrink} and {self.share}"
            )


@dataclass(frozen=True, kw_only=True)
class SourceSplit:
    """Files of one source. ``validation`` stops a training early; nothing is chosen by ``test``."""

    train: tuple[Path, ...]
    validation: tuple[Path, ...]
    test: tuple[Path, ...]


def split_source(folder: Path) -> SourceSplit:
    """Divide the JPEG files below a folder: sorted, of each ten one for test, one for validation.

    The test files are those that the quality network never trains on either
    (``held_back_photos``).

    Raises:
        TrainingError: Fewer than ten photos.
    """
    files = sorted(folder.rglob("*.jpg"))
    if len(files) < 10:
        raise TrainingError(f"{len(files)} photos (*.jpg) below {folder}, expected at least ten")
    return SourceSplit(
        train=tuple(file for index, file in enumerate(files) if index % 10 not in (0, 5)),
        validation=tuple(files[5::10]),
        test=tuple(files[::10]),
    )


def liked_photos(folder: Path) -> list[Path]:
    """Unsplash photos of BIQ2021's training part that people rated highly.

    Raises:
        TrainingError: Labels or photos are missing.
    """
    return [
        photo.path
        for photo in split_biq2021(folder).train
        if photo.mos >= BIQ2021_MINIMUM_MOS and photo.path.name.startswith("ss03")
    ]


def training_photos(data: Path, source: PhotoSource, *, smallest: int) -> list[PixelArray]:
    """The training photos of a source, decoded and shrunk: [H, W, 3] uint8 sRGB.

    Raises:
        TrainingError: The source has no photos, or none whose sides are ``smallest`` or longer.
    """
    folder = data / source.name
    paths = liked_photos(folder) if source.name == "biq2021" else split_source(folder).train
    images = [read_shrunk(path, source.shrink) for path in paths]
    large = [image for image in images if min(image.shape[:2]) >= smallest]
    if not large:
        raise TrainingError(
            f"none of the {len(images)} photos of {folder}, shrunk by {source.shrink}, has sides of"
            f" {smallest} pixels, which a training window needs"
        )
    return large


def read_shrunk(path: Path, shrink: float) -> PixelArray:
    """Decode a photo and shrink it by averaging; [H, W, 3] uint8 sRGB."""
    image = read_photo(path)
    if shrink == 1.0:
        return image
    size = (round(image.shape[1] * shrink), round(image.shape[0] * shrink))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def shares(sources: Sequence[PhotoSource]) -> npt.NDArray[np.float64]:
    """How often each source is drawn, summing to 1."""
    weights = np.array([source.share for source in sources])
    return np.asarray(weights / weights.sum(), np.float64)
