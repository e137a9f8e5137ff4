"""The photos that load is made of."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_PACKAGED = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")


def folder_payloads(folder: Path, *, most: int = 64) -> list[bytes]:
    """The encoded photos of a folder and its subfolders, in order of name.

    Raises:
        ValueError: There is none.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)[:most]
    if not files:
        raise ValueError(f"no photos ({', '.join(SUFFIXES)}) in {folder}")
    return [file.read_bytes() for file in files]


def packaged_payloads(*, side: int = 512, quality: int = 90) -> list[bytes]:
    """The photographs that scikit-image carries, as square JPEGs of ``side`` pixels.

    Raises:
        ImportError: scikit-image is not installed.
    """
    payloads: list[bytes] = []
    for rgb in _packaged_photos():
        edge = min(rgb.size)
        left, top = (rgb.width - edge) // 2, (rgb.height - edge) // 2
        square = rgb.crop((left, top, left + edge, top + edge)).resize((side, side))
        payloads.append(_jpeg(square, quality))
    return payloads


@dataclass(frozen=True, kw_only=True)
class SizeDistribution:
    """How large generated photos are.

    Attributes:
        sides: Longer sides in pixels.
        shares: How often each; they add up to 1.
    """

    sides: tuple[int, ...]
    shares: tuple[float, ...]


def parse_sizes(text: str) -> SizeDistribution:
    """Read ``512=70,1024=25,2048=5``: longer side in pixels and weight.

    Raises:
        ValueError: It is not of that form.
    """
    sides, weights = [], []
    for part in text.split(","):
        side, equals, weight = part.partition("=")
        try:
            sides.append(int(side))
            weights.append(float(weight) if equals else 1.0)
        except ValueError:
            raise ValueError(f"expected sizes such as 512=70,1024=30, got {part!r}") from None
        if not 16 <= sides[-1] <= 20_000 or not 0 < weights[-1] < float("inf"):
            raise ValueError(
                f"expected a side of 16 to 20000 px and a weight above 0, got {part!r}"
            )
    total = sum(weights)
    return SizeDistribution(sides=tuple(sides), shares=tuple(w / total for w in weights))


def generated_payloads(sizes: SizeDistribution, *, count: int = 32, seed: int = 0) -> list[bytes]:
    """JPEGs cut at random from the packaged photographs, each different from the others.

    The shares are kept as exactly as ``count`` allows, not drawn: a few draws would miss a rare
    size.

    Args:
        sizes: Longer sides of the photos.
        count: How many.
        seed: Of the cuts, proportions and JPEG qualities (75 to 95).

    Raises:
        ImportError: scikit-image is not installed.
    """
    generator = np.random.default_rng(seed)
    photos = _packaged_photos()
    middles = (np.arange(count) + 0.5) / count
    picks = np.searchsorted(np.cumsum(sizes.shares), middles, side="left")
    generator.shuffle(picks)
    payloads = []
    for index, pick in enumerate(np.minimum(picks, len(sizes.sides) - 1)):
        photo = photos[index % len(photos)]
        side, ratio = sizes.sides[pick], float(generator.uniform(0.66, 1.0))
        width, height = (side, round(side * ratio))
        if generator.random() < 0.5:
            width, height = height, width
        scale = float(generator.uniform(0.6, 1.0)) * min(photo.width / width, photo.height / height)
        left = float(generator.uniform(0, photo.width - width * scale))
        top = float(generator.uniform(0, photo.height - height * scale))
        box = (left, top, left + width * scale, top + height * scale)
        picture = photo.resize((width, height), Image.Resampling.BICUBIC, box=box)
        payloads.append(_jpeg(picture, int(generator.integers(75, 96))))
    return payloads


def _packaged_photos() -> Sequence[Image.Image]:
    try:
        import skimage
    except ImportError as error:
        raise ImportError(
            "the packaged photos need scikit-image: pip install 'packshot[bench]', or give a"
            " folder of photos"
        ) from error
    photos = []
    for name in _PACKAGED:
        with Image.open(Path(skimage.__file__).parent / "data" / name) as picture:
            photos.append(picture.convert("RGB"))
    return photos


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()
