"""Losses between pictures, on [N, 3, H, W] floats of 0-1."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_LUMA = (0.299, 0.587, 0.114)


def charbonnier(x_nchw: Tensor, target_nchw: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """Mean absolute error, smooth at zero (Charbonnier et al., ICIP 1994)."""
    return ((x_nchw - target_nchw).square() + epsilon**2).sqrt().mean()


def to_luma(x_nchw: Tensor) -> Tensor:
    """BT.601 luma, [N, 1, H, W]."""
    weights = torch.tensor(_LUMA, dtype=x_nchw.dtype, device=x_nchw.device)
    return (x_nchw * weights.view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def structural_dissimilarity(x_nchw: Tensor, target_nchw: Tensor, *, window: int = 7) -> Tensor:
    """One minus the mean SSIM of luma (Wang et al., IEEE TIP 2004), with a square window."""
    x, y = to_luma(x_nchw), to_luma(target_nchw)
    mean_x, mean_y = F.avg_pool2d(x, window, 1), F.avg_pool2d(y, window, 1)
    variance_x = F.avg_pool2d(x * x, window, 1) - mean_x.square()
    variance_y = F.avg_pool2d(y * y, window, 1) - mean_y.square()
    covariance = F.avg_pool2d(x * y, window, 1) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x.square() + mean_y.square() + c1) * (variance_x + variance_y + c2)
    )
    return 1.0 - similarity.mean()
