"""Catalogue pictures, by category: squared, at the generator's size, with some held back."""

from __future__ import annotations

import csv
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from packshot.contracts import CATEGORIES
from packshot.errors import ImageError, TrainingError
from packshot.generation.framing import squared
from packshot.imaging.decode import decode
from packshot.models.generator import IMAGE_SIDE

PixelArray = npt.NDArray[np.uint8]

HELD_BACK_EVERY = 10


@dataclass(frozen=True, kw_only=True)
class Packshots:
    """Pictures and their categories.

    Attributes:
        pictures: [N, 64, 64, 3] uint8, sRGB.
        categories: [N] int64, positions in ``CATEGORIES``.
        names: N file names.
    """

    pictures: PixelArray
    categories: npt.NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def chosen(self, rows: npt.NDArray[np.intp]) -> Packshots:
        """The pictures of some row numbers."""
        return Packshots(
            pictures=self.pictures[rows],
            categories=self.categories[rows],
            names=tuple(self.names[row] for row in rows),
        )


def read_packshots(folder: Path) -> Packshots:
    """Read ``packshots.tar`` and ``packshots.csv`` (columns file, category).

    Raises:
        TrainingError: A file is missing, a category unknown, or a picture cannot be decoded.
    """
    table, archive = folder / "packshots.csv", folder / "packshots.tar"
    for path in (table, archive):
        if not path.is_file():
            raise TrainingError(f"{path} is missing; expected packshots.csv and packshots.tar")
    with table.open(newline="", encoding="utf-8") as stream:
        rows = {row["file"]: row["category"] for row in csv.DictReader(stream)}
    unknown = sorted(set(rows.values()) - set(CATEGORIES))
    if unknown:
        raise TrainingError(
            f"{table} has unknown categories: {', '.join(unknown[:3])}; known are"
            f" {', '.join(CATEGORIES)}"
        )
    found: dict[str, PixelArray] = {}
    with tarfile.open(archive) as files:
        for member in files:
            name = member.name.removeprefix("./").removeprefix("packshots/")
            content = files.extractfile(member) if name in rows else None
            if content is not None:
                found[name] = _squared(name, content.read())
    missing = sorted(rows.keys() - found.keys())
    if missing:
        raise TrainingError(f"{archive} lacks {len(missing)} pictures, first: {missing[:3]}")
    names = tuple(sorted(found))
    return Packshots(
        pictures=np.stack([found[name] for name in names]),
        categories=np.array([CATEGORIES.index(rows[name]) for name in names], np.int64),
        names=names,
    )


def split_packshots(packshots: Packshots) -> tuple[Packshots, Packshots]:
    """To train on, and held back: every tenth of each category, by name."""
    held_back = np.zeros(len(packshots), bool)
    for number in range(len(CATEGORIES)):
        held_back[np.flatnonzero(packshots.categories == number)[::HELD_BACK_EVERY]] = True
    return (
        packshots.chosen(np.flatnonzero(~held_back)),
        packshots.chosen(np.flatnonzero(held_back)),
    )


def _squared(name: str, data: bytes) -> PixelArray:
    try:
        picture = decode(data).pixels_hwc_u8
    except ImageError as error:
        raise TrainingError(f"cannot train on {name}: {error}") from error
    return squared(picture, IMAGE_SIDE)
