"""The restoration network: tone and colour of the whole frame, noise, blur and blocks near by.

Two branches. The *tone* branch sees the whole frame as a 224x224 thumbnail: its content, its
histograms, its darkest and brightest values, and the colours of 7x7 places, which it weighs, as a
white wall tells more about the lamp than a red shirt (after the confidence-weighted pooling of Hu
et al., "FC4", CVPR 2017). It predicts, for the whole picture, one 3x7 matrix: each output channel
as a mix of the three channels, their squares and a constant. That covers exposure (a gain, in
gamma-coded sRGB), colour cast (a gain for each channel) and contrast (a gain and an offset), and
costs 21 multiplications a pixel. The *detail* branch is a small U-Net at half and quarter
resolution (PixelUnshuffle first) that sees the picture before and after the tone and adds what tone
cannot mend.

    thumbnail u8 ── tone branch ── 3x7 matrix
                                       │
    u8 ─┬──────────────── apply tone ──┴──┬────────────(+)── u8
        └───────────────── join ──────────┘── U-Net ────┘

A large picture may be cut into tiles that share one thumbnail: they are toned alike. Both branches
begin as the identity. No normalisation layers: they break in FP16. Casting is the first layer and
rounding the last, so that pixels travel as uint8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE_MULTIPLE: Final = 4
"""Height and width must be multiples of this: the U-Net halves them twice."""

TONE_TERMS: Final = 7
"""Columns of a tone matrix: R, G, B, their squares, 1."""

_HISTOGRAM_BINS = 32
# 56x56 is enough for tone, and averages the noise away.
_POOL = 4
# Pixels of the pooled thumbnail along the side of a place: 7x7 places.
_PLACE = 8
_PLACE_COLOURS = 18
_ENDS = 24
_VIEWPOINTS = 8
_DROPOUT = 0.1


@dataclass(frozen=True, kw_only=True)
class RestoreNetConfig:
    """Sizes of the network.

    Attributes:
        tone_width: Channels of the tone branch's first convolution; they double twice.
        tone_hidden: Width of its hidden layers.
        tone_places: Width of its description of a place, a multiple of 8.
        width: Channels of the U-Net at half resolution; twice as many at quarter resolution.
        outer_blocks: Residual blocks at half resolution, on the way down and on the way up each.
        inner_blocks: Residual blocks at quarter resolution.
    """

    tone_width: int = 16
    tone_hidden: int = 128
    tone_places: int = 96
    width: int = 24
    outer_blocks: int = 1
    inner_blocks: int = 4

    def __post_init__(self) -> None:
        sizes = (self.tone_width, self.tone_hidden, self.width)
        if min(sizes) < 1:
            raise ValueError(f"tone_width, tone_hidden and width must be positive, got {sizes}")
        if self.tone_places < 1 or self.tone_places % _VIEWPOINTS:
            raise ValueError(
                f"tone_places must be a positive multiple of {_VIEWPOINTS}, got {self.tone_places}"
            )
        if self.outer_blocks < 0 or self.inner_blocks < 0:
            raise ValueError(
                "outer_blocks and inner_blocks must not be negative, got"
                f" {self.outer_blocks} and {self.inner_blocks}"
            )


class ToneBranch(nn.Module):
    """Thumbnail to tone matrix, from its content, its histograms and the colours of its places."""

    def __init__(self, config: RestoreNetConfig) -> None:
        super().__init__()
        width, places = config.tone_width, config.tone_places
        self.content = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.places = nn.Sequential(
            nn.Conv2d(_PLACE_COLOURS, places, 1), nn.ReLU(), nn.Conv2d(places, places, 1), nn.ReLU()
        )
        self.attention = nn.Conv2d(places, _VIEWPOINTS, 1)
        features = 4 * width + 3 * _HISTOGRAM_BINS + _ENDS + 2 * places
        self.hidden = nn.Linear(features, config.tone_hidden)
        self.second_hidden = nn.Linear(config.tone_hidden, config.tone_hidden)
        self.dropout = nn.Dropout(_DROPOUT)
        self.change = nn.Linear(config.tone_hidden, 3 * TONE_TERMS)
        self.gate = nn.Linear(config.tone_hidden, 1)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)
        centres = (torch.arange(_HISTOGRAM_BINS) + 0.5) / _HISTOGRAM_BINS
        self.register_buffer("centres", centres.view(1, 1, -1, 1), persistent=False)
        identity = torch.eye(3, TONE_TERMS)
        self.register_buffer("identity", identity[None], persistent=False)

    def forward(self, thumbnail_nchw: Tensor) -> Tensor:
        """[N, 3, 224, 224] floats of 0-1 to [N, 3, 7]."""
        small = F.avg_pool2d(thumbnail_nchw, _POOL)
        colours = self.place_colours(thumbnail_nchw, small)
        features = [
            self.content(small).mean(dim=(2, 3)),
            self.histograms(small),
            self.ends(colours, small) - 0.5,
            self.weighed_places(colours),
        ]
        hidden = self.dropout(F.relu(self.hidden(torch.cat(features, dim=1))))
        hidden = self.dropout(F.relu(self.second_hidden(hidden)))
        # Reaches exactly 0, so that a photo whose tone is right stays as it is.
        strength = F.hardsigmoid(self.gate(hidden)).unsqueeze(2)
        change = self.change(hidden).unflatten(1, (3, TONE_TERMS))
        tone: Tensor = self.get_buffer("identity") + strength * change
        return tone

    def ends(self, colours_nchw: Tensor, small_nchw: Tensor) -> Tensor:
        """Brightest and darkest values of each channel, [N, 24], at four resolutions.

        A photo hardly ever lacks black or white: where they end short of it, light was lost.
        """
        _, _, brightest, darkest, *finest = colours_nchw.chunk(6, dim=1)
        half, quarter = F.avg_pool2d(small_nchw, 2), F.avg_pool2d(small_nchw, 4)
        pairs = (finest, (brightest, darkest), (half, half), (quarter, quarter))
        ends = [end for x, y in pairs for end in (x.amax(dim=(2, 3)), y.amin(dim=(2, 3)))]
        return torch.cat(ends, dim=1)

    def place_colours(self, thumbnail_nchw: Tensor, small_nchw: Tensor) -> Tensor:
        """Of each of 7x7 places, [N, 18, 7, 7]: mean, spread and extremes of each channel.

        The extremes twice: of the thumbnail's pixels, and with their noise averaged away.
        """
        mean = F.avg_pool2d(small_nchw, _PLACE)
        around = small_nchw - F.interpolate(mean, scale_factor=float(_PLACE), mode="nearest")
        colours = [mean, 4.0 * F.avg_pool2d(around.abs(), _PLACE)]
        for x, side in ((small_nchw, _PLACE), (thumbnail_nchw, _POOL * _PLACE)):
            colours += [F.max_pool2d(x, side), -F.max_pool2d(-x, side)]
        return torch.cat(colours, dim=1)

    def weighed_places(self, colours_nchw: Tensor) -> Tensor:
        """Descriptions of the places, averaged evenly and by weights that they give themselves."""
        described = self.places(colours_nchw - 0.5)
        weights = self.attention(described).flatten(2).softmax(dim=2).unsqueeze(2)
        by_viewpoint = described.flatten(2).unflatten(1, (_VIEWPOINTS, -1))
        weighed = (by_viewpoint * weights).sum(dim=3).flatten(1)
        return torch.cat([described.mean(dim=(2, 3)), weighed], dim=1)

    def histograms(self, small_nchw: Tensor) -> Tensor:
        """Soft histograms of the three channels, [N, 96]: roots of shares.

        Roots, so that a share of one pixel in a thousand, a highlight, still counts.
        """
        values = small_nchw.flatten(2).unsqueeze(2)
        distance = (values - self.get_buffer("centres")).abs() * _HISTOGRAM_BINS
        shares = F.relu(1.0 - distance).mean(dim=3)
        return (shares + 1e-4).sqrt().flatten(1)


class ResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, and a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x_nchw: Tensor) -> Tensor:
        changed: Tensor = self.second(F.relu(self.first(x_nchw)))
        return x_nchw + changed


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))


class DetailBranch(nn.Module):
    """The picture before and after the tone to what is to be added to the latter."""

    def __init__(self, config: RestoreNetConfig) -> None:
        super().__init__()
        width = config.width
        self.head = nn.Conv2d(6 * 4, width, 3, padding=1)
        self.down_blocks = _blocks(width, config.outer_blocks)
        self.down = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.inner_blocks = _blocks(2 * width, config.inner_blocks)
        self.up = nn.Conv2d(2 * width, 4 * width, 1)
        self.up_blocks = _blocks(width, config.outer_blocks)
        self.tail = nn.Conv2d(width, 3 * 4, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, x_nchw: Tensor, toned_nchw: Tensor) -> Tensor:
        both = torch.cat([x_nchw, toned_nchw], dim=1)
        outer = self.down_blocks(self.head(F.pixel_unshuffle(both, 2)))
        inner = self.inner_blocks(self.down(outer))
        outer = self.up_blocks(outer + F.pixel_shuffle(self.up(inner), 2))
        return F.pixel_shuffle(self.tail(outer), 2)


def apply_tone(x_nchw: Tensor, tone: Tensor) -> Tensor:
    """Tone [N, 3, H, W] floats of 0-1 by matrices [N, 3, 7]; clipped to 0-1."""
    mixed = tone[:, :, :3] @ x_nchw.flatten(2) + tone[:, :, 3:6] @ x_nchw.square().flatten(2)
    return (mixed + tone[:, :, 6:]).reshape(x_nchw.shape).clamp(0.0, 1.0)


class RestoreNet(nn.Module):
    """A picture and its thumbnail in, the mended picture out."""

    def __init__(self, config: RestoreNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or RestoreNetConfig()
        self.tone = ToneBranch(self.config)
        self.detail = DetailBranch(self.config)

    def forward(self, image_nhwc_u8: Tensor, thumbnail_nhwc_u8: Tensor) -> Tensor:
        """Restore a batch of pictures, or tiles, of one size.

        Args:
            image_nhwc_u8: [N, H, W, 3] uint8, sRGB, 0-255, H and W multiples of 4.
            thumbnail_nhwc_u8: [N, 224, 224, 3] uint8, sRGB: ``imaging.views.global_view`` of the
                whole picture.

        Returns:
            [N, H, W, 3] uint8, sRGB, 0-255.
        """
        # Cast first: TensorRT does not transpose UINT8. To the weights' type, so that a network
        # in half precision stays in it.
        dtype = self.detail.head.weight.dtype
        x_nchw = image_nhwc_u8.to(dtype).permute(0, 3, 1, 2) / 255.0
        thumbnail_nchw = thumbnail_nhwc_u8.to(dtype).permute(0, 3, 1, 2) / 255.0
        restored = self.enhance(x_nchw, thumbnail_nchw).clamp(0.0, 1.0) * 255.0
        return restored.round().permute(0, 2, 3, 1).to(torch.uint8)

    def enhance(self, x_nchw: Tensor, thumbnail_nchw: Tensor) -> Tensor:
        """The same on floats of 0-1, [N, 3, H, W] and [N, 3, 224, 224]; not clipped."""
        tone = self.tone(thumbnail_nchw)
        # In the tone's precision, which stays float32 in a half network: it falls on every pixel.
        toned = apply_tone(x_nchw.to(tone.dtype), tone)
        residual: Tensor = self.detail(x_nchw, toned)
        return toned + residual
