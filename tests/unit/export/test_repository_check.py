"""What `packshot-export check` says of a repository that does not agree with itself."""

import shutil
from pathlib import Path

import pytest

from packshot.serving.repository import read_config
from packshot_export.configuration import (
    callers_of,
    make_canary,
    pin,
    pinned_version,
    served_versions,
    set_served_versions,
)
from packshot_export.manifest import write_manifest
from packshot_export.repository_check import differences

REPOSITORY = Path(__file__).parents[3] / "model_repository"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The committed configurations of the quality family, with a version that looks built."""
    for name in ("decode_image", "quality", "quality_net", "quality_verdict"):
        shutil.copytree(
            REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("[0-9]*", "*.py")
        )
        (tmp_path / name / "1").mkdir()
    version = tmp_path / "quality_net" / "1"
    (version / "model.xml").touch()
    write_manifest(version, {"model": "quality_net", "version": 1, "target": "openvino"})
    set_served_versions(tmp_path / "quality_net", None, (1,))
    pin(tmp_path / "quality", "quality_net", 1)
    return tmp_path


def test_the_committed_repository_agrees(repository: Path) -> None:
    assert differences(repository) == []


def test_each_difference_is_said(repository: Path) -> None:
    config = repository / "quality_net" / "config.pbtxt"
    config.write_text(config.read_text().replace("dims: [ 7, 7, 7 ]", "dims: [ 7, 7, 9 ]"))
    set_served_versions(repository / "quality_net", None, (1, 4))
    pin(repository / "quality", "quality_net", 3)
    said = "\n".join(differences(repository))
    assert "output QUALITY_MAP TYPE_FP32 [7, 7, 9] is not in the contract" in said
    assert "serves version 4, which is not built" in said
    assert "calls version 3 of quality_net, which serves [1, 4]" in said


@pytest.mark.parametrize("variant", [None, "tensorrt"])
def test_pinning_makes_a_new_version_of_the_caller(repository: Path, variant: str | None) -> None:
    caller = repository / "quality"
    before = served_versions(caller, variant)
    assert pin(caller, "quality_net", 2, variant)
    assert pinned_version(caller, "quality_net", variant) == 2
    assert served_versions(caller, variant) > before
    assert (caller / str(served_versions(caller, variant)[0])).is_dir()
    assert not pin(caller, "quality_net", 2, variant), "nothing to change"


def test_what_each_kind_of_machine_calls_is_pinned_on_its_own(repository: Path) -> None:
    """A plan for a GPU is nothing that a CPU could serve: its version is another."""
    quality = repository / "quality"
    assert callers_of(repository, "quality_net", "tensorrt") == [quality]
    assert callers_of(repository, "decode_image", None) == []
    cpu = (quality / "config.pbtxt").read_text()
    assert pin(quality, "quality_net", 5, "tensorrt")
    assert (quality / "config.pbtxt").read_text() == cpu
    assert pinned_version(quality, "quality_net", "tensorrt") == 5
    assert pinned_version(quality, "quality_net") == 1
    (revision,) = served_versions(quality, "tensorrt")
    assert (quality / str(revision)).is_dir()
    said = "\n".join(differences(repository))
    assert "tensorrt.pbtxt: calls version 5 of quality_net, which serves [1]" in said
    canary = make_canary(quality)
    assert pinned_version(canary, "quality_net", "tensorrt") == 5
    assert pinned_version(canary, "quality_net") == 1
    assert (canary / str(revision)).is_dir()


def test_python_models_are_pinned_as_ensembles_are(repository: Path) -> None:
    shutil.copytree(REPOSITORY / "optimize", repository / "optimize")
    optimize = repository / "optimize"
    assert callers_of(repository, "quality_net", None) == [optimize, repository / "quality"]
    before = (optimize / "config.pbtxt").read_text()
    assert pin(optimize, "quality_net", 7)
    assert pinned_version(optimize, "quality_net") == 7
    assert pinned_version(optimize, "restore_net") == 1, "the other network it calls"
    (revision,) = served_versions(optimize, None)
    assert (optimize / str(revision) / "model.py").is_file()
    after = (optimize / "config.pbtxt").read_text()
    changed = zip(before.splitlines(), after.splitlines(), strict=True)
    assert sum(old != new for old, new in changed) == 2, "comments and all else stay"
    said = "\n".join(differences(repository))
    assert "calls version 7 of quality_net, which serves [1]" in said
    assert "calls restore_net, which is not there" in said


def test_the_canary_of_a_python_model_has_its_code(repository: Path) -> None:
    shutil.copytree(REPOSITORY / "optimize", repository / "optimize")
    canary = make_canary(repository / "optimize")
    assert read_config(canary / "config.pbtxt").name == canary.name == "optimize_canary"
    assert pin(canary, "quality_net", 3)
    (revision,) = served_versions(canary, None)
    assert (canary / str(revision) / "model.py").is_file()
    assert pinned_version(repository / "optimize", "quality_net") == 1


def test_calls_that_cannot_be_read_are_said(repository: Path) -> None:
    shutil.copytree(REPOSITORY / "optimize", repository / "optimize")
    config = repository / "optimize" / "config.pbtxt"
    config.write_text(config.read_text().replace("restore_net:1", "restore_net:latest"))
    assert "got 'restore_net:latest'" in "\n".join(differences(repository))
