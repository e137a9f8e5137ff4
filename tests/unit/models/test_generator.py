"""The generator: shapes, determinism, truncation, and arithmetic that runtimes can run."""

import pytest
import torch

from packshot.contracts import CATEGORIES
from packshot.models.generator import (
    LATENT_SIZE,
    Generator,
    GeneratorConfig,
    ModulatedConv,
)


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    made = Generator(GeneratorConfig(width=4, style_size=16))
    made.measure_mean_styles(samples=50)
    return made.eval()


def latents(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, LATENT_SIZE, generator=torch.Generator().manual_seed(seed))


def picture(
    generator: Generator, latent: torch.Tensor, category: int, truncation: float = 1.0
) -> torch.Tensor:
    count = len(latent)
    with torch.inference_mode():
        made: torch.Tensor = generator(
            latent,
            torch.full((count, 1), category, dtype=torch.int32),
            torch.full((count, 1), truncation),
        )
    return made


def test_pictures_are_rgb_bytes_that_latent_and_category_decide(generator: Generator) -> None:
    first = picture(generator, latents(3), 2)
    assert first.shape == (3, 64, 64, 3)
    assert first.dtype == torch.uint8
    assert torch.equal(first, picture(generator, latents(3), 2))
    assert not torch.equal(first, picture(generator, latents(3, seed=1), 2))
    assert not torch.equal(first, picture(generator, latents(3), 3))


def test_a_picture_does_not_depend_on_its_batch(generator: Generator) -> None:
    together = picture(generator, latents(4), 0).int()
    alone = torch.cat([picture(generator, row[None], 0) for row in latents(4)]).int()
    assert int((together - alone).abs().max()) <= 1


def test_truncation_leads_to_one_picture_a_category(generator: Generator) -> None:
    means = picture(generator, latents(3), 5, truncation=0.0)
    assert torch.equal(means[0], means[1])
    full = picture(generator, latents(8), 5, truncation=1.0).float()
    half = picture(generator, latents(8), 5, truncation=0.5).float()
    assert half.std(dim=0).mean() < full.std(dim=0).mean()


def test_modulation_is_a_convolution_with_scaled_and_normalised_weights() -> None:
    torch.manual_seed(0)
    layer = ModulatedConv(5, 7, 6, kernel=3, demodulate=True)
    x, style = torch.randn(2, 5, 8, 8), torch.randn(2, 6)
    expected = []
    for row in range(2):
        weight = (
            layer.weight * layer.gain * layer.style(style[row : row + 1])[0][None, :, None, None]
        )
        weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected.append(torch.nn.functional.conv2d(x[row : row + 1], weight, layer.bias, padding=1))
    torch.testing.assert_close(layer(x, style), torch.cat(expected), rtol=1e-4, atol=1e-5)


def test_the_full_size_keeps_to_its_budget() -> None:
    """Issue 8: at most 10 M parameters."""
    full = Generator(GeneratorConfig(width=48, style_size=256))
    assert sum(p.numel() for p in full.parameters()) <= 10_000_000
    assert full.config.categories == len(CATEGORIES) == 13


@pytest.mark.parametrize("wrong", [{"width": 0}, {"style_size": -1}, {"categories": 0}])
def test_configuration_is_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be positive, got"):
        GeneratorConfig(**wrong)
