"""Moving about among the pictures a generator can make: between two, around one.

Latent vectors are standard normal, and so must what is made of them be, or the generator sees
what it never saw in training. Paths therefore follow the sphere (White, arXiv 1609.04468), and a
variation mixes in new noise as much as it takes away of the old.

Free of PyTorch: a generator comes in as a function, so that the trained network, its exported
graph and the served model can all be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from packshot.contracts import CATEGORIES
from packshot.errors import EditError
from packshot.generation.latents import latents

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]
PixelArray = npt.NDArray[np.uint8]

GenerateFunction = Callable[[FloatArray, IntArray, FloatArray], PixelArray]
"""Latents [N, 128], categories [N, 1] and truncations [N, 1] to pictures [N, 64, 64, 3]."""

_PARALLEL: Final = 1e-6


def pictures_of(
    generate: GenerateFunction, vectors: FloatArray, *, category: str, truncation: float
) -> PixelArray:
    """The pictures of [N, 128] latents in one category, [N, 64, 64, 3] uint8 sRGB.

    Raises:
        EditError: No such category, or a truncation out of 0 to 1.
    """
    if not 0.0 <= truncation <= 1.0:
        raise EditError(f"The truncation must be 0 to 1, got {truncation}.")
    count = len(vectors)
    number = np.full((count, 1), category_number(category), np.int32)
    return generate(vectors, number, np.full((count, 1), truncation, np.float32))


def category_number(category: str) -> int:
    """The position of a category in ``CATEGORIES``.

    Raises:
        EditError: No such category.
    """
    if category not in CATEGORIES:
        raise EditError(
            f"There is no category {category!r}: expected one of {', '.join(CATEGORIES)}."
        )
    return CATEGORIES.index(category)


def interpolated(first: FloatArray, second: FloatArray, steps: int) -> FloatArray:
    """Latents on the way from one to the other, both included.

    Args:
        first: [D] float32.
        second: [D] float32.
        steps: Number of latents, at least 2.

    Returns:
        [steps, D] float32.

    Raises:
        EditError: Fewer than 2 steps.
    """
    if steps < 2:
        raise EditError(f"A path from one picture to another has 2 steps or more, got {steps}.")
    shares = np.linspace(0.0, 1.0, steps, dtype=np.float32)
    shares[-1] = 1.0
    cosine = float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))
    angle = float(np.arccos(np.clip(cosine, -1.0, 1.0)))
    if min(angle, np.pi - angle) < _PARALLEL:
        weights = np.stack([1.0 - shares, shares])
    else:
        weights = np.sin(np.stack([1.0 - shares, shares]) * angle) / np.sin(angle)
    path = weights[0][:, None] * first + weights[1][:, None] * second
    return np.asarray(path, np.float32)


def variations(latent: FloatArray, count: int, *, strength: float, seed: int) -> FloatArray:
    """Latents around one.

    Args:
        latent: [D] float32.
        count: Number of variations.
        strength: 0 repeats the latent, 1 draws others that have nothing of it.
        seed: Of what is mixed into the first; the others take those that follow.

    Returns:
        [count, D] float32.

    Raises:
        EditError: A count below 1 or a strength out of 0 to 1.
    """
    check_variations(count, strength)
    other = latents(range(seed, seed + count))
    return np.asarray(np.sqrt(1.0 - strength**2) * latent + strength * other, np.float32)


def check_variations(count: int, strength: float) -> None:
    """Raise EditError where a count or a strength cannot be used."""
    if count < 1:
        raise EditError(f"The number of variations must be 1 or more, got {count}.")
    if not 0.0 <= strength <= 1.0:
        raise EditError(f"The strength of variations must be 0 to 1, got {strength}.")
