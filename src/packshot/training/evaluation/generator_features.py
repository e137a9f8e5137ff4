"""What generated and real packshots are compared by: features of EfficientNet-Lite0 (ImageNet).

Pictures are enlarged to 96x96, half-way between their size and the cost of a larger one. The
1,280 pooled features of its last layer are the space of the Fréchet and kernel distances and of
the nearest neighbours; those of three layers before it help the classifier. Numbers are not
comparable with FID or KID of papers, which are measured on features of Inception.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from packshot.errors import TrainingError
from packshot.models.efficientnet_lite import (
    HEAD_CHANNELS,
    TAP_CHANNELS,
    EfficientNetLite0,
    imagenet_checkpoint,
)

FloatArray = npt.NDArray[np.float32]
PixelArray = npt.NDArray[np.uint8]
Advance = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""

FEATURES_NAME: Final = "EfficientNet-Lite0 features"

_SCALE: Final = 1.5
_BATCH: Final = 32
_COLUMNS: Final = sum(TAP_CHANNELS)


class PictureFeatures:
    """The frozen backbone; features of sets of pictures may be kept on disk.

    Args:
        cache: Folder of features by their pictures' digest; None keeps nothing.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._network = EfficientNetLite0()
        try:
            checkpoint = imagenet_checkpoint()
        except ImportError as error:
            raise TrainingError(str(error)) from error
        self._network.load_imagenet_weights(checkpoint)
        self._network.eval().requires_grad_(False)
        self._version = f"{checkpoint.name} x{_SCALE}"

    def of(self, pictures_nhwc_u8: PixelArray, advance: Advance = lambda *_: None) -> FloatArray:
        """[N, H, W, 3] uint8 sRGB pictures to [N, 1456] float32: four layers, the last one last."""
        count = len(pictures_nhwc_u8)
        rows = np.empty((count, _COLUMNS), np.float32)
        with torch.inference_mode():
            for start in range(0, count, _BATCH):
                batch = torch.from_numpy(pictures_nhwc_u8[start : start + _BATCH])
                x_nchw = batch.permute(0, 3, 1, 2).float() / 127.5 - 1.0
                x_nchw = F.interpolate(
                    x_nchw, scale_factor=_SCALE, mode="bicubic", align_corners=False
                )
                maps = self._network(x_nchw.clamp(-1.0, 1.0))
                pooled = torch.cat([found.mean(dim=(2, 3)) for found in maps], dim=1)
                rows[start : start + len(batch)] = pooled.numpy()
                advance(start + len(batch), count)
        return rows

    def kept(self, pictures_nhwc_u8: PixelArray, advance: Advance = lambda *_: None) -> FloatArray:
        """The same, read from the cache where these very pictures were seen before."""
        if self._cache is None:
            return self.of(pictures_nhwc_u8, advance)
        digest = hashlib.sha256(self._version.encode())
        digest.update(np.ascontiguousarray(pictures_nhwc_u8).data)
        path = self._cache / f"{digest.hexdigest()[:24]}.npy"
        if path.is_file():
            found = np.load(path, allow_pickle=False)
            if found.shape == (len(pictures_nhwc_u8), _COLUMNS):
                return np.asarray(found, np.float32)
        features = self.of(pictures_nhwc_u8, advance)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as stream:
            np.save(stream, features)
        partial.replace(path)
        return features


def last_layer(features: FloatArray) -> FloatArray:
    """[N, 1456] to [N, 1280]: the last layer's alone."""
    return features[:, -HEAD_CHANNELS:]
