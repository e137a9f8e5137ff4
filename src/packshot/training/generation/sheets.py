"""Sheets of generated pictures, a row a category."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from packshot.contracts import CATEGORIES
from packshot.models.generator import LATENT_SIZE, Generator

COLUMNS = 12
TRUNCATION = 0.7


@torch.inference_mode()
def draw_sheet(
    generator: Generator, path: Path, *, truncation: float = TRUNCATION, seed: int = 0
) -> None:
    """Write a PNG: every category with the same twelve latents."""
    count = generator.config.categories
    latent = torch.randn(COLUMNS, LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    device = generator.constant.device
    rows = [
        generator(
            latent.to(device),
            torch.full((COLUMNS, 1), number, dtype=torch.int32, device=device),
            torch.full((COLUMNS, 1), truncation, device=device),
        ).cpu()
        for number in range(min(count, len(CATEGORIES)))
    ]
    write_png(path, tiled(torch.stack(rows).numpy()))


def tiled(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """[rows, columns, H, W, 3] pictures as one [rows*H, columns*W, 3] picture."""
    rows, columns, height, width, _ = pictures.shape
    return pictures.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def write_png(path: Path, picture_hwc_u8: npt.NDArray[np.uint8]) -> None:
    """Write RGB pixels, the folder made where missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(picture_hwc_u8, cv2.COLOR_RGB2BGR)):
        raise OSError(f"cannot write {path}")
