"""Losses between pictures, on [N, 3, H, W] floats of 0-1."""

from __future__ import annotations

import torch
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)


def charbonnier(x_nchw: Tensor, target_nchw: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """Mean absolute error, smooth at zero (Charbonnier et al., ICIP 1994)."""
    return ((x_nchw - target_nchw).square() + epsilon**2).sqrt().mean()


def cautious_log_error(
    x_nchw: Tensor, before_nchw: Tensor, target_nchw: Tensor, *, floor: float, caution: float
) -> Tensor:
    """The logarithm of each picture's mean squared error, and once more what it rose.

    The logarithm is what PSNR measures: mending a small error of one picture counts as much as
    mending a large one of another, and changing a picture that was right costs most.

    Args:
        x_nchw: Changed pictures.
        before_nchw: The same as they were.
        target_nchw: As they should be.
        floor: Squared grey levels of errors that the change cannot mend, added to the error.
        caution: Weight of the rise, for pictures that the change takes farther away.
    """
    level = floor / 255.0**2
    after, before = (
        torch.log1p((picture - target_nchw).square().mean(dim=(1, 2, 3)) / level)
        for picture in (x_nchw, before_nchw)
    )
    return (after + caution * (after - before).relu()).mean()


def to_luma(x_nchw: Tensor) -> Tensor:
    """BT.601 luma, [N, 1, H, W]."""
    weights = torch.tensor(_LUMA, dtype=x_nchw.dtype, device=x_nchw.device)
    return (x_nchw * weights.view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def structural_dissimilarity(x_nchw: Tensor, target_nchw: Tensor, *, window: int = 7) -> Tensor:
    """One minus the mean SSIM of luma (Wang et al., IEEE TIP 2004), with a square window."""
    x, y = to_luma(x_nchw), to_luma(target_nchw)
    moments = torch.cat([x, y, x * x, y * y, x * y], dim=1)
    pooled = _windowed_mean(moments, window)
    mean_x, mean_y, square_x, square_y, product = pooled.chunk(5, dim=1)
    variance_x, variance_y = square_x - mean_x.square(), square_y - mean_y.square()
    covariance = product - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity: Tensor = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x.square() + mean_y.square() + c1) * (variance_x + variance_y + c2)
    )
    return 1.0 - similarity.mean()


def _windowed_mean(x_nchw: Tensor, window: int) -> Tensor:
    """``avg_pool2d`` with a stride of 1, on the CPU in a quarter of its time."""
    height, width = (side - window + 1 for side in x_nchw.shape[2:])
    rows = sum((x_nchw[:, :, i : height + i] for i in range(1, window)), x_nchw[:, :, :height])
    columns = sum((rows[..., i : width + i] for i in range(1, window)), rows[..., :width])
    return columns / window**2
