"""Every file under docker/ agrees with versions.env."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[3] / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
TEXTS = sorted(
    file
    for pattern in ("*.Dockerfile", "compose.yaml", "kubernetes/**/*.yaml")
    for file in DOCKER.glob(pattern)
)


def versions() -> dict[str, str]:
    lines = (DOCKER / "versions.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_four_images_are_there() -> None:
    names = {file.name.removesuffix(".Dockerfile") for file in DOCKERFILES}
    assert names == {"server.cpu", "server.gpu", "export", "loadtest"}


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda f: f.name)
def test_default_arguments_of_dockerfiles(file: Path) -> None:
    found = re.findall(r"^ARG (\w+)=(\S+)$", file.read_text(), re.M)
    assert found
    for name, value in found:
        assert versions()[name] == value, f"{file.name}: ARG {name}"


@pytest.mark.parametrize("file", TEXTS, ids=lambda f: str(f.relative_to(DOCKER)))
def test_our_images_have_our_version(file: Path) -> None:
    for tag in re.findall(r"packshot-(?:server|export|loadtest):([^\s\"]+)", file.read_text()):
        if tag not in ("cpu", "gpu") and "$" not in tag:
            assert tag.startswith(versions()["PACKSHOT_VERSION"]), tag


def test_third_parties_in_kubernetes() -> None:
    texts = "".join(file.read_text() for file in DOCKER.glob("kubernetes/**/*.yaml"))
    assert set(re.findall(r"rclone/rclone:(\S+)", texts)) == {versions()["RCLONE_VERSION"]}


def test_variables_of_compose_are_in_the_file() -> None:
    used = set(re.findall(r"\$\{(\w+)\}", (DOCKER / "compose.yaml").read_text()))
    assert used <= set(versions())


def test_installed_packages_are_those_of_the_cpu_image() -> None:
    assert importlib.metadata.version("nvidia-pytriton") == versions()["CPU_PYTRITON_VERSION"]
    assert importlib.metadata.version("packshot") == versions()["PACKSHOT_VERSION"]


def test_pyproject_pins_the_same_pytriton() -> None:
    text = (DOCKER.parent / "pyproject.toml").read_text()
    assert f"nvidia-pytriton=={versions()['CPU_PYTRITON_VERSION']}" in text
