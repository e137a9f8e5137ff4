"""The demo: real photographs, spoilt copies of them, and whether the scores tell them apart.

The photographs come with scikit-image; the faults are made with Pillow and numpy alone, so that
nothing of the training's own degradations is in them.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from rich.table import Table
from rich.text import Text

from packshot_client.photos import ScoredPhoto

PHOTOGRAPHS: Final = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "motorcycle_left.png",
    "rocket.jpg",
)
"""Files in the ``data`` folder of scikit-image."""

_NOISE_SEED: Final = 7


class DemoError(Exception):
    """The demo photos cannot be made."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to spoil a photo.

    Attributes:
        name: Goes into the file's name.
        spoil: Makes the spoilt picture of an RGB one.
        jpeg_quality: It is saved with.
    """

    name: str
    spoil: Callable[[Image.Image], Image.Image]
    jpeg_quality: int = 95


def _blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(4))


def _dark(image: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(0.22)


def _noisy(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    noise = np.random.default_rng(_NOISE_SEED).normal(0.0, 38.0, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


FAULTS: Final = (
    Fault(name="blurred", spoil=_blurred),
    Fault(name="dark", spoil=_dark),
    Fault(name="noisy", spoil=_noisy),
    Fault(name="over-compressed", spoil=lambda image: image, jpeg_quality=5),
)


@dataclass(frozen=True, kw_only=True)
class DemoPhoto:
    """One original and its spoilt copies by the fault's name."""

    original: Path
    spoilt: dict[str, Path]

    def files(self) -> list[Path]:
        """The original, then its copies."""
        return [self.original, *self.spoilt.values()]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One original's score and those of its copies; ``None`` where a photo was not scored."""

    name: str
    original: float | None
    spoilt: dict[str, float | None]

    def failures(self) -> list[str]:
        """What is not as it should be, a sentence each."""
        if self.original is None:
            return [f"{self.name} was not scored"]
        found = []
        for fault, score in self.spoilt.items():
            if score is None:
                found.append(f"{self.name} {fault} was not scored")
            elif not is_below(score, self.original):
                found.append(
                    f"{self.name} {fault} scores {score:.1f}, not below the original's "
                    f"{self.original:.1f}"
                )
        return found


def is_below(score: float, original: float) -> bool:
    """Whether ``score`` is lower, as printed: a difference nobody can see is none."""
    return round(score, 1) < round(original, 1)


def make_demo_photos(folder: Path) -> list[DemoPhoto]:
    """Write the originals and their spoilt copies into ``folder``.

    Raises:
        DemoError: scikit-image is not installed.
    """
    source = _photograph_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return [_demo_photo(source / name, folder) for name in PHOTOGRAPHS]


def compare(photos: Sequence[DemoPhoto], scored: Sequence[ScoredPhoto]) -> list[Comparison]:
    """Each original's score beside those of its copies."""
    scores = {photo.path: photo.result.score if photo.result else None for photo in scored}
    return [
        Comparison(
            name=photo.original.stem,
            original=scores.get(photo.original),
            spoilt={fault: scores.get(path) for fault, path in photo.spoilt.items()},
        )
        for photo in photos
    ]


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """Originals down, faults across; a star marks a copy that does not score below."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Photo")
    table.add_column("original", justify="right")
    for fault in FAULTS:
        table.add_column(fault.name, justify="right")
    for row in comparisons:
        cells = [_cell(row.spoilt.get(fault.name), row.original) for fault in FAULTS]
        table.add_row(row.name, _cell(row.original, None), *cells)
    return table


def _cell(score: float | None, original: float | None) -> Text:
    if score is None:
        return Text("-")
    wrong = original is not None and not is_below(score, original)
    return Text(f"{score:.1f}{'*' if wrong else ''}", style="red" if wrong else "")


def _photograph_folder() -> Path:
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise DemoError(
            "The demo's photographs come with scikit-image, which is not installed: "
            "pip install 'packshot[demo]', or give your own with --photos."
        )
    return Path(found.origin).parent / "data"


def _demo_photo(source: Path, folder: Path) -> DemoPhoto:
    original = folder / source.name
    shutil.copyfile(source, original)
    spoilt = {}
    with Image.open(source) as opened:
        image = opened.convert("RGB")
    for fault in FAULTS:
        spoilt[fault.name] = folder / f"{source.stem}-{fault.name}.jpg"
        fault.spoil(image).save(spoilt[fault.name], quality=fault.jpeg_quality)
    return DemoPhoto(original=original, spoilt=spoilt)
