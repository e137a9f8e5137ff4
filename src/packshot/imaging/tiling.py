"""Large pictures in tiles of a bounded set of sizes, with overlap.

All tiles of a picture have one size, so that they batch, and its sides are multiples of ``STEP``:
an engine or a shape cache meets few shapes, whatever pictures come. Neighbours overlap by twice
the *margin*. Of each tile only what is at least the margin away from the next tile is kept, so
with a margin of the network's receptive radius the joined result is that of the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

PixelArray = npt.NDArray[np.uint8]

STEP: Final = 32
"""Sides of tiles are multiples of this."""

SMALLEST_SIDE: Final = 64
"""Shortest side of a tile; smaller pictures are extended by mirroring."""

ALIGNMENT: Final = 4
"""Tiles start at multiples of this: networks that halve a picture twice then see it the same."""


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How pictures are cut for one network.

    Attributes:
        max_side: Longest side of a tile, a multiple of ``STEP``. Bounds the network's memory.
        margin: Pixels at each inner edge of a tile that are thrown away.
        max_batch: Most tiles in one call of the network.
        max_call_bytes: A call gets no more tiles than this many bytes of output, but one at least.
    """

    max_side: int
    margin: int
    max_batch: int = 8
    max_call_bytes: int = 8 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.max_side < SMALLEST_SIDE or self.max_side % STEP:
            raise ValueError(
                f"max_side must be a multiple of {STEP} of at least {SMALLEST_SIDE}, got "
                f"{self.max_side}"
            )
        if not 0 <= 2 * self.margin <= self.max_side - STEP:
            raise ValueError(
                f"margin must be 0 to {(self.max_side - STEP) // 2} for tiles of {self.max_side} "
                f"pixels, got {self.margin}"
            )
        if self.max_batch < 1 or self.max_call_bytes < 1:
            raise ValueError("max_batch and max_call_bytes must be 1 or more")


@dataclass(frozen=True, kw_only=True)
class Span:
    """One side of a tile.

    Attributes:
        start: First pixel of the tile in the picture.
        keep_from: First pixel of the picture that this tile gives to the result.
        keep_to: One past the last.
    """

    start: int
    keep_from: int
    keep_to: int


@dataclass(frozen=True, kw_only=True)
class TileGrid:
    """The tiles of one picture, row by row.

    Attributes:
        height: Of every tile.
        width: Of every tile.
        rows: Vertical extents.
        columns: Horizontal extents.
    """

    height: int
    width: int
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[tuple[Span, Span]]:
        return ((row, column) for row in self.rows for column in self.columns)


def tile_grid(height: int, width: int, tiling: Tiling) -> TileGrid:
    """The fewest tiles, and the smallest of those, that cover a picture.

    Args:
        height: Pixels, 1 or more.
        width: Pixels, 1 or more.
        tiling: How to cut.
    """
    tile_height, rows = _spans(height, tiling)
    tile_width, columns = _spans(width, tiling)
    return TileGrid(height=tile_height, width=tile_width, rows=rows, columns=columns)


TileFunction = Callable[[PixelArray], PixelArray]
"""[N, h, w, 3] uint8 to [N, scale * h, scale * w, 3] uint8."""


def map_tiles(
    image_hwc_u8: PixelArray, function: TileFunction, tiling: Tiling, *, scale: int = 1
) -> PixelArray:
    """Apply a network to a picture of any size, tile by tile.

    Needs the memory of the result and of one call, whatever the picture's size.

    Args:
        image_hwc_u8: [H, W, 3] uint8, H and W >= 1.
        function: The network, for batches of tiles of one size.
        tiling: How to cut.
        scale: Factor by which the network enlarges both sides.

    Returns:
        [scale * H, scale * W, 3] uint8.

    Raises:
        ValueError: ``function`` returned another shape or dtype.
    """
    height, width = image_hwc_u8.shape[:2]
    grid = tile_grid(height, width, tiling)
    result = np.empty((scale * height, scale * width, 3), np.uint8)
    tile_bytes = grid.height * grid.width * 3 * scale**2
    batch = min(tiling.max_batch, max(1, tiling.max_call_bytes // tile_bytes))
    places = list(grid)
    for first in range(0, len(places), batch):
        chosen = places[first : first + batch]
        tiles = np.stack([_cut(image_hwc_u8, place, grid) for place in chosen])
        mapped = function(tiles)
        expected = (len(chosen), scale * grid.height, scale * grid.width, 3)
        if mapped.shape != expected or mapped.dtype != np.uint8:
            raise ValueError(
                f"the network gave {mapped.dtype} {list(mapped.shape)} for tiles of "
                f"{list(tiles.shape)}, expected uint8 {list(expected)}"
            )
        _paste(result, mapped, chosen, scale)
    return result


def _spans(size: int, tiling: Tiling) -> tuple[int, tuple[Span, ...]]:
    overlap = 2 * tiling.margin
    if size <= tiling.max_side:
        side = max(SMALLEST_SIDE, _rounded_up(size, STEP))
        return side, (Span(start=0, keep_from=0, keep_to=size),)
    # Tiles end on the alignment: a few pixels beyond the edge are mirrored.
    padded = _rounded_up(size, ALIGNMENT)
    # Starts are rounded down to the alignment, which costs an overlap up to that much.
    slack = ALIGNMENT
    count = -(-(padded - overlap - slack) // (tiling.max_side - overlap - slack))
    shortest = -(-(padded - overlap - slack) // count) + overlap + slack
    side = min(tiling.max_side, _rounded_up(shortest, STEP))
    starts = [
        (padded - side) * index // (count - 1) // ALIGNMENT * ALIGNMENT for index in range(count)
    ]
    # Where two tiles overlap, each gives the half that is nearer to its middle.
    cuts = [(left + side + right) // 2 for left, right in pairwise(starts)]
    edges = [0, *cuts, size]
    return side, tuple(
        Span(start=start, keep_from=edges[index], keep_to=edges[index + 1])
        for index, start in enumerate(starts)
    )


def _rounded_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _cut(image_hwc_u8: PixelArray, place: tuple[Span, Span], grid: TileGrid) -> PixelArray:
    row, column = place
    tile = image_hwc_u8[
        row.start : row.start + grid.height, column.start : column.start + grid.width
    ]
    below, right = grid.height - tile.shape[0], grid.width - tile.shape[1]
    if below or right:
        # OpenCV mirrors again and again where the picture is smaller than what it lacks.
        padded = cv2.copyMakeBorder(tile, 0, below, 0, right, cv2.BORDER_REFLECT)
        return np.asarray(padded, dtype=np.uint8)
    return tile


def _paste(
    result: PixelArray, tiles: PixelArray, places: Sequence[tuple[Span, Span]], scale: int
) -> None:
    for tile, (row, column) in zip(tiles, places, strict=True):
        result[
            scale * row.keep_from : scale * row.keep_to,
            scale * column.keep_from : scale * column.keep_to,
        ] = tile[
            scale * (row.keep_from - row.start) : scale * (row.keep_to - row.start),
            scale * (column.keep_from - column.start) : scale * (column.keep_to - column.start),
        ]
