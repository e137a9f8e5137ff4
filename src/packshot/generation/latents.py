"""Seeds to latent vectors: the same seed gives the same vector, everywhere and for ever."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from packshot.contracts import LATENT_SIZE

_DOUBLES = 2.0**-53


def latents(seeds: Sequence[int]) -> npt.NDArray[np.float32]:
    """Latent vectors, each from its own seed, so that each can be drawn again alone.

    numpy promises that the bits of PCG64 stay what they are, but not how it makes normal deviates
    of them (NEP 19): that is done here, by the method of Box and Muller (Annals of Mathematical
    Statistics 29(2), 1958).

    Args:
        seeds: Whole numbers of 0 or more.

    Returns:
        [N, 128] float32, standard normal.
    """
    drawn = np.empty((len(seeds), LATENT_SIZE), np.float32)
    for row, seed in zip(drawn, seeds, strict=True):
        bits = np.random.PCG64(seed).random_raw(LATENT_SIZE)
        uniform = ((bits >> np.uint64(11)) + 0.5) * _DOUBLES
        radius = np.sqrt(-2.0 * np.log(uniform[::2]))
        angle = 2.0 * np.pi * uniform[1::2]
        row[::2], row[1::2] = radius * np.cos(angle), radius * np.sin(angle)
    return drawn
