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


def test_pinning_makes_a_new_version_of_the_ensemble(repository: Path) -> None:
    ensemble = repository / "quality"
    before = served_versions(ensemble, None)
    assert pin(ensemble, "quality_net", 2)
    assert pinned_version(ensemble, "quality_net") == 2
    assert served_versions(ensemble, None) > before
    assert (ensemble / str(served_versions(ensemble, None)[0])).is_dir()
    assert not pin(ensemble, "quality_net", 2), "nothing to change"


def test_python_models_are_pinned_as_ensembles_are(repository: Path) -> None:
    shutil.copytree(REPOSITORY / "optimize", repository / "optimize")
    optimize = repository / "optimize"
    assert callers_of(repository, "quality_net") == [optimize, repository / "quality"]
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
