"""The samples that generators are measured by, and how much a generator has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch

from packshot.contracts import CATEGORIES, DEFAULT_TRUNCATION, LATENT_SIZE
from packshot.models.weights import weights_metadata
from packshot.training.generation.networks import AnyGenerator
from packshot.training.generation.packshots import Packshots

TRUNCATIONS: Final = (DEFAULT_TRUNCATION, 1.0)
"""Recognition is asked of what is served, variety of everything there is."""

_BATCH: Final = 64


@torch.inference_mode()
def draw_samples(
    generator: AnyGenerator, *, per_category: int, truncation: float, seed: int = 0
) -> Packshots:
    """As many pictures of every category, of the same latents at any truncation."""
    rng = torch.Generator().manual_seed(seed)
    pictures, categories = [], []
    for number in range(generator.config.categories):
        latent = torch.randn(per_category, LATENT_SIZE, generator=rng)
        for part in torch.split(latent, _BATCH):
            index = torch.full((len(part), 1), number, dtype=torch.int32)
            pictures.append(generator(part, index, torch.full((len(part), 1), truncation)).numpy())
            categories.append(np.full(len(part), number, np.int64))
    return Packshots(
        pictures=np.concatenate(pictures),
        categories=np.concatenate(categories),
        names=tuple(
            f"{CATEGORIES[number]}/{index}"
            for number in range(generator.config.categories)
            for index in range(per_category)
        ),
    )


def pictures_seen(path: Path) -> int | None:
    """Real pictures shown while the weights of a file were trained, where it says so."""
    stated = weights_metadata(path).get("pictures_seen")
    return None if stated is None else int(stated)
