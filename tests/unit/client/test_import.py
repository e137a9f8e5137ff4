"""What importing the client costs."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    *("torch", "openvino", "cv2", "PIL", "typer", "rich", "jinja2", "onnx", "locust", "skimage"),
    *("numpy", "tritonclient", "ml_dtypes", "opentelemetry", "packshot.imaging"),
)


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_client_loads_nothing_heavy() -> None:
    code = f"import sys, packshot_client; print([m for m in {HEAVY} if m in sys.modules])"
    assert python(code).strip() == "[]"


def test_importing_reads_no_environment_of_ours() -> None:
    code = (
        "import os\n"
        "read = []\n"
        "get = type(os.environ).__getitem__\n"
        "def spy(self, key):\n"
        "    read.append(key)\n"
        "    return get(self, key)\n"
        "type(os.environ).__getitem__ = spy\n"
        "import packshot_client\n"
        "print([key for key in read if 'PACKSHOT' in key.upper()])"
    )
    assert python(code).strip() == "[]"


def test_a_missing_extra_is_named_without_a_traceback() -> None:
    code = (
        "import sys\n"
        "sys.modules['typer'] = None\n"
        "import packshot_client.cli\n"
        "try:\n"
        "    packshot_client.cli.main()\n"
        "except SystemExit as stop:\n"
        "    print(stop.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "2"
    assert "pip install 'packshot[cli]'" in done.stderr
    assert "typer" in done.stderr
    assert "Traceback" not in done.stderr
