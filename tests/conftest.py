"""What several kinds of tests share: real photos, the built model repository, a live Triton."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from packshot.serving.options import ServerConfig
from packshot.serving.ports import free_ports
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
def repository() -> Path:
    """The real model repository, with version 1 of the quality network in it."""
    folder = ROOT / "model_repository"
    if not (folder / "quality_net" / "1" / "model.xml").exists():
        build_quality_network(folder)
    return folder


def build_quality_network(folder: Path) -> None:
    """Export the shipped weights, as ``make export`` does."""
    from packshot_export.build import build_openvino
    from packshot_export.networks import network_named

    weights = ROOT / "weights" / "quality.safetensors"
    build_openvino(
        network_named("quality"), repository=folder, weights=weights, version=1, replace=True
    )


@pytest.fixture(scope="session")
def triton(repository: Path) -> Iterator[TritonProcess]:
    """A live tritonserver with all models, on free ports, for the whole session."""
    grpc, http, metrics = free_ports(3)
    config = ServerConfig(
        model_repository=repository, grpc_port=grpc, http_port=http, metrics_port=metrics
    )
    with TritonProcess(config) as server:
        yield server
