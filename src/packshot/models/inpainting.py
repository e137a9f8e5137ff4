"""The inpainting network: what a classical filling gets wrong in the holes of a packshot.

A U-Net of the restoration network's residual blocks, at half, quarter and eighth resolution, that
sees the picture with its holes filled by the method of Navier-Stokes, and where they were. What it
adds counts inside the holes alone, and it begins with nothing to add: as good as that method.

    filled u8 ─┬── join ── U-Net ── x hole ──(+)── u8
    hole u8  ──┴─────────────────────┘        │
    filled ───────────────────────────────────┘
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from packshot.models.restoration import ResidualBlock

SIDE_MULTIPLE: Final = 8
"""Height and width must be multiples of this: the U-Net halves them three times."""


@dataclass(frozen=True, kw_only=True)
class InpaintNetConfig:
    """Sizes of the network.

    Attributes:
        width: Channels at half resolution; they double at each halving.
        inner_blocks: Residual blocks at eighth resolution.
    """

    width: int = 16
    inner_blocks: int = 4

    def __post_init__(self) -> None:
        if self.width < 1 or self.inner_blocks < 0:
            raise ValueError(
                "width must be positive and inner_blocks not negative, got"
                f" {self.width} and {self.inner_blocks}"
            )


class InpaintNet(nn.Module):
    """A filled picture and its holes in, the picture with better filled holes out."""

    def __init__(self, config: InpaintNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or InpaintNetConfig()
        width = self.config.width
        self.head = nn.Conv2d(4 * 4, width, 3, padding=1)
        self.outer_down = ResidualBlock(width)
        self.shrink_once = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.middle_down = ResidualBlock(2 * width)
        self.shrink_twice = nn.Conv2d(2 * width, 4 * width, 2, stride=2)
        self.inner = nn.Sequential(
            *(ResidualBlock(4 * width) for _ in range(self.config.inner_blocks))
        )
        self.enlarge_once = nn.Conv2d(4 * width, 8 * width, 1)
        self.middle_up = ResidualBlock(2 * width)
        self.enlarge_twice = nn.Conv2d(2 * width, 4 * width, 1)
        self.outer_up = ResidualBlock(width)
        self.tail = nn.Conv2d(width, 3 * 4, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, filled_nhwc_u8: Tensor, hole_nhwc_u8: Tensor) -> Tensor:
        """Fill holes.

        Args:
            filled_nhwc_u8: [N, H, W, 3] uint8, sRGB, holes filled by
                ``packshot.generation.inpainting.navier_stokes``; H and W are multiples of 8.
            hole_nhwc_u8: [N, H, W, 1] uint8, 255 in holes, else 0.

        Returns:
            [N, H, W, 3] uint8, sRGB, equal to the input outside holes.
        """
        dtype = self.head.weight.dtype
        filled = filled_nhwc_u8.to(dtype).permute(0, 3, 1, 2) / 255.0
        hole = hole_nhwc_u8.to(dtype).permute(0, 3, 1, 2) / 255.0
        better = self.fill(filled, hole).clamp(0.0, 1.0) * 255.0
        return better.round().permute(0, 2, 3, 1).to(torch.uint8)

    def fill(self, filled_nchw: Tensor, hole_nchw: Tensor) -> Tensor:
        """The same on floats of 0-1, [N, 3, H, W] and [N, 1, H, W]; not clipped."""
        joined = torch.cat([filled_nchw, hole_nchw], dim=1)
        outer = self.outer_down(self.head(F.pixel_unshuffle(joined, 2)))
        middle = self.middle_down(self.shrink_once(outer))
        inner = self.inner(self.shrink_twice(middle))
        middle = self.middle_up(middle + F.pixel_shuffle(self.enlarge_once(inner), 2))
        outer = self.outer_up(outer + F.pixel_shuffle(self.enlarge_twice(middle), 2))
        added: Tensor = F.pixel_shuffle(self.tail(outer), 2) * hole_nchw
        return filled_nchw + added
