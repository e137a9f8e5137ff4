"""The discriminator: is a picture real, given its category?

Residual blocks, the standard deviation over the batch as a last channel (arXiv 1710.10196,
section 3) and a projection on the category (arXiv 1802.05637). It is needed for training only.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from packshot.models.generator import IMAGE_SIDE, GeneratorConfig, ScaledLinear, channels_at

_LAST_SIDE = 4
_SLOPE = 0.2
_GROUP = 4


class ScaledConv(nn.Module):
    """A convolution whose weights are stored at unit scale."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = 1.0 / math.sqrt(inputs * kernel * kernel)

    def forward(self, x_nchw: Tensor) -> Tensor:
        padding = self.weight.shape[-1] // 2
        return F.conv2d(x_nchw, self.weight * self.gain, self.bias, padding=padding)


class ShrinkingBlock(nn.Module):
    """Two convolutions and a skip; halves the side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = ScaledConv(inputs, inputs, kernel=3)
        self.second = ScaledConv(inputs, outputs, kernel=3)
        self.skip = ScaledConv(inputs, outputs, kernel=1)

    def forward(self, x_nchw: Tensor) -> Tensor:
        out = F.leaky_relu(self.first(x_nchw), _SLOPE) * math.sqrt(2.0)
        # Halved before the second convolution's activation, a quarter of the work after it.
        out = F.leaky_relu(self.second(F.avg_pool2d(out, 2)), _SLOPE) * math.sqrt(2.0)
        joined: Tensor = (out + self.skip(F.avg_pool2d(x_nchw, 2))) / math.sqrt(2.0)
        return joined


class Discriminator(nn.Module):
    """Pictures and categories in, one logit each out: positive for real."""

    def __init__(self, config: GeneratorConfig, *, conditional: bool = True) -> None:
        super().__init__()
        width = config.width
        self.from_rgb = ScaledConv(3, channels_at(IMAGE_SIDE, width), kernel=1)
        blocks: list[nn.Module] = []
        side = IMAGE_SIDE
        while side > _LAST_SIDE:
            blocks.append(ShrinkingBlock(channels_at(side, width), channels_at(side // 2, width)))
            side //= 2
        self.blocks = nn.Sequential(*blocks)
        channels = channels_at(side, width)
        self.last = ScaledConv(channels + 1, channels, kernel=3)
        self.hidden = ScaledLinear(channels * side * side, channels)
        self.unconditional = ScaledLinear(channels, 1)
        self.projection = (
            nn.Parameter(torch.randn(config.categories, channels) / math.sqrt(channels))
            if conditional
            else None
        )

    def forward(self, x_nchw: Tensor, category: Tensor) -> Tensor:
        """[N, 3, 64, 64] floats of -1 to 1 and [N] class numbers to [N] logits."""
        out = self.blocks(F.leaky_relu(self.from_rgb(x_nchw), _SLOPE) * math.sqrt(2.0))
        out = torch.cat([out, _batch_deviation(out)], dim=1)
        out = F.leaky_relu(self.last(out), _SLOPE) * math.sqrt(2.0)
        hidden = F.leaky_relu(self.hidden(out.flatten(1)), _SLOPE) * math.sqrt(2.0)
        logits: Tensor = self.unconditional(hidden).flatten()
        if self.projection is not None:
            logits = logits + (hidden * self.projection[category]).sum(dim=1)
        return logits


def _batch_deviation(x_nchw: Tensor) -> Tensor:
    """[N, 1, H, W]: mean deviation within groups of pictures, by which sameness is seen."""
    count, _, height, width = x_nchw.shape
    group = _GROUP if count % _GROUP == 0 else count
    grouped = x_nchw.reshape(group, -1, *x_nchw.shape[1:])
    deviation = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return deviation.repeat(group)[:, None, None, None].expand(count, 1, height, width)
