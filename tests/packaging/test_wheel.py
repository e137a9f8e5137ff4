"""The wheel in a fresh environment: the base install is the thin client and nothing more."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "openvino", "cv2", "PIL", "locust", "onnx", "typer", "skimage", "numpy")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True)
    (built,) = folder.glob("packshot-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of a fresh environment with the base install."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    interpreter = folder / "bin" / "python"
    command = [str(interpreter), "-m", "pip", "install", "--quiet", "--constraint"]
    subprocess.run([*command, str(ROOT / "constraints.txt"), str(wheel)], check=True)
    return interpreter


def run(python: Path, code: str) -> str:
    result = subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, check=False, cwd="/"
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_wheel_holds_every_package_and_its_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package, folder in (
        ("packshot", "src"),
        ("packshot_client", "client"),
        ("packshot_export", "export"),
        ("packshot_loadtest", "loadtest"),
    ):
        expected = {
            str(path.relative_to(ROOT / folder))
            for path in (ROOT / folder / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert f"{package}/py.typed" in names
        assert expected <= names
    assert not any(name.startswith(("tests/", "model_repository/")) for name in names)


def test_base_install_imports_the_client_and_nothing_heavy(python: Path) -> None:
    code = (
        "import sys, json, packshot_client, packshot.contracts;"
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    assert json.loads(run(python, code)) == []


def test_base_install_brings_nothing_heavy(python: Path) -> None:
    listing = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=json"],
        capture_output=True,
        text=True,
        check=True,
    )
    installed = {package["name"].lower() for package in json.loads(listing.stdout)}
    heavy = {"torch", "openvino", "opencv-python-headless", "locust", "onnx", "nvidia-pytriton"}
    assert not installed & heavy


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("packshot.imaging", "imaging"),
        ("packshot.serving.cli", "server"),
        ("packshot.models.quality", "train"),
        ("packshot.training.recipes", "train"),
        ("packshot_export.build", "export"),
        ("packshot_loadtest.bench", "bench"),
    ],
)
def test_a_module_that_needs_an_extra_names_it(python: Path, module: str, extra: str) -> None:
    code = (
        "import importlib\n"
        f"try:\n    importlib.import_module({module!r})\n"
        "except ImportError as error:\n    print(error)\n"
        "else:\n    print('imported')"
    )
    assert f"packshot[{extra}]" in run(python, code)


def test_the_command_line_names_its_extra_without_a_traceback(python: Path) -> None:
    result = subprocess.run(
        [str(python.with_name("packshot")), "score", "photo.jpg"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "packshot[cli]" in result.stderr
    assert "Traceback" not in result.stderr


def test_base_install_is_grpc_and_little_else(python: Path) -> None:
    listing = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=json"],
        capture_output=True,
        text=True,
        check=True,
    )
    installed = {package["name"].lower() for package in json.loads(listing.stdout)}
    assert installed - {"pip", "setuptools", "wheel"} == {
        "packshot",
        "grpcio",
        "msgspec",
        "protobuf",
        "typing_extensions",
    }


SAMPLE = """
from packshot_client import (
    AsyncPackshotClient, ClientConfig, ClientError, Enhance, Generate, Hedging, Optimize,
    PackshotClient, PixelScore, QualityResult, ScoreOutcome,
)

config = ClientConfig(timeout_s=1.0, hedging=Hedging(delay_s=0.1))

def ranked(address: str, photos: list[bytes]) -> list[float]:
    with PackshotClient(address, config=config) as client:
        reveal_type(client.score("photo.jpg"))
        reveal_type(client.score_many(photos))
        reveal_type(client.health().latency_s)
        return [o.score for o in client.score_many(photos) if isinstance(o, QualityResult)]

async def one(address: str) -> str:
    async with AsyncPackshotClient([address, address]) as client:
        reveal_type(await client.score(b"data", canary_key="a"))
        reveal_type(client.score_many([b"data"]))
        return (await client.score(b"data")).decision

async def pictures(client: PackshotClient, other: AsyncPackshotClient) -> None:
    reveal_type(client.enhance("photo.jpg", format="webp"))
    reveal_type(client.map(Optimize(policy="google"), [b"data"]))
    reveal_type(await other.optimize(b"data"))
    reveal_type(other.map(Enhance(), [b"data"]))
    reveal_type(client.generate("watches")[0].seed)
    async for picture in other.generate_stream("watches", count=100):
        reveal_type(picture)
    with client as same:
        reveal_type(same)

def wrong(client: PackshotClient) -> None:
    client.score(3)
    client.score(b"data", timeout=1.0)
    client.score(b"data").scores
    ClientConfig(retries=3)
    client.enhance(b"data", format="gif")
    client.upscale(b"data", scale="2")
    client.map(Generate(category="watches"), [b"data"])
"""


def test_types_as_a_user_of_the_wheel_sees_them(python: Path, tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text(SAMPLE)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental"]
    command += ["--python-executable", str(python), "--config-file=", str(sample)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    revealed = re.findall(r'Revealed type is "(.*?)"', done.stdout)
    short = [re.sub(r"[\w.]+\.(\w+)", r"\1", text) for text in revealed]
    assert short == [
        "QualityResult",
        "Iterator[QualityResult | ClientError]",
        "float | None",
        "QualityResult",
        "AsyncIterator[QualityResult | ClientError]",
        "Picture",
        "Iterator[OptimizedPicture | ClientError]",
        "OptimizedPicture",
        "AsyncIterator[Picture | ClientError]",
        "int",
        "GeneratedPicture",
        "PackshotClient",
    ], done.stdout
    errors = re.findall(r"error: .*\[([\w-]+)\]", done.stdout)
    assert errors == [
        *("arg-type", "call-arg", "attr-defined", "arg-type"),
        *("arg-type", "arg-type", "arg-type"),
    ], done.stdout
