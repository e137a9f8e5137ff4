"""The baseline: its networks, its training, and one function that loads it and ours."""

import dataclasses
from pathlib import Path

import pytest
import torch

from packshot.errors import WeightsError
from packshot.models.generator import Generator, GeneratorConfig
from packshot.models.weights import save_weights
from packshot.training.generation.dcgan import DcganConfig, DcganDiscriminator, DcganGenerator
from packshot.training.generation.networks import load_any_generator
from packshot.training.generation.packshots import read_packshots
from packshot.training.generation.recipe import GENERATOR_RECIPES, generator_dcgan, generator_smoke
from packshot.training.generation.trainer import GeneratorTrainer

TINY = DcganConfig(width=2, discriminator_width=2)


@pytest.fixture
def network() -> DcganGenerator:
    torch.manual_seed(0)
    made = DcganGenerator(TINY)
    with torch.no_grad():
        for _ in range(40):  # fills the batch statistics, without which all pictures are grey
            made.synthesize(made.styles(torch.randn(32, 128), torch.randint(13, (32,))))
    return made.eval()


def made(
    network: DcganGenerator, latent: torch.Tensor, category: int, share: float
) -> torch.Tensor:
    count = len(latent)
    index = torch.full((count, 1), category, dtype=torch.int32)
    pictures: torch.Tensor = network(latent, index, torch.full((count, 1), share))
    return pictures


def test_it_makes_pictures_of_a_category(network: DcganGenerator) -> None:
    latent = torch.randn(3, 128)
    pictures = made(network, latent, 1, 1.0)
    assert pictures.shape == (3, 64, 64, 3)
    assert pictures.dtype == torch.uint8
    assert not torch.equal(pictures, made(network, latent, 2, 1.0))


def test_truncation_leads_to_the_categorys_mean(network: DcganGenerator) -> None:
    pictures = made(network, torch.randn(2, 128), 4, 0.0)
    assert torch.equal(pictures[0], pictures[1])
    full = made(network, torch.randn(2, 128), 4, 1.0)
    assert not torch.equal(full[0], full[1])


def test_it_is_as_large_as_ours() -> None:
    ours, baseline = (
        sum(tensor.numel() for tensor in network.parameters())
        for network in (Generator(), DcganGenerator())
    )
    assert baseline == pytest.approx(ours, rel=0.1)


def test_it_sees_as_many_pictures_as_ours() -> None:
    ours, baseline = GENERATOR_RECIPES["small"](), generator_dcgan()
    assert (ours.steps, ours.batch, ours.ema_decay) == (
        baseline.steps,
        baseline.batch,
        baseline.ema_decay,
    )


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("without-augmentation", {"augment_share"}),
        ("without-r1", {"r1_weight"}),
        ("without-projection", {"conditional"}),
        ("without-backbone", {"backbone", "discriminator_every"}),
        ("without-category-head", {"category_weight"}),
        ("without-groups", {"grouped"}),
    ],
)
def test_an_ablation_changes_one_thing(name: str, changed: set[str]) -> None:
    small = dataclasses.asdict(GENERATOR_RECIPES["small"]())
    ablation = dataclasses.asdict(GENERATOR_RECIPES[name]())
    assert {key for key, value in small.items() if ablation[key] != value} == changed | {"name"}
    assert not any(ablation[key] for key in changed - {"discriminator_every"})


def test_the_discriminator_sees_the_category_if_it_may() -> None:
    x, first, second = torch.randn(4, 3, 64, 64), torch.zeros(4).long(), torch.ones(4).long()
    knowing = DcganDiscriminator(TINY).eval()
    assert not torch.allclose(knowing(x, first).logits, knowing(x, second).logits)
    blind = DcganDiscriminator(TINY, conditional=False).eval()
    torch.testing.assert_close(blind(x, first).logits, blind(x, second).logits)


def test_it_trains_and_its_batch_statistics_are_averaged(
    packshots_folder: Path, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(
        generator_dcgan(), steps=3, batch=4, sheet_every=3, ema_decay=0.5, network=TINY
    )
    trainer = GeneratorTrainer(recipe, train=read_packshots(packshots_folder), run_folder=tmp_path)
    trained = trainer.fit()
    latest = dict(trainer.generator.named_buffers())["layers.1.running_mean"]
    averaged = dict(trained.named_buffers())["layers.1.running_mean"]
    assert float(averaged.abs().sum()) > 0
    assert not torch.allclose(averaged, latest)
    loaded = load_any_generator(tmp_path / "weights" / "000003.safetensors")
    assert isinstance(loaded, DcganGenerator)
    latent = torch.randn(2, 128)
    torch.testing.assert_close(
        made(loaded, latent, 0, 1.0).float(), made(trained, latent, 0, 1.0).float(), atol=2, rtol=0
    )


def test_one_function_loads_both(network: DcganGenerator, tmp_path: Path) -> None:
    ours = Generator(GeneratorConfig(width=3, style_size=9))
    for name, saved in (("ours", ours), ("baseline", network)):
        save_weights(saved, tmp_path / name, metadata={})
        loaded = load_any_generator(tmp_path / name)
        assert type(loaded) is type(saved)
        assert not loaded.training
    assert load_any_generator(tmp_path / "ours").config == ours.config


def test_other_weights_are_refused(tmp_path: Path) -> None:
    save_weights(torch.nn.Linear(2, 2), tmp_path / "w", metadata={})
    with pytest.raises(WeightsError, match="is not of a generator: expected the tensors constant"):
        load_any_generator(tmp_path / "w")


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match="must be positive, got"):
        DcganConfig(width=0)
    assert generator_smoke().network == GeneratorConfig(width=2, style_size=8)
