"""The upscaling network: single-image super-resolution by 2 or 4, a plain residual network.

All work happens at the small picture's resolution and the last convolution predicts
``scale * scale`` sub-pixels for each pixel, shuffled into place (ESPCN, arXiv 1609.05158). The
blocks are those of EDSR (arXiv 1707.02921): two convolutions and a skip, no normalisation, which
costs accuracy here and breaks in FP16. The network predicts only what bilinear enlargement
misses.

    u8 ── head ─┬─ blocks ─(+)─ tail ── PixelShuffle ─(+)── u8
     │          └────────────┘                         │
     └───────────────── bilinear ──────────────────────┘

Fully convolutional: any height and width. Casting and normalising are the first layers, rounding
the last, so that pixels travel as uint8.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from packshot.contracts import SCALES


@dataclass(frozen=True, kw_only=True)
class UpscaleNetConfig:
    """Sizes of the network.

    Attributes:
        scale: Factor by which both sides grow.
        width: Channels of the body.
        blocks: Residual blocks of two 3x3 convolutions.
    """

    scale: int = 2
    width: int = 32
    blocks: int = 5

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ValueError(f"scale must be one of {SCALES}, got {self.scale}")
        if self.width < 1 or self.blocks < 1:
            raise ValueError(
                f"width and blocks must be positive, got {self.width} and {self.blocks}"
            )


class ResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, and a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x_nchw: Tensor) -> Tensor:
        changed: Tensor = self.second(F.relu(self.first(x_nchw)))
        return x_nchw + changed


class UpscaleNet(nn.Module):
    """A picture in, the picture ``scale`` times as high and wide out."""

    def __init__(self, config: UpscaleNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or UpscaleNetConfig()
        width = self.config.width
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(self.config.blocks)))
        self.tail = nn.Conv2d(width, 3 * self.config.scale**2, 3, padding=1)
        # Begin as bilinear enlargement.
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def start_from(self, other: UpscaleNet) -> None:
        """Take over the weights of a network of the same width and depth, of any scale.

        At another scale the tail, which has another number of outputs, stays as it is.

        Raises:
            ValueError: Width or depth differ.
        """
        if (self.config.width, self.config.blocks) != (other.config.width, other.config.blocks):
            raise ValueError(f"cannot start {self.config} from {other.config}")
        self.head.load_state_dict(other.head.state_dict())
        self.blocks.load_state_dict(other.blocks.state_dict())
        if self.config.scale == other.config.scale:
            self.tail.load_state_dict(other.tail.state_dict())

    def forward(self, image_nhwc_u8: Tensor) -> Tensor:
        """Upscale a batch of pictures of one size.

        Args:
            image_nhwc_u8: [N, H, W, 3] uint8, sRGB, 0-255.

        Returns:
            [N, scale*H, scale*W, 3] uint8, sRGB, 0-255.
        """
        # Cast first: TensorRT does not transpose UINT8. To the weights' type, so that a network
        # in half precision stays in it.
        x_nchw = image_nhwc_u8.to(self.head.weight.dtype).permute(0, 3, 1, 2) / 255.0
        upscaled = self.enhance(x_nchw).clamp(0.0, 1.0) * 255.0
        return upscaled.round().permute(0, 2, 3, 1).to(torch.uint8)

    def enhance(self, x_nchw: Tensor) -> Tensor:
        """The same on [N, 3, H, W] floats of 0-1; the output is not clipped."""
        features = self.head(x_nchw)
        detail = self.tail(features + self.blocks(features))
        scale = self.config.scale
        enlarged = F.interpolate(x_nchw, scale_factor=scale, mode="bilinear", align_corners=False)
        return enlarged + F.pixel_shuffle(detail, scale)
