"""Pictures to calibrate, prove and measure with: from a folder, or generated."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from packshot.errors import ImageError
from packshot.imaging.decode import decode
from packshot_export.errors import CalibrationError

Picture = npt.NDArray[np.uint8]
"""[H, W, 3] uint8, sRGB."""

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
_LEAST = 8


@dataclass(frozen=True, kw_only=True)
class PictureSet:
    """Pictures, and what the manifest says of them.

    Attributes:
        source: The folder, or ``generated``.
        pictures: Decoded as serving decodes them.
        sha256: Of each file, by name; of the pixels where they were generated.
    """

    source: str
    pictures: tuple[Picture, ...]
    sha256: dict[str, str]

    def to_json(self) -> dict[str, object]:
        """For the manifest."""
        return {"source": self.source, "count": len(self.pictures), "sha256": self.sha256}


@dataclass(frozen=True, kw_only=True)
class LabelledPictures:
    """Pictures with the score people gave them.

    Attributes:
        source: The CSV file.
        pictures: One for each label.
        scores: [N] float64, in any unit.
    """

    source: str
    pictures: tuple[Picture, ...]
    scores: npt.NDArray[np.float64]


def generated_picture(rng: np.random.Generator) -> Picture:
    """A random picture with the smooth areas, edges, grain and blur of a photo."""
    height, width = (int(side) for side in rng.integers(60, 900, size=2))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = np.empty((height, width, 3), np.float32)
    for channel in range(3):
        fx, fy, phase = rng.uniform(0.002, 0.1), rng.uniform(0.002, 0.1), rng.uniform(0, 6)
        picture[..., channel] = 128 + 100 * np.sin(fx * x + fy * y + phase)
    top, left = int(rng.integers(height // 2)), int(rng.integers(width // 2))
    picture[top : top + height // 3, left : left + width // 3] = rng.uniform(0, 255, 3)
    picture += rng.standard_normal(picture.shape, np.float32) * float(rng.uniform(0, 20))
    return np.clip(picture, 0, 255).astype(np.uint8)


def generated_pictures(count: int, seed: int) -> PictureSet:
    """Pictures that need no files: for tests, and for a first build without photos."""
    rng = np.random.default_rng(seed)
    pictures = tuple(generated_picture(rng) for _ in range(count))
    hashes = {
        f"generated-{seed}-{index}": hashlib.sha256(picture.tobytes()).hexdigest()
        for index, picture in enumerate(pictures)
    }
    return PictureSet(source="generated", pictures=pictures, sha256=hashes)


def folder_pictures(folder: Path, count: int) -> PictureSet:
    """``count`` pictures spread evenly over a folder and the folders in it.

    Raises:
        CalibrationError: No such folder, fewer than eight pictures, or one cannot be decoded.
    """
    if not folder.is_dir():
        raise CalibrationError(
            f"no folder {folder} to take pictures from; give one with --calibration, or leave it"
            " out for generated pictures"
        )
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if len(files) < _LEAST:
        raise CalibrationError(
            f"{folder} has {len(files)} pictures, at least {_LEAST} are needed, 64 or more are good"
        )
    chosen = [files[i] for i in np.linspace(0, len(files) - 1, min(count, len(files)), dtype=int)]
    pictures, hashes = [], {}
    for path in chosen:
        content = path.read_bytes()
        hashes[path.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
        pictures.append(_decoded(path, content))
    return PictureSet(source=str(folder), pictures=tuple(pictures), sha256=hashes)


def labelled_pictures(labels: Path, count: int) -> LabelledPictures:
    """The first ``count`` pictures of a CSV file with the columns ``file`` and ``mos``.

    Files are looked for beside the CSV file and in ``images/`` beside it.

    Raises:
        CalibrationError: The file is missing or has other columns, or a picture is missing.
    """
    if not labels.is_file():
        raise CalibrationError(f"no labels at {labels}; expected a CSV with the columns file,mos")
    with labels.open(newline="") as stream:
        rows = list(csv.DictReader(stream))[:count]
    if len(rows) < _LEAST or not {"file", "mos"} <= rows[0].keys():
        raise CalibrationError(
            f"{labels} has {len(rows)} rows; expected the columns file,mos and {_LEAST} rows"
            " or more"
        )
    pictures, scores = [], []
    for row in rows:
        places = [labels.parent / row["file"], labels.parent / "images" / row["file"]]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise CalibrationError(f"{labels} names {row['file']}, which is not at {places[0]}")
        try:
            scores.append(float(row["mos"]))
        except ValueError:
            raise CalibrationError(
                f"{labels}: the score of {row['file']} is {row['mos']!r}, expected a number"
            ) from None
        pictures.append(_decoded(path, path.read_bytes()))
    return LabelledPictures(
        source=str(labels), pictures=tuple(pictures), scores=np.array(scores, np.float64)
    )


def halves(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Every other picture to learn from, the rest to measure on."""
    return list(pictures[::2]), list(pictures[1::2])


def _decoded(path: Path, content: bytes) -> Picture:
    try:
        return decode(content).pixels_hwc_u8
    except ImageError as error:
        raise CalibrationError(f"{path} cannot be decoded: {error}") from error
