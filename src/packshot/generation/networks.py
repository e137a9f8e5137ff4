"""PyTorch networks as functions on arrays, as the editing functions take them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from packshot.errors import WeightsError
from packshot.generation.editing import GenerateFunction
from packshot.generation.inpainting import InpaintFunction
from packshot.imaging.tiling import TileFunction
from packshot.models.generator import Generator
from packshot.models.inpainting import InpaintNet
from packshot.models.weights import load_upscale_net

PixelArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]


def generate_function(generator: Generator) -> GenerateFunction:
    """A generator as a function."""

    @torch.inference_mode()
    def generate(latent: FloatArray, category: IntArray, truncation: FloatArray) -> PixelArray:
        made = generator(*map(torch.from_numpy, (latent, category, truncation)))
        return np.asarray(made.numpy(), np.uint8)

    return generate


def inpaint_function(network: InpaintNet) -> InpaintFunction:
    """An inpainting network as a function."""
    device = network.head.weight.device

    @torch.inference_mode()
    def fill(filled: PixelArray, hole: PixelArray) -> PixelArray:
        better = network(*(torch.from_numpy(array).to(device) for array in (filled, hole)))
        return np.asarray(better.cpu().numpy(), np.uint8)

    return fill


def upscale_function(weights: Path, scale: int) -> TileFunction:
    """The upscaling network of a file as a function.

    Raises:
        WeightsError: The file is of another scale; and see ``load_upscale_net``.
    """
    network = load_upscale_net(weights)
    if network.config.scale != scale:
        raise WeightsError(f"{weights} enlarges by {network.config.scale}, expected {scale}")

    @torch.inference_mode()
    def enlarge(tiles: PixelArray) -> PixelArray:
        return np.asarray(network(torch.from_numpy(tiles)).numpy(), np.uint8)

    return enlarge
