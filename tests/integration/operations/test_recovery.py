"""The command by which docs/operations.md says how long a killed model is away."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

COMMAND = (sys.executable, "-m", "packshot.serving.recovery")


def test_a_kill_is_mended_and_timed(family: Path) -> None:
    command = [*COMMAND, f"--model-repository={family}", "--kills=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # That calls failed is usual and not certain: the other process of the model lives on.
    said = re.search(r"away for ([\d.]+) s .* 1 kills of quality; \d+ calls failed", done.stdout)
    assert said is not None, done.stdout
    assert float(said[1]) > 0
    assert "0 of them wrong" in done.stdout


def test_a_model_without_a_process(family: Path) -> None:
    command = [*COMMAND, f"--model-repository={family}", "--kills=1", "--model=nosuch"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nosuch has no process to kill" in done.stderr
