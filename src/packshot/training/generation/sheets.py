"""Sheets of generated pictures, a row a category."""

from __future__ import annotations

from pathlib import Path

import torch

from packshot.models.generator import LATENT_SIZE
from packshot.training.generation.networks import AnyGenerator
from packshot.training.sheets import write_sheet

COLUMNS = 12
TRUNCATION = 0.7


@torch.inference_mode()
def draw_sheet(
    generator: AnyGenerator, path: Path, *, truncation: float = TRUNCATION, seed: int = 0
) -> None:
    """Write a PNG: every category with the same twelve latents."""
    count = generator.config.categories
    latent = torch.randn(COLUMNS, LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    device = generator.category_vectors.device
    rows = [
        generator(
            latent.to(device),
            torch.full((COLUMNS, 1), number, dtype=torch.int32, device=device),
            torch.full((COLUMNS, 1), truncation, device=device),
        )
        for number in range(count)
    ]
    write_sheet(path, [list(row.cpu().numpy()) for row in rows])
