"""The baseline: a DCGAN (Radford et al., arXiv 1511.06434) that knows the category.

Transposed convolutions, batch normalisation in both networks and no style, as in the paper. The
category enters as it does in ours, as a learned vector beside the latent and as a projection in
the discriminator, so that the two can be compared category by category.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from packshot.contracts import CATEGORIES
from packshot.models.generator import LATENT_SIZE
from packshot.training.generation.discriminator import Verdict

_SLOPE: Final = 0.2
_KERNEL: Final = 4
_WEIGHT_DEVIATION: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class DcganConfig:
    """Sizes of both networks.

    Attributes:
        width: Channels of the generator at 32x32; they double at each halving of the side.
        discriminator_width: Channels of the discriminator at 32x32, likewise.
        categories: Number of classes.
    """

    width: int = 20
    discriminator_width: int = 36
    categories: int = len(CATEGORIES)

    def __post_init__(self) -> None:
        sizes = (self.width, self.discriminator_width, self.categories)
        if min(sizes) < 1:
            raise ValueError(
                f"width, discriminator_width and categories must be positive, got {sizes}"
            )


class DcganGenerator(nn.Module):
    """Latent vector, category and truncation in, a picture out: as ``Generator`` does it.

    Its *style* is the latent beside the category's vector; truncation shrinks the latent.
    """

    def __init__(self, config: DcganConfig | None = None) -> None:
        super().__init__()
        self.config = config or DcganConfig()
        width = self.config.width
        self.category_vectors = nn.Parameter(torch.randn(self.config.categories, LATENT_SIZE))
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(2 * LATENT_SIZE, 8 * width, _KERNEL, bias=False),
            *_normalized(8 * width),
            *_enlarging(8 * width, 4 * width),
            *_enlarging(4 * width, 2 * width),
            *_enlarging(2 * width, width),
            nn.ConvTranspose2d(width, 3, _KERNEL, stride=2, padding=1),
            nn.Tanh(),
        )
        self.layers.apply(_initialize)

    def forward(self, latent: Tensor, category: Tensor, truncation: Tensor) -> Tensor:
        """As ``Generator.forward``: [N, 128], [N, 1] and [N, 1] to [N, 64, 64, 3] uint8."""
        style = self.styles(truncation * latent, category.flatten().long())
        pixels: Tensor = (self.synthesize(style) + 1.0) * 127.5
        return pixels.round().permute(0, 2, 3, 1).to(torch.uint8)

    def styles(self, latent: Tensor, index: Tensor) -> Tensor:
        """[N, 128] latents and [N] class numbers to [N, 256] styles."""
        return torch.cat([latent, self.category_vectors[index]], dim=1)

    def synthesize(self, style: Tensor) -> Tensor:
        """[N, 256] styles to [N, 3, 64, 64] floats of -1 to 1."""
        picture: Tensor = self.layers(style[:, :, None, None])
        return picture

    def measure_mean_styles(self) -> None:
        """Nothing to measure: the mean of a category is its latent of zeros."""


class DcganDiscriminator(nn.Module):
    """Pictures and categories in, one logit each out: positive for real."""

    def __init__(self, config: DcganConfig, *, conditional: bool = True) -> None:
        super().__init__()
        width = config.discriminator_width
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, _KERNEL, stride=2, padding=1),
            nn.LeakyReLU(_SLOPE),
            *_shrinking(width, 2 * width),
            *_shrinking(2 * width, 4 * width),
            *_shrinking(4 * width, 8 * width),
        )
        self.layers.apply(_initialize)
        self.unconditional = nn.Conv2d(8 * width, 1, _KERNEL)
        _initialize(self.unconditional)
        self.projection = (
            nn.Parameter(torch.randn(config.categories, 8 * width) * _WEIGHT_DEVIATION)
            if conditional
            else None
        )

    def forward(self, x_nchw: Tensor, category: Tensor) -> Verdict:
        """[N, 3, 64, 64] floats of -1 to 1 and [N] class numbers to [N] logits."""
        out = self.layers(x_nchw)
        logits: Tensor = self.unconditional(out).flatten()
        if self.projection is not None:
            logits = logits + (out.sum(dim=(2, 3)) * self.projection[category]).sum(dim=1)
        return Verdict(logits, None)


def _normalized(channels: int) -> tuple[nn.Module, ...]:
    return nn.BatchNorm2d(channels), nn.ReLU()


def _enlarging(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    enlarge = nn.ConvTranspose2d(inputs, outputs, _KERNEL, stride=2, padding=1, bias=False)
    return enlarge, *_normalized(outputs)


def _shrinking(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    shrink = nn.Conv2d(inputs, outputs, _KERNEL, stride=2, padding=1, bias=False)
    return shrink, nn.BatchNorm2d(outputs), nn.LeakyReLU(_SLOPE)


def _initialize(module: nn.Module) -> None:
    """The paper's: normal weights of deviation 0.02, scales of batch normalisation about 1."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, _WEIGHT_DEVIATION)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, _WEIGHT_DEVIATION)
