"""A photo as the generator sees one: squared on white and shrunk."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

PixelArray = npt.NDArray[np.uint8]

_WHITE = 255


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where a picture of ``height`` x ``width`` lies in the square on white around it."""

    height: int
    width: int

    @property
    def side(self) -> int:
        """Side of the square."""
        return max(self.height, self.width)

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture within the square."""
        top, left = (self.side - self.height) // 2, (self.side - self.width) // 2
        return slice(top, top + self.height), slice(left, left + self.width)

    @classmethod
    def of(cls, image: npt.NDArray[np.generic]) -> Frame:
        """Of an [H, W, ...] array."""
        return cls(height=image.shape[0], width=image.shape[1])


def squared(image: PixelArray, side: int, *, around: int = _WHITE) -> PixelArray:
    """[H, W, C] or [H, W] uint8 centred in a square of ``around``, by area to [side, side, ...]."""
    frame = Frame.of(image)
    square = np.full((frame.side, frame.side, *image.shape[2:]), around, np.uint8)
    square[frame.window] = image
    return np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
