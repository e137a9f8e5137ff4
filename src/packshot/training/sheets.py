"""Sample sheets: rows of pictures side by side, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from packshot.errors import TrainingError

PixelArray = npt.NDArray[np.uint8]

_GAP = 4
_WHITE = 255


def write_sheet(path: Path, rows: Sequence[Sequence[PixelArray]]) -> None:
    """Write rows of [H, W, 3] uint8 sRGB pictures, each at its own size on white.

    Raises:
        TrainingError: The file cannot be written.
    """
    strips = [_joined(row, axis=1) for row in rows]
    sheet = _joined(strips, axis=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise TrainingError(f"could not write the sample sheet {path}")


def _joined(pictures: Sequence[PixelArray], *, axis: int) -> PixelArray:
    across = 1 - axis
    extent = max(picture.shape[across] for picture in pictures)
    padded = []
    for picture in pictures:
        amounts = [(0, 0), (0, 0), (0, 0)]
        amounts[across] = (0, extent - picture.shape[across])
        amounts[axis] = (0, _GAP)
        padded.append(np.pad(picture, amounts, constant_values=_WHITE))
    return np.concatenate(padded, axis=axis)
