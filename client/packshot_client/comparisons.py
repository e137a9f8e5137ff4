"""Comparisons: a photo before and after, whole and at its own pixels, for reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageChops

from packshot_client.thumbnails import picture_uri, read_picture

WHOLE_SIDE: Final = 720
"""Longest side of the whole picture: shrinking hides noise and blur, so no smaller than needed."""

DETAIL_SIZE: Final = (480, 240)
"""Width and height of the detail, in the picture's own pixels."""

_SHRUNK_FROM: Final = (800, 640)
"""Width and height above which the page shows the whole picture much smaller than it is."""

_QUALITY: Final = 90
"""Higher than a thumbnail's: the compression of the report must not pass for a fault."""

_CELL: Final = 24
"""Side in pixels of the squares that the search for the detail moves by."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Data URIs of two pictures of one size.

    Attributes:
        before: The photo.
        after: What was made of it.
        width, height: Of both, to keep their place on the page.
    """

    before: str
    after: str
    width: int
    height: int


def comparisons(before: Path, after: Path) -> list[Comparison]:
    """The whole picture and, where that is shrunk or small parts of it changed, a detail.

    Returns:
        Nothing if one cannot be read or they are of different sizes.
    """
    first, second = read_picture(before), read_picture(after)
    if first is None or second is None or first.size != second.size:
        return []
    found = [_comparison(first, second)]
    if first.width > _SHRUNK_FROM[0] or first.height > _SHRUNK_FROM[1]:
        place = most_changed(first, second, DETAIL_SIZE)
        found.append(_comparison(first.crop(place), second.crop(place)))
    return found


def most_changed(
    first: Image.Image, second: Image.Image, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Where in two pictures of one size a window differs most: left, upper, right, lower."""
    width, height = min(size[0], first.width), min(size[1], first.height)
    columns, rows = max(1, first.width // _CELL), max(1, first.height // _CELL)
    difference = ImageChops.difference(first.convert("L"), second.convert("L"))
    cells = np.asarray(difference.resize((columns, rows), Image.Resampling.BOX), np.float64)
    sums = np.pad(cells.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    down, across = max(1, height * rows // first.height), max(1, width * columns // first.width)
    windows = (
        sums[down:, across:]
        - sums[:-down, across:]
        - sums[down:, :-across]
        + sums[:-down, :-across]
    )
    row, column = np.unravel_index(int(windows.argmax()), windows.shape)
    left = min(round(int(column) * first.width / columns), first.width - width)
    upper = min(round(int(row) * first.height / rows), first.height - height)
    return left, upper, left + width, upper + height


def _comparison(first: Image.Image, second: Image.Image) -> Comparison:
    return Comparison(
        before=picture_uri(first, WHOLE_SIDE, _QUALITY),
        after=picture_uri(second, WHOLE_SIDE, _QUALITY),
        width=first.width,
        height=first.height,
    )
