"""Differentiable augmentation of real and generated pictures alike.

With few pictures a discriminator learns them by heart; shown only augmented ones, real and
generated, it cannot, and the generator does not learn the augmentations (DiffAugment, Zhao et
al., arXiv 2006.10738): colour, translation and cut-out.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TRANSLATION_SHARE = 0.125
CUTOUT_SHARE = 0.4


def augmented(x_nchw: Tensor, share: float = 1.0) -> Tensor:
    """[N, 3, H, W] floats of -1 to 1, a share of them changed at random, each in its own way.

    Gradients pass through.
    """
    if share <= 0.0:
        return x_nchw
    changed = _cut_out(_translated(_recoloured(x_nchw)))
    return torch.where(_uniform(x_nchw) < share, changed, x_nchw)


def _uniform(x_nchw: Tensor) -> Tensor:
    return torch.rand(x_nchw.shape[0], 1, 1, 1, device=x_nchw.device, dtype=x_nchw.dtype)


def _recoloured(x_nchw: Tensor) -> Tensor:
    x_nchw = x_nchw + (_uniform(x_nchw) - 0.5) * 0.5
    grey = x_nchw.mean(dim=1, keepdim=True)
    x_nchw = (x_nchw - grey) * (_uniform(x_nchw) * 2.0) + grey
    mean = x_nchw.mean(dim=(1, 2, 3), keepdim=True)
    return (x_nchw - mean) * (_uniform(x_nchw) + 0.5) + mean


def _translated(x_nchw: Tensor) -> Tensor:
    """Moved by up to an eighth of the side; what comes in is the picture's own border."""
    count, _, height, width = x_nchw.shape
    reach = round(height * TRANSLATION_SHARE)
    padded = F.pad(x_nchw, (reach, reach, reach, reach), mode="replicate")
    starts = torch.randint(0, 2 * reach + 1, (2, count), device=x_nchw.device)
    rows = starts[0][:, None] + torch.arange(height, device=x_nchw.device)
    columns = starts[1][:, None] + torch.arange(width, device=x_nchw.device)
    batch = torch.arange(count, device=x_nchw.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )


def _cut_out(x_nchw: Tensor) -> Tensor:
    """A square of 40 % of the side, anywhere, set to mid grey."""
    count, _, height, width = x_nchw.shape
    size = round(height * CUTOUT_SHARE)
    top, left = (
        torch.randint(-size // 2, side - size // 2, (count, 1), device=x_nchw.device)
        for side in (height, width)
    )
    rows = torch.arange(height, device=x_nchw.device)[None]
    columns = torch.arange(width, device=x_nchw.device)[None]
    inside_rows = (rows >= top) & (rows < top + size)
    inside_columns = (columns >= left) & (columns < left + size)
    inside = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
    return x_nchw * (~inside).to(x_nchw.dtype)
