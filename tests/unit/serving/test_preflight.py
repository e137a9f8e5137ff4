"""Each check says how to mend what it found."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from packshot.errors import MissingDependencyError, PortInUseError
from packshot.serving import installation as installation_module
from packshot.serving.installation import STUB, Installation, find_installation
from packshot.serving.options import ServerConfig
from packshot.serving.ports import bind_obstacle, free_ports, port_holder
from packshot.serving.preflight import (
    package_problems,
    port_problems,
    preflight,
    program_problems,
    repository_problems,
    shared_memory_problems,
)

REPOSITORY = Path(__file__).parents[3] / "model_repository"


def config(**changes: Any) -> ServerConfig:
    return ServerConfig.on_free_ports(**{"model_repository": REPOSITORY, **changes})


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(bind_obstacle("127.0.0.1", port) is None for port in ports)
    assert all(port_holder(port) is None for port in ports)


def test_taken_port_names_its_holder_and_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        (problem,) = port_problems(config(http_port=port))
    assert isinstance(problem, PortInUseError)
    assert f"pid {os.getpid()}" in str(problem)
    assert "for http" in str(problem)
    assert "--http-port" in str(problem)


def test_shared_ports_are_not_checked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        assert not port_problems(config(grpc_port=port, extra_args=("--reuse-grpc-port=true",)))


def test_repository_that_is_not_there(tmp_path: Path) -> None:
    (problem,) = repository_problems(config(model_repository=tmp_path / "none"))
    assert "--model-repository" in str(problem)


def test_repository_without_models(tmp_path: Path) -> None:
    (problem,) = repository_problems(config(model_repository=tmp_path))
    assert "has no models" in str(problem)


def test_steps_of_an_ensemble_are_looked_for_too(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "quality", tmp_path / "quality")
    wanted = config(
        model_repository=tmp_path,
        model_control_mode="explicit",
        models=("quality",),
        model_config_name="tensorrt",
    )
    named = " ".join(map(str, repository_problems(wanted)))
    assert all(step in named for step in ("decode_image", "quality_net", "quality_verdict"))


def test_network_that_a_model_computes_with_is_looked_for_too(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "quality", tmp_path / "quality")
    wanted = config(model_repository=tmp_path, model_control_mode="explicit", models=("quality",))
    (problem,) = repository_problems(wanted)
    assert str(tmp_path / "quality_net" / "1" / "model.xml") in str(problem)
    assert "packshot-export build quality" in str(problem)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    server = program(tmp_path / "tritonserver", "exit 0")
    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        wanted = config(model_repository=tmp_path / "empty", grpc_port=holder.getsockname()[1])
        with pytest.raises(PortInUseError, match=r"(?s)cannot listen.*has no models"):
            preflight(wanted, Installation(executable=server), os.environ)


LOADER = "echo '{0}: error while loading shared libraries: {1}: cannot open' >&2; exit 127"


def test_stub_without_libpython(tmp_path: Path) -> None:
    """The one failure that Triton answers by hanging for ever."""
    server = program(tmp_path / "tritonserver", "exit 1")
    program(tmp_path / "python" / STUB, LOADER.format("stub", "libpython3.11.so.1.0"))
    problems = program_problems(
        config(), Installation(executable=server, backend_directory=tmp_path), os.environ
    )
    (problem,) = problems
    assert isinstance(problem, MissingDependencyError)
    assert "libpython3-dev" in str(problem)


def test_server_for_a_newer_glibc(tmp_path: Path) -> None:
    server = program(
        tmp_path / "tritonserver",
        "echo \"libc.so.6: version 'GLIBC_2.35' not found (required by tritonserver)\" >&2; exit 1",
    )
    (problem,) = program_problems(config(), Installation(executable=server), os.environ)
    assert "glibc 2.35" in str(problem)


def test_option_that_this_triton_does_not_know(tmp_path: Path) -> None:
    server = program(tmp_path / "tritonserver", "echo usage; exit 1")
    (problem,) = program_problems(
        config(grpc_infer_threads=4), Installation(executable=server), os.environ
    )
    assert "--grpc-infer-thread-count" in str(problem)


def test_numpy_2_with_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "2.1.0")
    wheel = Installation(executable=tmp_path / "t", backend_directory=tmp_path)
    (problem,) = package_problems(wheel)
    assert "pip install 'numpy<2'" in str(problem)
    assert not package_problems(Installation(executable=tmp_path / "t"))


def test_small_shared_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: Path
) -> None:
    wanted = config(model_repository=repository)
    assert not shared_memory_problems(wanted)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    (problem,) = shared_memory_problems(wanted, tmp_path)
    assert "--shm-size" in str(problem)


def test_installation_from_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_installation(cache_root=tmp_path / "cache")
    assert found.backend_directory is not None
    files = {entry.name for entry in (found.backend_directory / "python").iterdir()}
    assert files == {"libtriton_python.so", "triton_python_backend_utils.py", STUB}
    again = find_installation(cache_root=tmp_path / "cache")
    assert again == found
    assert not program_problems(
        config(), found, {"LD_LIBRARY_PATH": ":".join(map(str, found.library_directories))}
    )


def test_installation_mends_broken_links(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_installation(cache_root=tmp_path / "cache")
    assert found.backend_directory is not None
    (found.backend_directory / "python" / STUB).unlink()
    assert find_installation(cache_root=tmp_path / "cache") == found
    assert (found.backend_directory / "python" / STUB).exists()


def test_installation_with_a_read_only_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "file").touch()
    found = find_installation(cache_root=tmp_path / "file" / "cache")
    assert found.backend_directory is not None
    assert (found.backend_directory / "python" / STUB).exists()


def test_installation_on_the_path_comes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = program(tmp_path / "tritonserver", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_installation() == Installation(executable=server)


def test_no_tritonserver_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(installation_module, "_wheel_directory", lambda: None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        find_installation()


def test_python_without_a_stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(installation_module.sys, "version_info", SimpleNamespace(major=3, minor=99))
    with pytest.raises(MissingDependencyError, match=r"3\.99, only for"):
        find_installation(cache_root=tmp_path)


def test_chosen_server_must_be_a_program(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="not a program"):
        find_installation(executable=tmp_path)
