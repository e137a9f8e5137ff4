"""A version folder appears whole or not at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from packshot_export.errors import (
    BusyError,
    ExportError,
    VerificationError,
    VersionError,
    VersionExistsError,
)
from packshot_export.lock import model_lock
from packshot_export.manifest import check_files, write_manifest
from packshot_export.signing import SIGNATURE, sign
from packshot_export.version import next_version, sha256_of, staged_version


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "tiny_net"


def test_version_appears_only_when_complete(model: Path) -> None:
    with staged_version(model, 1) as staging:
        (staging / "model.xml").write_text("graph")
        assert not (model / "1").exists()
    assert (model / "1" / "model.xml").read_text() == "graph"
    assert [p.name for p in model.iterdir()] == ["1"]


def test_a_failure_leaves_nothing_behind(model: Path) -> None:
    def build_half() -> None:
        with staged_version(model, 1) as staging:
            (staging / "model.xml").write_text("half")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        build_half()
    assert list(model.iterdir()) == []


def test_an_existing_version_is_kept(model: Path) -> None:
    with staged_version(model, 1) as staging:
        (staging / "model.xml").write_text("first")
    with pytest.raises(VersionExistsError, match="build version 2"), staged_version(model, 1):
        pytest.fail("the block must not run")
    assert (model / "1" / "model.xml").read_text() == "first"


def test_a_failed_replacement_keeps_the_old_version(model: Path) -> None:
    with staged_version(model, 1) as staging:
        (staging / "model.xml").write_text("first")
    with pytest.raises(RuntimeError), staged_version(model, 1, replace=True):
        raise RuntimeError
    assert (model / "1" / "model.xml").read_text() == "first"
    with staged_version(model, 1, replace=True) as staging:
        (staging / "model.xml").write_text("second")
    assert (model / "1" / "model.xml").read_text() == "second"
    assert [p.name for p in model.iterdir()] == ["1"]


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


KILLED_BUILD = """
import os, signal, sys
from pathlib import Path
from packshot_export.version import staged_version
with staged_version(Path(sys.argv[1]), 1) as staging:
    (staging / "model.xml").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_build_leaves_no_version_and_the_next_cleans_up(tmp_path: Path) -> None:
    model = tmp_path / "tiny_net"
    done = subprocess.run([sys.executable, "-c", KILLED_BUILD, str(model)], check=False)
    assert done.returncode < 0
    assert not (model / "1").exists()
    assert len(list(model.iterdir())) == 1
    with staged_version(model, 1) as staging:
        (staging / "model.xml").write_text("whole")
    assert [path.name for path in model.iterdir()] == ["1"]


def test_two_builders_of_one_model(tmp_path: Path) -> None:
    model = tmp_path / "tiny_net"
    with (
        model_lock(model),
        pytest.raises(BusyError, match=f"pid {os.getpid()}"),
        staged_version(model, 1),
    ):
        pytest.fail("the block must not run")


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with staged_version(tmp_path / "net", 1):
            Path("/dev/full").write_text("x")

    with pytest.raises(VersionError, match="No space left on device"):
        fill()
    assert list((tmp_path / "net").iterdir()) == []


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(VersionError, match="cannot lock"),
        staged_version(tmp_path / "file" / "net", 1),
    ):
        pytest.fail("the block must not run")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    write_manifest(folder, {"model": "quality_net", "version": 7})
    return folder


def test_what_was_built_passes(built: Path) -> None:
    (built / "__pycache__").mkdir()
    assert check_files(built)["version"] == 7


def test_tampering_is_named(built: Path) -> None:
    (built / "model.bin").write_bytes(b"others")
    (built / "more.py").touch()
    with pytest.raises(VerificationError, match=r"more\.py was added.*model\.bin was changed"):
        check_files(built)


def test_a_version_moved_to_another_number(built: Path) -> None:
    with pytest.raises(VerificationError, match="built as version 7"):
        check_files(built.rename(built.with_name("8")))


def test_signature_of_openssl_keys(built: Path, tmp_path: Path) -> None:
    key, public = tmp_path / "key.pem", tmp_path / "public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    with pytest.raises(VerificationError, match="was not signed"):
        check_files(built, public)
    (built / SIGNATURE).write_bytes(sign((built / "manifest.json").read_bytes(), key))
    check_files(built, public)
    manifest = built / "manifest.json"
    manifest.write_text(manifest.read_text() + " ")
    with pytest.raises(VerificationError, match="does not fit"):
        check_files(built, public)


def test_a_key_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("nonsense")
    with pytest.raises(ExportError, match="openssl genpkey"):
        sign(b"", tmp_path / "key.pem")
