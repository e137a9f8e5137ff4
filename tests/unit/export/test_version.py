"""A version folder appears whole or not at all."""

import json
from pathlib import Path

import pytest

from packshot_export.errors import VersionExistsError
from packshot_export.version import next_version, sha256_of, staged_version, write_manifest


def test_version_appears_only_when_complete(tmp_path: Path) -> None:
    with staged_version(tmp_path, 1) as staging:
        (staging / "model.xml").write_text("graph")
        assert not (tmp_path / "1").exists()
    assert (tmp_path / "1" / "model.xml").read_text() == "graph"
    assert [p.name for p in tmp_path.iterdir()] == ["1"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def build_half() -> None:
        with staged_version(tmp_path, 1) as staging:
            (staging / "model.xml").write_text("half")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        build_half()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_version_is_kept(tmp_path: Path) -> None:
    with staged_version(tmp_path, 1) as staging:
        (staging / "model.xml").write_text("first")
    with pytest.raises(VersionExistsError, match="build version 2"), staged_version(tmp_path, 1):
        pytest.fail("the block must not run")
    assert (tmp_path / "1" / "model.xml").read_text() == "first"


def test_a_failed_replacement_keeps_the_old_version(tmp_path: Path) -> None:
    with staged_version(tmp_path, 1) as staging:
        (staging / "model.xml").write_text("first")
    with pytest.raises(RuntimeError), staged_version(tmp_path, 1, replace=True):
        raise RuntimeError
    assert (tmp_path / "1" / "model.xml").read_text() == "first"
    with staged_version(tmp_path, 1, replace=True) as staging:
        (staging / "model.xml").write_text("second")
    assert (tmp_path / "1" / "model.xml").read_text() == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["1"]


def test_next_version(tmp_path: Path) -> None:
    assert next_version(tmp_path) == 1
    for name in ("2", "10", "configs", ".staging-3"):
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == 11


def test_manifest_holds_the_checksum_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    write_manifest(tmp_path, {"model": "quality_net"})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["model"] == "quality_net"
    assert manifest["files"] == {"model.bin": sha256_of(tmp_path / "model.bin")}
