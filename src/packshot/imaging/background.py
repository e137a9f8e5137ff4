"""The background of a photo, estimated from a ring along its border."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

_INLIER_DELTA_E: Final = 8.0
"""A ring pixel within this CIE76 colour difference of the fitted plane is background."""

_PLAIN_SHARE: Final = 0.62
"""The background is plain when this share of the ring lies on one smooth plane of colour ..."""

_PLAIN_ROUGHNESS: Final = 3.0
"""... with at most this root mean square colour difference: cloth, wood and grass have more."""

_UNIFORM_DELTA_E: Final = 8.0
"""Mean colour difference along the ring at which uniformity has fallen to one half."""

_WHITE_FLOOR: Final = 191.0
_WHITE_CEILING: Final = 254.0
"""Whiteness is 0 where the darkest channel is at or below the floor, 1 from the ceiling on."""

_FULL_SHARE: Final = 0.9
"""A product may cover a tenth of the ring without making the background less uniform."""

_MIN_FIT_SHARE: Final = 0.4
"""Fewer ring pixels than this are not worth a plane: the median stands."""

_RIDGE: Final = 1e-3 * np.eye(3, dtype=np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Background:
    """What surrounds the product.

    Attributes:
        plain: One smooth colour: a sheet of paper or a wall, perhaps unevenly lit.
        uniformity: 0-1; 1 is the same colour all along the ring.
        whiteness: 0-1; 1 is pure white.
        roughness: Root mean square colour difference (CIE76) from the fitted plane.
        plane: [3, 3] float32: offset, slope in x and slope in y (both -1 to 1) by Lab channel.
    """

    plain: bool
    uniformity: float
    whiteness: float
    roughness: float
    plane: FloatArray

    def colour_on_grid(self, height: int, width: int) -> FloatArray:
        """Lab of the background at every pixel, [3, H, W] float32."""
        xs, ys = _axes(height, width)
        offset, slope_x, slope_y = self.plane[:, :, None]
        rows, columns = offset + slope_y * ys, slope_x * xs
        return np.asarray(rows[:, :, None] + columns[:, None, :], dtype=np.float32)


def estimate_background(
    lab_chw_f32: FloatArray, rgb_hwc_u8: npt.NDArray[np.uint8], ring: tuple[int, int]
) -> Background:
    """Fit a plane of colour through a ring along the border, leaving out the product.

    A plane and not one colour, because light falls off across any real backdrop. Pixels far
    from the median, then far from the plane, are taken for a product that reaches the edge.

    Args:
        lab_chw_f32: [3, H, W] float32, CIE L*a*b* in its own units (L 0-100).
        rgb_hwc_u8: [H, W, 3] uint8, the same pixels in sRGB.
        ring: Thickness of the ring in pixels, (rows, columns).

    Returns:
        The background.
    """
    _, height, width = lab_chw_f32.shape
    where, design = _ring(height, width, *ring)
    lab = lab_chw_f32.reshape(3, -1)[:, where]
    count = len(where)
    median = np.partition(lab, count // 2, axis=1)[:, count // 2]
    from_median = _length(lab - median[:, None])
    plane = np.zeros((3, 3), np.float32)
    plane[0] = median
    residual = from_median
    for reach in (2 * _INLIER_DELTA_E, _INLIER_DELTA_E):
        inside = residual < reach
        if np.count_nonzero(inside) < _MIN_FIT_SHARE * count:
            break
        chosen = design[:, inside]
        # Not matrix products: for matrices this small, waking BLAS threads costs a millisecond.
        normal = np.einsum("an,bn->ab", chosen, chosen) + _RIDGE
        target = np.einsum("an,cn->ac", chosen, lab[:, inside])
        _, solved = cv2.solve(normal, target, flags=cv2.DECOMP_CHOLESKY)
        plane = np.asarray(solved, dtype=np.float32)
        residual = _length(lab - np.einsum("ac,an->cn", plane, design))
    inside = residual < _INLIER_DELTA_E
    share = np.count_nonzero(inside) / count
    if share == 0.0:
        inside = residual <= residual.min()
    roughness = math.sqrt(float(np.square(residual[inside]).mean()))
    deviation = float(from_median[inside].mean())
    darkest = rgb_hwc_u8.reshape(-1, 3)[where[inside]].min(axis=1).astype(np.float32)
    whiteness = ((darkest - _WHITE_FLOOR) / (_WHITE_CEILING - _WHITE_FLOOR)).clip(0.0, 1.0)
    return Background(
        plain=share >= _PLAIN_SHARE and roughness <= _PLAIN_ROUGHNESS,
        uniformity=min(1.0, share / _FULL_SHARE) / (1.0 + (deviation / _UNIFORM_DELTA_E) ** 2),
        whiteness=float(whiteness.mean()),
        roughness=roughness,
        plane=plane,
    )


def _length(differences_cn: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.square(differences_cn).sum(axis=0)), dtype=np.float32)


@lru_cache(maxsize=256)
def _ring(
    height: int, width: int, rows: int, columns: int
) -> tuple[npt.NDArray[np.intp], FloatArray]:
    outside = np.ones((height, width), bool)
    outside[rows : height - rows, columns : width - columns] = False
    # Every other pixel, as on a chess board, tells the same in half the time.
    outside &= np.add.outer(np.arange(height), np.arange(width)) % 2 == 0
    where = np.flatnonzero(outside)
    rows_of, columns_of = np.divmod(where, width)
    xs, ys = _axes(height, width)
    design = np.stack((np.ones_like(where, np.float32), xs[columns_of], ys[rows_of]))
    where.setflags(write=False)
    design.setflags(write=False)
    return where, design


@lru_cache(maxsize=256)
def _axes(height: int, width: int) -> tuple[FloatArray, FloatArray]:
    xs = np.linspace(-1.0, 1.0, width, dtype=np.float32)
    ys = np.linspace(-1.0, 1.0, height, dtype=np.float32)
    xs.setflags(write=False)
    ys.setflags(write=False)
    return xs, ys
