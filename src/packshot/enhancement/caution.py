"""How far to follow a guess at light and colour: all of a large one, part of a small one.

Whether a photo is too dark or a scene is dark cannot be told for sure. A guess g at the change t
that a photo needs brings it nearer to the original as long as it is less than twice t, so going
only part of the way is right more often, and gains less where the guess was right. Large guesses
are mostly right, small ones often reach too far or the wrong way. What was measured:
docs/enhancement.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

PixelArray = npt.NDArray[np.uint8]

_BAND_ROWS: Final = 128


@dataclass(frozen=True, kw_only=True)
class Caution:
    """How much of a change of tone is made, by its size.

    Attributes:
        small: Changes up to this are made in part; root mean square over all pixels, grey levels.
        large: Changes from this on are made in full; the part grows evenly in between.
        least: The part of a small change that is made, 0-1.
    """

    small: float = 8.0
    large: float = 20.0
    least: float = 0.3

    def __post_init__(self) -> None:
        if not 0.0 <= self.small < self.large:
            raise ValueError(
                f"small must be less than large, got {self.small} and {self.large} grey levels"
            )
        if not 0.0 <= self.least <= 1.0:
            raise ValueError(f"least must be a share of 0-1, got {self.least}")

    def share(self, change: float) -> float:
        """The part, 0-1, of a change of this root mean square, in grey levels."""
        grown = (change - self.small) / (self.large - self.small)
        return self.least + (1.0 - self.least) * min(max(grown, 0.0), 1.0)


def tone_change(image_hwc_u8: PixelArray, toned_hwc_u8: PixelArray) -> float:
    """Root mean square, in grey levels, of what was done to a photo's light and colour.

    Args:
        image_hwc_u8: [H, W, 3] uint8: the photo.
        toned_hwc_u8: [H, W, 3] uint8: the same with another tone.
    """
    square = 0.0
    for rows in _bands(len(image_hwc_u8)):
        step = toned_hwc_u8[rows].astype(np.float32) - image_hwc_u8[rows]
        square += float(np.square(step).sum(dtype=np.float64))
    return math.sqrt(square / image_hwc_u8.size)


def part_way(
    picture_hwc_u8: PixelArray, image_hwc_u8: PixelArray, toned_hwc_u8: PixelArray, share: float
) -> PixelArray:
    """A picture with only part of its change of tone; what else was done to it stays.

    Args:
        picture_hwc_u8: [H, W, 3] uint8: the toned photo, or the restored one with the same tone.
        image_hwc_u8: [H, W, 3] uint8: the photo as it came.
        toned_hwc_u8: [H, W, 3] uint8: the photo with the whole change of tone and no other.
        share: The part that stays, 0-1.

    Returns:
        [H, W, 3] uint8.
    """
    if share == 1.0:
        return picture_hwc_u8
    result = np.empty_like(picture_hwc_u8)
    for rows in _bands(len(picture_hwc_u8)):
        change = toned_hwc_u8[rows].astype(np.float32) - image_hwc_u8[rows]
        result[rows] = np.rint(picture_hwc_u8[rows] - (1.0 - share) * change).clip(0, 255)
    return result


def _bands(height: int) -> Iterator[slice]:
    """Few rows at a time: 12 megapixels of floats would take 144 MB."""
    return (slice(top, top + _BAND_ROWS) for top in range(0, height, _BAND_ROWS))
