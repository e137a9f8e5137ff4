"""What `packshot-export check` says of a repository that does not agree with itself."""

import shutil
from pathlib import Path

import pytest

from packshot_export.configuration import pin, pinned_version, served_versions, set_served_versions
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
