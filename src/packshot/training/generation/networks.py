"""The networks a recipe asks for, and those a weights file holds: ours or the baseline."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from packshot.models.generator import Generator, GeneratorConfig
from packshot.models.weights import load_generator, load_weights, tensor_shapes
from packshot.training.generation.dcgan import DcganConfig, DcganDiscriminator, DcganGenerator
from packshot.training.generation.discriminator import Discriminator

AnyConfig = GeneratorConfig | DcganConfig
AnyGenerator = Generator | DcganGenerator


def new_generator(config: AnyConfig) -> AnyGenerator:
    """A generator with fresh weights."""
    return DcganGenerator(config) if isinstance(config, DcganConfig) else Generator(config)


def new_discriminator(
    config: AnyConfig, *, conditional: bool, category_head: bool = False
) -> nn.Module:
    """The generator's opponent, with fresh weights; the baseline's has no head for categories."""
    if isinstance(config, DcganConfig):
        return DcganDiscriminator(config, conditional=conditional)
    return Discriminator(config, conditional=conditional, category_head=category_head)


def load_any_generator(path: Path) -> AnyGenerator:
    """The generator of ``path``, ours or the baseline, in evaluation mode, float32.

    Raises:
        WeightsError: The file holds neither; and see ``load_weights``.
    """
    shapes = tensor_shapes(path)
    if "layers.0.weight" not in shapes:
        return load_generator(path)
    categories = shapes.get("category_vectors", (1,))[0]
    network = DcganGenerator(
        DcganConfig(width=max(1, shapes["layers.0.weight"][1] // 8), categories=categories)
    )
    load_weights(network, path)
    return network.eval()
