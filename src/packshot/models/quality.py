"""The quality network: no-reference image quality assessment (NR-IQA) from two views.

One EfficientNet-Lite0 backbone sees both views of a photo: the whole frame at 224x224
(composition, light, colour) and *fragments*, a mosaic of native-resolution patches (the grid
mini-patch sampling of FAST-VQA, arXiv 2207.02595), which keeps the blur, noise and blocks that
resizing hides. Features are pooled by mean and standard deviation at four depths, as early
layers see noise and blocks and late ones see content.

    global view u8 ──┐                        ┌─ score        0-100   (mean opinion score)
                     ├─ backbone ─ pooling ───┼─ attributes   7 x 0-1 (1 is good)
    fragments  u8 ───┘        │               └─ uncertainty  score points
                              └─ 7x7 cells ───── quality map  7 x 7 x 7

Colour has a branch of its own on the same features, added to its logit: too much and too little
of it pull on one scale, and the other attributes must not pay for telling them apart
(``packshot-train colour``).

Casting and normalising are the first layers, so that runtimes fuse them and pixels travel
as uint8.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from packshot.contracts import GRID, LEARNED_ATTRIBUTES, VIEW_SIZE
from packshot.models.efficientnet_lite import TAP_CHANNELS, TAP_STRIDES, EfficientNetLite0


@dataclass(frozen=True, kw_only=True)
class QualityNetConfig:
    """Sizes of the heads.

    Attributes:
        hidden: Width of the layer shared by the image-level heads.
        colour_hidden: Width of the branch for colour.
        map_hidden: Width of the 1x1 convolution of the quality map.
        dropout: Dropout before the image-level heads, in training.
    """

    hidden: int = 192
    colour_hidden: int = 48
    map_hidden: int = 64
    dropout: float = 0.2

    def __post_init__(self) -> None:
        widths = self.hidden, self.colour_hidden, self.map_hidden
        if min(widths) < 1:
            raise ValueError(f"hidden, colour_hidden and map_hidden must be positive, got {widths}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")


def _mean_and_std(x_nchw: Tensor) -> Tensor:
    """Pool [N, C, H, W] to [N, 2C]: spatial mean and standard deviation."""
    mean = x_nchw.mean(dim=(2, 3), keepdim=True)
    variance = (x_nchw - mean).square().mean(dim=(2, 3))
    return torch.cat([mean.flatten(1), (variance + 1e-5).sqrt()], dim=1)


def _split_views(joined: Tensor) -> tuple[Tensor, Tensor]:
    """[2N, ...] to the global view's [N, ...] and the fragments' [N, ...].

    ``chunk`` would fix N when exported; a reshape keeps it free.
    """
    views = joined.reshape(2, -1, *joined.shape[1:])
    return views[0], views[1]


class QualityNet(nn.Module):
    """Two views in; score, attributes, uncertainty and quality map out."""

    uncertainty_scale: Tensor
    of_colour: Tensor

    def __init__(self, config: QualityNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or QualityNetConfig()
        attributes = len(LEARNED_ATTRIBUTES)
        pooled = 2 * 2 * sum(TAP_CHANNELS)
        self.backbone = EfficientNetLite0()
        # Depths differ in scale by an order of magnitude; without it the deepest drowns the rest.
        self.feature_norm = nn.BatchNorm1d(pooled, affine=False)
        self.shared = nn.Linear(pooled, self.config.hidden)
        self.attribute_shared = nn.Linear(pooled, self.config.hidden)
        self.score_head = nn.Linear(self.config.hidden, 1)
        self.attribute_head = nn.Linear(self.config.hidden, attributes)
        self.colour_shared = nn.Linear(pooled, self.config.colour_hidden)
        self.colour_head = nn.Linear(self.config.colour_hidden, 1)
        self.uncertainty_head = nn.Linear(self.config.hidden, 1)
        # Errors on photos learned from are smaller than on others: set from validation photos.
        self.register_buffer("uncertainty_scale", torch.ones(()))
        colour = torch.tensor(LEARNED_ATTRIBUTES.index("colour"))
        self.register_buffer("of_colour", F.one_hot(colour, attributes).float(), persistent=False)
        self.map_reduce = nn.Conv2d(sum(TAP_CHANNELS), self.config.map_hidden, 1)
        self.map_head = nn.Conv2d(self.config.map_hidden, attributes, 1)
        # The branch begins as nothing.
        nn.init.zeros_(self.colour_head.weight)
        nn.init.zeros_(self.colour_head.bias)
        # Start at the middle of human scores, not at noise ten times their range.
        nn.init.normal_(self.score_head.weight, std=0.01)
        nn.init.constant_(self.score_head.bias, 0.6)
        nn.init.constant_(self.uncertainty_head.bias, -2.0)

    def forward(
        self, global_view_nhwc_u8: Tensor, fragments_nhwc_u8: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Assess a batch of photos.

        Args:
            global_view_nhwc_u8: [N, 224, 224, 3] uint8, sRGB, 0-255.
            fragments_nhwc_u8: [N, 224, 224, 3] uint8, sRGB, 0-255.

        Returns:
            score [N, 1] float32, 0-100; attributes [N, 7] float32, 0-1, in the order of
            ``LEARNED_ATTRIBUTES``; uncertainty [N, 1] float32, score points, > 0;
            quality map [N, 7, 7, 7] float32, 0-1, attribute first, then patch row and column.
        """
        features, cells = self.features(global_view_nhwc_u8, fragments_nhwc_u8)
        score, attribute_logits, uncertainty, map_logits = self.heads(features, cells)
        return (
            score.clamp(0.0, 1.0) * 100.0,
            attribute_logits.sigmoid(),
            uncertainty * self.uncertainty_scale * 100.0,
            map_logits.sigmoid(),
        )

    def features(
        self, global_view_nhwc_u8: Tensor, fragments_nhwc_u8: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Pooled features [N, 5824] of both views and per-patch features [N, 1456, 7, 7]."""
        # Cast first: TensorRT neither joins nor transposes UINT8.
        views = torch.cat([global_view_nhwc_u8.float(), fragments_nhwc_u8.float()], dim=0)
        x_nchw = (views.permute(0, 3, 1, 2) - 127.0) / 128.0
        taps = self.backbone(x_nchw)
        pooled = torch.cat([_mean_and_std(tap) for tap in taps], dim=1)
        of_global, of_fragments = _split_views(pooled)
        cells = torch.cat(
            [
                F.avg_pool2d(_split_views(tap)[1], VIEW_SIZE // stride // GRID)
                for tap, stride in zip(taps, TAP_STRIDES, strict=True)
            ],
            dim=1,
        )
        return torch.cat([of_global, of_fragments], dim=1), cells

    def heads(self, features: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Raw outputs: score (about 0-1), attribute logits, uncertainty (0-1) and map logits."""
        normed = F.dropout(self.feature_norm(features), self.config.dropout, self.training)
        hidden = F.relu(self.shared(normed))
        attribute_hidden = F.relu(self.attribute_shared(normed))
        return (
            self.score_head(hidden),
            self.attribute_head(attribute_hidden) + self.colour_logit(normed) * self.of_colour,
            # Detached: learning how wrong the score is must not change the score.
            F.softplus(self.uncertainty_head(hidden.detach())),
            self.map_head(F.relu(self.map_reduce(cells))),
        )

    def colour_logit(self, normed: Tensor) -> Tensor:
        """What the branch adds to the logit of colour, [N, 1], from normalised features."""
        added: Tensor = self.colour_head(F.relu(self.colour_shared(normed)))
        return added
