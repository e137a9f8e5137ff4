"""Styles, one for each block of a generator: their pictures, and styles around them."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from packshot.errors import EditError
from packshot.generation.editing import category_number, check_variations
from packshot.models.generator import Generator, enlarged

FloatArray = npt.NDArray[np.float32]
PixelArray = npt.NDArray[np.uint8]
Changed = Literal["all", "shape", "colour"]

_SHAPE_BLOCKS: Final = 3
"""Blocks up to 16x16 decide shape, the finer ones colour and texture."""


def synthesize_blocks(generator: Generator, styles: Tensor) -> Tensor:
    """[N, B, S] styles, one for each block, to [N, 3, 64, 64] floats of about -1 to 1.

    With one style for all blocks it is ``Generator.synthesize``.
    """
    x_nchw = generator.constant.expand(styles.shape[0], -1, -1, -1)
    picture: Tensor | None = None
    for number, block in enumerate(generator.blocks):
        x_nchw, rgb = block(x_nchw, styles[:, number])
        picture = rgb if picture is None else enlarged(picture) + rgb
    if picture is None:
        raise RuntimeError("a generator has at least one block")
    return picture


@torch.inference_mode()
def pictures_of_styles(generator: Generator, styles: FloatArray) -> PixelArray:
    """[N, B, S] styles to [N, 64, 64, 3] uint8 sRGB pictures.

    Raises:
        EditError: The styles are of another generator.
    """
    expected = (len(generator.blocks), generator.config.style_size)
    if styles.shape[1:] != expected:
        raise EditError(
            f"These styles are of another generator: got {styles.shape[1:]} blocks and sizes,"
            f" expected {expected}. Project the packshot again."
        )
    floats = synthesize_blocks(generator, torch.from_numpy(styles)).clamp(-1.0, 1.0)
    pixels = ((floats + 1.0) * 127.5).round().permute(0, 2, 3, 1).to(torch.uint8)
    return np.asarray(pixels.numpy(), np.uint8)


@torch.inference_mode()
def varied_styles(
    generator: Generator,
    styles: FloatArray,
    category: str,
    vectors: FloatArray,
    *,
    strength: float,
    changed: Changed = "all",
) -> FloatArray:
    """Styles around those of a projected packshot.

    Args:
        generator: The one it was projected into.
        styles: [B, S] float32, the packshot's.
        category: Its category.
        vectors: [N, 128] float32, a latent for each variation, towards whose style it goes.
        strength: 0 repeats the packshot, 1 goes all the way.
        changed: Which blocks go: those of the shape, those of the colour, or all.

    Returns:
        [N, B, S] float32.

    Raises:
        EditError: A strength out of 0 to 1, or no latents.
    """
    check_variations(len(vectors), strength)
    index = torch.full((len(vectors),), category_number(category))
    towards = generator.styles(torch.from_numpy(vectors), index).numpy()[:, None]
    shares = np.zeros((1, len(styles), 1), np.float32)
    blocks = {
        "all": slice(None),
        "shape": slice(None, _SHAPE_BLOCKS),
        "colour": slice(_SHAPE_BLOCKS, None),
    }[changed]
    shares[:, blocks] = strength
    return np.asarray(styles + shares * (towards - styles), np.float32)
