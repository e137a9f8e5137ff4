"""A second discriminator that already knows what objects look like: small heads on ImageNet.

Its body is EfficientNet-Lite0, frozen, so that nothing but the heads has to be learned, and not
from the shop's few pictures: vision-aided training (Kumari et al., arXiv 2112.09130), in feature
space as projected GANs do it (Sauer et al., arXiv 2111.01007). A head judges every place of one
of the body's feature maps, by the category too (projection, arXiv 1802.05637). Needed for
training only; who judges the result by the same features is judging with the teacher's eyes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrizations import spectral_norm

from packshot.errors import TrainingError
from packshot.models.efficientnet_lite import (
    TAP_CHANNELS,
    TAP_STRIDES,
    EfficientNetLite0,
    imagenet_checkpoint,
)
from packshot.training.generation.discriminator import Verdict, deviation_within_groups

_MAXIMUM_CELLS = 6
_SLOPE = 0.2


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    """What the frozen backbone sees and how much is learned on top of it.

    Attributes:
        side: Pictures are enlarged to this, a multiple of 32.
        taps: Which of the backbone's four feature maps have a head, the shallowest being 0.
        head_width: Channels of a head.
        weight: Of its opinion in the generator's loss, the other discriminator's being 1.
    """

    side: int = 96
    taps: tuple[int, ...] = (1, 2, 3)
    head_width: int = 64
    weight: float = 0.5

    def __post_init__(self) -> None:
        if self.side < TAP_STRIDES[-1] or self.side % TAP_STRIDES[-1]:
            raise ValueError(f"side must be a multiple of {TAP_STRIDES[-1]}, got {self.side}")
        known = range(len(TAP_CHANNELS))
        if not self.taps or any(tap not in known for tap in self.taps):
            raise ValueError(f"taps must be some of {tuple(known)}, got {self.taps}")
        if self.head_width < 1 or self.weight <= 0:
            raise ValueError(
                "head_width must be at least 1 and weight positive, got"
                f" {self.head_width} and {self.weight}"
            )


class FrozenBackbone(nn.Module):
    """Pictures to feature maps of unit scale; gradients reach the pictures, never the weights.

    Raises:
        TrainingError: The package with the ImageNet weights is not installed.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        network = EfficientNetLite0()
        try:
            network.load_imagenet_weights(imagenet_checkpoint())
        except ImportError as error:
            raise TrainingError(str(error)) from error
        self.network = _fused(network.eval()).requires_grad_(False)

    def forward(self, x_nchw: Tensor) -> tuple[Tensor, ...]:
        """[N, 3, 64, 64] floats of -1 to 1 to a feature map per tap, each of mean square 1."""
        side = self.config.side
        x_nchw = F.interpolate(x_nchw, size=(side, side), mode="bilinear", align_corners=False)
        maps = self.network(x_nchw)
        return tuple(_unit_scaled(maps[tap]) for tap in self.config.taps)


class BackboneHeads(nn.Module):
    """Feature maps and categories in, logits of every place out: positive for real."""

    def __init__(
        self, config: BackboneConfig, *, categories: int, conditional: bool, category_head: bool
    ) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            _Head(
                TAP_CHANNELS[tap],
                config.head_width,
                side=config.side // TAP_STRIDES[tap],
                categories=categories if conditional else None,
            )
            for tap in config.taps
        )
        channels = sum(TAP_CHANNELS[tap] for tap in config.taps)
        self.category_head = nn.Linear(channels, categories) if category_head else None

    def forward(self, maps: tuple[Tensor, ...], category: Tensor) -> Verdict:
        """The maps of ``FrozenBackbone`` and [N] class numbers to [N, places] logits."""
        pairs = zip(self.heads, maps, strict=True)
        logits = torch.cat([head(found, category) for head, found in pairs], dim=1)
        if self.category_head is None:
            return Verdict(logits, None)
        pooled = torch.cat([found.mean(dim=(2, 3)) for found in maps], dim=1)
        return Verdict(logits, self.category_head(pooled))


class _Head(nn.Module):
    """A map to logits of at most 6x6 places; spectral norms hold its slope (arXiv 1802.05957).

    What the pictures of a group differ by counts for all of them, channel by channel: without it
    the heads are content with one good picture of each category.
    """

    def __init__(self, inputs: int, width: int, *, side: int, categories: int | None) -> None:
        super().__init__()
        layers: list[nn.Module] = [spectral_norm(nn.Conv2d(inputs, width, 1)), nn.LeakyReLU(_SLOPE)]
        while side > _MAXIMUM_CELLS:
            shrink = nn.Conv2d(width, width, 4, stride=2, padding=1)
            layers += [spectral_norm(shrink), nn.LeakyReLU(_SLOPE)]
            side //= 2
        last = nn.Conv2d(width, width, 3, padding=1)
        self.layers = nn.Sequential(*layers, spectral_norm(last), nn.LeakyReLU(_SLOPE))
        self.unconditional = spectral_norm(nn.Conv2d(width, 1, 1))
        self.variety = spectral_norm(nn.Linear(inputs, 1))
        self.projection = (
            None if categories is None else spectral_norm(nn.Embedding(categories, width))
        )

    def forward(self, x_nchw: Tensor, category: Tensor) -> Tensor:
        hidden = self.layers(x_nchw)
        logits: Tensor = self.unconditional(hidden).squeeze(1)
        if self.projection is not None:
            logits = logits + (hidden * self.projection(category)[:, :, None, None]).sum(dim=1)
        of_group = self.variety(deviation_within_groups(x_nchw).mean(dim=(2, 3)))
        logits = logits.flatten(1) + of_group.repeat(len(logits) // len(of_group), 1)
        return logits


def _unit_scaled(x_nchw: Tensor) -> Tensor:
    return x_nchw * (x_nchw.square().mean(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()


def _fused(network: EfficientNetLite0) -> EfficientNetLite0:
    """The same arithmetic with every normalisation folded into its convolution: twice as fast."""
    network = copy.deepcopy(network)
    _fold(network, "_conv_stem", "_bn0")
    _fold(network, "_conv_head", "_bn1")
    for block in network._blocks:
        if block._expand_conv is not None:
            _fold(block, "_expand_conv", "_bn0")
        _fold(block, "_depthwise_conv", "_bn1")
        _fold(block, "_project_conv", "_bn2")
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _fold(owner: nn.Module, convolution: str, norm: str) -> None:
    fused = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm))
    setattr(owner, convolution, fused)
    setattr(owner, norm, nn.Identity())
