"""The generator: class-conditional product images, 64x64, by a small style-based network.

A mapping network turns a latent vector and a category into a *style*; the style scales the
input channels of every convolution, whose output is brought back to unit scale by the norm of
the scaled weights (modulation and demodulation of StyleGAN2, arXiv 1912.04958). That is written
here as a product before and a product after a plain convolution, which is the same arithmetic and
runs on TensorRT and OpenVINO, where weights that differ from picture to picture do not. There are
no batch statistics, so that averaged weights need no care of their own, and no noise inputs, so
that a latent and a category decide every pixel.

    latent, category ── mapping ── style ──┐ truncated towards the category's mean style
                                           │
    constant 4x4 ── block ── block ── block ── block ── block      block: two convolutions
                      └─ rgb ──(+)─ rgb ─(+)─ rgb ─(+)─ rgb ─(+)── u8
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from packshot.contracts import CATEGORIES
from packshot.contracts import IMAGE_SIDE as IMAGE_SIDE
from packshot.contracts import LATENT_SIZE as LATENT_SIZE

FIRST_SIDE: Final = 4
"""Side of the first feature maps."""

_WIDEST: Final = 8
_SLOPE: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Sizes of the generator.

    Attributes:
        width: Channels at 64x64; they double at each halving of the side, up to eight times.
        style_size: Length of the style vector.
        categories: Number of classes.
    """

    width: int = 16
    style_size: int = 128
    categories: int = len(CATEGORIES)

    def __post_init__(self) -> None:
        if min(self.width, self.style_size, self.categories) < 1:
            raise ValueError(
                "width, style_size and categories must be positive, got"
                f" {self.width}, {self.style_size} and {self.categories}"
            )


