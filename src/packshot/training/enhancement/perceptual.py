"""How differently the quality network sees two pictures: a loss that does not smooth.

An average over all plausible details has the least pixel error, and is a blur. The quality network
sees that blur, as people do. So the features of its early layers, which answer to edges, grain and
blocks, are compared between a restored and a clean picture: the idea of Johnson et al., "Perceptual
Losses for Real-Time Style Transfer and Super-Resolution" (arXiv 1603.08155), and of LPIPS (arXiv
1801.03924). It asks for the features of the *clean* picture, never for a high score, so that the
restoration network does not learn to please its judge.
"""

from __future__ import annotations

import itertools
from typing import cast

import torch
from torch import Tensor, nn

from packshot.models.efficientnet_lite import TAPPED_BLOCKS, EfficientNetLite0

_ENDS = tuple(block + 1 for block in TAPPED_BLOCKS[:2])
_SMALLEST_SPREAD = 1e-2


class FeatureDistance(nn.Module):
    """Distance between features at strides 4 and 8 of a frozen backbone, in windows of any size.

    Of each channel both the map and its standard deviation over the window count: the latter is
    what the quality network pools, and what smoothing lowers.

    Args:
        backbone: The quality network's. Frozen here, and in evaluation mode from then on.
    """

    def __init__(self, backbone: EfficientNetLite0) -> None:
        super().__init__()
        stem = backbone.get_submodule("_conv_stem"), backbone.get_submodule("_bn0")
        blocks = cast(nn.ModuleList, backbone.get_submodule("_blocks"))
        self.stem = nn.Sequential(*stem, nn.ReLU6())
        self.stages = nn.ModuleList(
            nn.Sequential(*blocks[start:end]) for start, end in itertools.pairwise((0, *_ENDS))
        )
        self.eval().requires_grad_(False)

    def forward(self, x_nchw: Tensor, target_nchw: Tensor) -> Tensor:
        """Mean difference in standard deviations of each channel of the target's features.

        Args:
            x_nchw: [N, 3, H, W] floats of 0-1, sRGB; gradients flow to it alone.
            target_nchw: Of the same shape.
        """
        with torch.no_grad():
            targets = self._features(target_nchw)
        distances = []
        for found, wanted in zip(self._features(x_nchw), targets, strict=True):
            spread = wanted.std(dim=(0, 2, 3), keepdim=True).clamp_min(_SMALLEST_SPREAD)
            found, wanted = found / spread, wanted / spread
            distances.append((found - wanted).abs().mean())
            distances.append((_deviation(found) - _deviation(wanted)).abs().mean())
        return torch.stack(distances).mean()

    def _features(self, x_nchw: Tensor) -> list[Tensor]:
        # The quality network's own normalisation.
        x_nchw = self.stem((x_nchw * 255.0 - 127.0) / 128.0)
        features = []
        for stage in self.stages:
            x_nchw = stage(x_nchw)
            features.append(x_nchw)
        return features


def _deviation(x_nchw: Tensor) -> Tensor:
    return (x_nchw.var(dim=(2, 3)) + 1e-5).sqrt()
