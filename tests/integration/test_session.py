"""A server for as long as one command runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from packshot.errors import ModelRepositoryError
from packshot.serving.session import run_with_server

ASK = "import os, sys; from packshot_client import PackshotClient as C;" + (
    "c = C(os.environ['PACKSHOT_SERVER']); sys.exit(7 if c.server_ready() else 1)"
)


def test_the_command_finds_a_ready_server_and_its_status_is_returned(repository: Path) -> None:
    assert run_with_server([sys.executable, "-c", ASK], model_repository=repository) == 7


def test_a_missing_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelRepositoryError, match="nowhere"):
        run_with_server(["true"], model_repository=tmp_path / "nowhere")


def test_as_a_program(repository: Path) -> None:
    program = [sys.executable, "-m", "packshot.serving.session", "--model-repository"]
    result = subprocess.run(
        [*program, str(repository), "--", sys.executable, "-c", "print('ran')"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Triton ready after" in result.stdout
    assert "ran" in result.stdout