def channels_at(side: int, width: int) -> int:
    """Channels of the feature maps of a side, for a network of ``width``."""
    return width * min(_WIDEST, IMAGE_SIDE // side)


def normalized_latent(latent: Tensor) -> Tensor:
    """[N, D] vectors brought to a mean square of one."""
    return latent * (latent.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class ScaledLinear(nn.Module):
    """A linear layer whose weights are stored at unit scale (arXiv 1710.10196, section 4.1)."""

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.gain = 1.0 / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.gain, self.bias)


class ModulatedConv(nn.Module):
    """A convolution whose input channels are scaled by the style."""

    def __init__(
        self, inputs: int, outputs: int, style_size: int, *, kernel: int, demodulate: bool
    ) -> None:
        super().__init__()
        self.style = ScaledLinear(style_size, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = 1.0 / math.sqrt(inputs * kernel * kernel)
        self.demodulate = demodulate

    def forward(self, x_nchw: Tensor, style: Tensor) -> Tensor:
        scale = self.style(style)
        weight = self.weight * self.gain
        out = F.conv2d(x_nchw * scale[:, :, None, None], weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            energy = F.linear(scale.square(), weight.square().sum(dim=(2, 3)))
            out = out * (energy + 1e-8).rsqrt()[:, :, None, None]
        return out + self.bias[None, :, None, None]


class SynthesisBlock(nn.Module):
    """Two modulated convolutions, enlarged by 2 in between, and a picture of three channels.

    The first works on the small side, a quarter of the work of enlarging before it.
    """

    def __init__(self, inputs: int, outputs: int, style_size: int, *, enlarge: bool) -> None:
        super().__init__()
        self.enlarge = enlarge
        self.first = ModulatedConv(inputs, outputs, style_size, kernel=3, demodulate=True)
        self.second = ModulatedConv(outputs, outputs, style_size, kernel=3, demodulate=True)
        self.to_rgb = ModulatedConv(outputs, 3, style_size, kernel=1, demodulate=False)

    def forward(self, x_nchw: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        x_nchw = F.leaky_relu(self.first(x_nchw, style), _SLOPE) * math.sqrt(2.0)
        if self.enlarge:
            x_nchw = enlarged(x_nchw)
        x_nchw = F.leaky_relu(self.second(x_nchw, style), _SLOPE) * math.sqrt(2.0)
        return x_nchw, self.to_rgb(x_nchw, style)


def enlarged(x_nchw: Tensor) -> Tensor:
    """Twice the height and width, bilinear."""
    return F.interpolate(x_nchw, scale_factor=2, mode="bilinear", align_corners=False)


class Generator(nn.Module):
    """Latent vector, category and truncation in, a picture out."""

    mean_styles: Tensor

    def __init__(self, config: GeneratorConfig | None = None) -> None:
        super().__init__()
        self.config = config or GeneratorConfig()
        width, style_size = self.config.width, self.config.style_size
        self.category_vectors = nn.Parameter(torch.randn(self.config.categories, LATENT_SIZE))
        self.mapping_first = ScaledLinear(2 * LATENT_SIZE, style_size)
        self.mapping_second = ScaledLinear(style_size, style_size)
        self.register_buffer("mean_styles", torch.zeros(self.config.categories, style_size))
        self.constant = nn.Parameter(
            torch.randn(1, channels_at(FIRST_SIDE, width), FIRST_SIDE, FIRST_SIDE)
        )
        blocks: list[SynthesisBlock] = []
        inputs, side = channels_at(FIRST_SIDE, width), FIRST_SIDE
        while side <= IMAGE_SIDE:
            outputs = channels_at(side, width)
            blocks.append(SynthesisBlock(inputs, outputs, style_size, enlarge=side > FIRST_SIDE))
            inputs, side = outputs, 2 * side
        self.blocks = nn.ModuleList(blocks)

    def forward(self, latent: Tensor, category: Tensor, truncation: Tensor) -> Tensor:
        """Generate a batch of pictures.

        Args:
            latent: [N, 128] float32, standard normal.
            category: [N, 1] int32, a position in ``CATEGORIES``.
            truncation: [N, 1] float32, 0-1: 1 keeps the full variety, 0 gives the category's
                mean picture.

        Returns:
            [N, 64, 64, 3] uint8, sRGB, 0-255.
        """
        index = category.flatten().long()
        mean = self.mean_styles[index]
        style = mean + truncation * (self.styles(latent, index) - mean)
        x_nchw = (self.synthesize(style).clamp(-1.0, 1.0) + 1.0) * 127.5
        return x_nchw.round().permute(0, 2, 3, 1).to(torch.uint8)

    def styles(self, latent: Tensor, index: Tensor) -> Tensor:
        """[N, 128] latents and [N] class numbers to [N, style_size] styles."""
        joined = torch.cat(
            [normalized_latent(latent), normalized_latent(self.category_vectors[index])], dim=1
        )
        hidden = F.leaky_relu(self.mapping_first(joined), _SLOPE) * math.sqrt(2.0)
        return F.leaky_relu(self.mapping_second(hidden), _SLOPE) * math.sqrt(2.0)

    def synthesize(self, style: Tensor) -> Tensor:
        """[N, style_size] styles to [N, 3, 64, 64] floats of about -1 to 1, not clipped."""
        x_nchw = self.constant.expand(style.shape[0], -1, -1, -1)
        picture: Tensor | None = None
        for block in self.blocks:
            x_nchw, rgb = block(x_nchw, style)
            picture = rgb if picture is None else enlarged(picture) + rgb
        if picture is None:
            raise RuntimeError("a generator has at least one block")
        return picture

    @torch.no_grad()
    def measure_mean_styles(self, samples: int = 2000, seed: int = 0) -> None:
        """Set ``mean_styles``, towards which truncation pulls, from random latents."""
        rng = torch.Generator().manual_seed(seed)
        latent = torch.randn(samples, LATENT_SIZE, generator=rng).to(self.constant.device)
        for number in range(self.config.categories):
            index = torch.full((samples,), number, device=latent.device)
            self.mean_styles[number] = self.styles(latent, index).mean(dim=0)
