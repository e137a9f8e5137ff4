"""Sample sheets of the shipped networks, on test photos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from packshot.models.restoration import RestoreNet
from packshot.models.upscaling import UpscaleNet
from packshot.training.enhancement.fidelity import PixelArray
from packshot.training.enhancement.photos import split_source
from packshot.training.enhancement.resampling import bicubic_enlarge, cut_to_multiple
from packshot.training.enhancement.restoration import restored
from packshot.training.enhancement.upscaling import upscaled
from packshot.training.evaluation.restoration import evaluation_chain
from packshot.training.evaluation.upscaling import small_picture
from packshot.training.quality.photos import read_photo

_CPU = torch.device("cpu")
_RESTORE_PHOTOS = 6
_RESTORE_SIDE = 256
_UPSCALE_SIDE = 160


def restore_sheet(network: RestoreNet, data: Path) -> list[list[PixelArray]]:
    """Rows of (spoilt, restored, original), cut from the middle of test photos."""
    test = split_source(data / "seller_photos").test
    rows = []
    for index in sorted({*np.linspace(0, len(test) - 1, _RESTORE_PHOTOS).astype(int)}):
        original = read_photo(test[index])
        spoilt = evaluation_chain(index).apply(original)
        pictures = (spoilt, restored(network, spoilt, _CPU), original)
        rows.append([_middle(picture, _RESTORE_SIDE) for picture in pictures])
    return rows


def upscale_sheet(networks: Mapping[str, UpscaleNet], data: Path) -> list[list[PixelArray]]:
    """Rows of (bicubic enlargement, each network of the scale, original); photo-like inputs."""
    test = split_source(data / "seller_photos").test
    rows = []
    for scale in sorted({network.config.scale for network in networks.values()}):
        for index in (len(test) // 5, len(test) // 2):
            original = cut_to_multiple(read_photo(test[index]), scale)
            small = small_picture(original, scale, "photo", index)
            row = [bicubic_enlarge(small, scale)]
            row += [
                upscaled(network, small, _CPU)
                for network in networks.values()
                if network.config.scale == scale
            ]
            rows.append([_middle(picture, _UPSCALE_SIDE) for picture in (*row, original)])
    return rows


def _middle(picture: PixelArray, side: int) -> PixelArray:
    top, left = (max(0, (length - side) // 2) for length in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + side, left : left + side])
