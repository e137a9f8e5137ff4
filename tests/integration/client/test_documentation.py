"""The examples of docs/ run as they stand, and so does the Python of docs/client.md."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from packshot.serving.process import TritonProcess

DOCS = Path(__file__).parents[3] / "docs"
BLOCKS = re.findall(r"```python\n(.*?)```", (DOCS / "client.md").read_text(), flags=re.DOTALL)


@pytest.fixture
def folder(photo_files: dict[str, bytes], tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, data in photo_files.items():
        (photos / f"{name}.jpg").write_bytes(data)
    return photos


def patient(python: str) -> str:
    """The same with a minute for everything: this machine has other things to do."""
    return re.sub(r"timeout_s=[\d.]+", "timeout_s=60.0", python)


@pytest.fixture
def example(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one of the examples: ``example(name, *arguments)``."""

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        program = tmp_path / name
        program.write_text(patient((DOCS / "examples" / name).read_text()))
        return run_patiently(program, *arguments)

    return run


def run_patiently(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


async def test_the_ad_service(
    triton: TritonProcess, photo_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKSHOT_SERVER", triton.grpc_address)
    spec = importlib.util.spec_from_file_location("ad_service", DOCS / "examples/ad_service.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Not the example's 0.2 s: this machine has other things to do.
    monkeypatch.setattr(module, "CONFIG", module.ClientConfig(timeout_s=60.0))
    transport = httpx.ASGITransport(module.app)
    async with (
        module.app.router.lifespan_context(module.app),
        httpx.AsyncClient(transport=transport, base_url="http://ad") as service,
    ):
        assert (await service.get("/healthz")).json() == {"ready": True}
        answer = (await service.post("/bid", content=photo_files["coffee"])).json()
        assert answer["boost"] == pytest.approx(0.5 + answer["score"] / 100)
        assert (await service.post("/bid", content=b"no picture")).status_code == 422


def test_the_thread_pool(triton: TritonProcess, folder: Path, example: Any) -> None:
    photos = sorted(folder.iterdir())
    done = example("thread_pool.py", triton.grpc_address, *photos, "/nowhere.jpg")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.search(r"astronaut\.jpg: (accept|review|reject)$", lines[0])
    assert "not scored" in lines[-1]
    assert f"{triton.grpc_address} OK: {len(photos)}" in done.stderr


def test_the_batch_job(triton: TritonProcess, folder: Path, example: Any) -> None:
    (folder / "broken.jpg").write_bytes(b"no picture")
    done = example("batch_job.py", triton.grpc_address, folder)
    assert done.returncode == 1, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 6
    assert [Path(line["file"]).name for line in lines if "error" in line] == ["broken.jpg"]


def test_the_job_that_mends(
    enhancing_triton: TritonProcess, photo_files: dict[str, bytes], tmp_path: Path, example: Any
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "fixed"
    photos.mkdir()
    (photos / "coffee.jpg").write_bytes(photo_files["coffee"])
    (photos / "broken.jpg").write_bytes(b"no picture")
    done = example("mend_job.py", enhancing_triton.grpc_address, photos, out)
    assert done.returncode == 1, done.stderr
    lines = {Path(line["file"]).name: line for line in map(json.loads, done.stdout.splitlines())}
    assert "error" in lines["broken.jpg"]
    assert lines["coffee.jpg"]["gain"] >= 0
    assert (out / "coffee.jpg").stat().st_size > 0


def test_client_md_has_python() -> None:
    assert len(BLOCKS) >= 5


@pytest.mark.parametrize("block", BLOCKS)
def test_the_python_of_client_md_runs(
    block: str,
    enhancing_triton: TritonProcess,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    (folder / "photo.jpg").write_bytes((folder / "coffee.jpg").read_bytes())
    port = enhancing_triton.grpc_address.rpartition(":")[2]
    names = {
        "pixels": np.zeros((300, 400, 3), dtype=np.uint8),
        "photos": [folder / "coffee.jpg", folder / "rocket.jpg"],
        "address": enhancing_triton.grpc_address,
    }
    exec(patient(re.sub(r"[\w-]+:8001", f"localhost:{port}", block)), names)
