"""The discriminator: is a picture real, given its category?

Residual blocks, the standard deviation over the batch as a last channel (arXiv 1710.10196,
section 3) and a projection on the category (arXiv 1802.05637); on request a second head that names
the category (arXiv 1610.09585). It is needed for training only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from packshot.models.generator import IMAGE_SIDE, GeneratorConfig, ScaledLinear, channels_at

_LAST_SIDE = 4
_SLOPE = 0.2
GROUP = 4
"""Pictures that are compared with each other."""


class Verdict(NamedTuple):
    """What a discriminator says of N pictures.

    Attributes:
        logits: [N], or [N, places] of one that judges places: positive for real.
        categories: [N, K] logits of the categories; None of one without a head for them.
    """

    logits: Tensor
    categories: Tensor | None


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

    def __init__(
        self, config: GeneratorConfig, *, conditional: bool = True, category_head: bool = False
    ) -> None:
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
        self.category_head = ScaledLinear(channels, config.categories) if category_head else None

    def forward(self, x_nchw: Tensor, category: Tensor) -> Verdict:
        """[N, 3, 64, 64] floats of -1 to 1 and [N] class numbers to [N] logits."""
        out = self.blocks(F.leaky_relu(self.from_rgb(x_nchw), _SLOPE) * math.sqrt(2.0))
        out = torch.cat([out, _batch_deviation(out)], dim=1)
        out = F.leaky_relu(self.last(out), _SLOPE) * math.sqrt(2.0)
        hidden = F.leaky_relu(self.hidden(out.flatten(1)), _SLOPE) * math.sqrt(2.0)
        logits: Tensor = self.unconditional(hidden).flatten()
        if self.projection is not None:
            logits = logits + (hidden * self.projection[category]).sum(dim=1)
        return Verdict(logits, None if self.category_head is None else self.category_head(hidden))


def deviation_within_groups(x_nchw: Tensor) -> Tensor:
    """[G, C, H, W]: how much pictures of a group differ, by which sameness is seen.

    Pictures of [N, C, H, W] that are G = N / ``GROUP`` apart form a group; all of them where N is
    no multiple of ``GROUP``.
    """
    group = GROUP if len(x_nchw) % GROUP == 0 else len(x_nchw)
    grouped = x_nchw.reshape(group, -1, *x_nchw.shape[1:])
    return (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt()


def _batch_deviation(x_nchw: Tensor) -> Tensor:
    """[N, 1, H, W]: the mean deviation within the group of each picture."""
    count, _, height, width = x_nchw.shape
    deviation = deviation_within_groups(x_nchw).mean(dim=(1, 2, 3))
    return deviation.repeat(count // len(deviation))[:, None, None, None].expand(
        count, 1, height, width
    )
