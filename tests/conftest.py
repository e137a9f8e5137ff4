"""What several kinds of tests share: real photos, the built model repository, a live Triton."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from packshot.contracts import ENHANCEMENT_FAMILY, GENERATION_FAMILY, QUALITY_FAMILY
from packshot.serving.options import ServerConfig
from packshot.serving.process import TritonProcess

ROOT = Path(__file__).parents[1]
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")


@pytest.fixture(scope="session")
def photo_files() -> dict[str, bytes]:
    """Real photographs that scikit-image carries, as JPEG files, by name without suffix."""
    spec = importlib.util.find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    files = {}
    for name in PHOTOS:
        with Image.open(Path(spec.origin).parent / "data" / name) as picture:
            encoded = io.BytesIO()
            picture.convert("RGB").save(encoded, "JPEG", quality=92)
            files[Path(name).stem] = encoded.getvalue()
    return files


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models that judge, of the real model repository, with version 1 of their network.

    A server of these starts in seconds; those that mend have a repository of their own
    (``enhancement_models``).
    """
    whole = ROOT / "model_repository"
    if not (whole / "quality_net" / "1" / "model.xml").exists():
        build_quality_network(whole)
    folder = tmp_path_factory.mktemp("models") / "model_repository"
    folder.mkdir()
    for spec in QUALITY_FAMILY:
        (folder / spec.name).symlink_to(whole / spec.name)
    return folder


def build_quality_network(folder: Path) -> None:
    """Export the shipped weights, as ``make export`` does."""
    from packshot_export.build import build
    from packshot_export.networks import network_named
    from packshot_export.recipe import Recipe

    weights = ROOT / "weights" / "quality.safetensors"
    build(
        network_named("quality"),
        repository=folder,
        recipe=Recipe(weights=weights),
        version=1,
        replace=True,
    )


@pytest.fixture(scope="session")
def triton(repository: Path) -> Iterator[TritonProcess]:
    """A live tritonserver with all models, on free ports, for the whole session."""
    with TritonProcess(ServerConfig.on_free_ports(repository), start_timeout_s=240.0) as server:
        yield server


@dataclass(frozen=True)
class EnhancementModels:
    """A repository of all models, and the weights of each network but scoring's, by export name."""

    repository: Path
    weights: dict[str, Path]


@pytest.fixture(scope="session")
def enhancement_models(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> EnhancementModels:
    """All models. Networks that the checkout has not built are built from random weights.

    What tests hold by it must not depend on how well the networks restore or draw.
    """
    folder = tmp_path_factory.mktemp("enhancement") / "model_repository"
    folder.mkdir()
    for model in repository.iterdir():
        (folder / model.name).symlink_to(model.resolve())
    weights = {}
    for spec in (*ENHANCEMENT_FAMILY, *GENERATION_FAMILY):
        model = ROOT / "model_repository" / spec.name
        name = spec.name.removesuffix("_net")
        shipped = ROOT / "weights" / f"{name}.safetensors"
        built = (model / "1" / "model.xml").exists() and shipped.exists()
        if name == spec.name or built:
            (folder / spec.name).symlink_to(model)
            weights[name] = shipped
            continue
        (folder / spec.name).mkdir()
        (folder / spec.name / "config.pbtxt").symlink_to(model / "config.pbtxt")
        weights[name] = build_from_random_weights(name, folder)
    return EnhancementModels(repository=folder, weights=weights)


def build_from_random_weights(name: str, folder: Path) -> Path:
    """As ``packshot-export build``, with a network that changes pictures visibly; its weights."""
    import torch

    from packshot.models.generator import Generator, GeneratorConfig
    from packshot.models.restoration import RestoreNet
    from packshot.models.upscaling import UpscaleNet, UpscaleNetConfig
    from packshot.models.weights import save_weights
    from packshot_export.build import build
    from packshot_export.networks import network_named
    from packshot_export.recipe import Recipe

    torch.manual_seed(5)
    network: torch.nn.Module
    metadata = {}
    silent: list[torch.nn.Parameter] = []
    if name == "generator":
        network = Generator(GeneratorConfig(width=4, style_size=16))
        network.measure_mean_styles()
    elif name == "restore":
        network = RestoreNet()
        silent = [network.detail.tail.weight, network.tone.change.weight]
    else:
        metadata["scale"] = name[-1]
        network = UpscaleNet(UpscaleNetConfig(scale=int(name[-1])))
        silent = [network.tail.weight]
    # Fresh networks change nothing.
    for parameter in silent:
        torch.nn.init.normal_(parameter, std=0.01)
    weights = folder.parent / f"{name}.safetensors"
    save_weights(network, weights, metadata=metadata)
    recipe = Recipe(weights=weights, pictures=16)
    build(network_named(name), repository=folder, recipe=recipe, version=1)
    return weights


@pytest.fixture(scope="session")
def enhancing_triton(enhancement_models: EnhancementModels) -> Iterator[TritonProcess]:
    """A live tritonserver with all models, which tests may load and unload."""
    config = ServerConfig.on_free_ports(
        enhancement_models.repository,
        model_control_mode="explicit",
        models=("quality", "enhance", "upscale", "optimize", "generate", "generate_stream"),
    )
    with TritonProcess(config, start_timeout_s=240.0) as server:
        yield server
